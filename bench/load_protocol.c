#include "bench/load_protocol.h"

#include "proto/number.h"

#include <endian.h>
#include <string.h>

#define LINE_BYTES_MAX 64 /* what a request holds beside keys and value */
#define HEADER_BYTES 24   /* of the binary protocol */
#define FLAGS_BYTES 4
#define SET_EXTRAS_BYTES 8
#define MAGIC_REQUEST 0x80
#define MAGIC_REPLY 0x81

enum opcode { OPCODE_GET = 0x00, OPCODE_SET = 0x01, OPCODE_NOOP = 0x0a, OPCODE_GETKQ = 0x0d };

enum status { STATUS_OK = 0, STATUS_NOT_FOUND = 1 };

/* Requests. */

size_t protocol_get_bytes_max(const struct keys *keys, uint32_t count) {
    return LINE_BYTES_MAX + count * (HEADER_BYTES + (size_t)keys_key_bytes(keys));
}

size_t protocol_set_bytes_max(const struct keys *keys, uint32_t number) {
    return LINE_BYTES_MAX + (size_t)keys_key_bytes(keys) + keys_value_bytes(keys, number);
}

#define PUT_TEXT(out, text) ((char *)memcpy(out, text, sizeof(text) - 1) + sizeof(text) - 1)

static char *put_header(char *out, enum opcode opcode, size_t key_length, size_t extras_length,
                        size_t body_length) {
    unsigned char header[HEADER_BYTES] = {MAGIC_REQUEST, (unsigned char)opcode};
    uint16_t key = htobe16((uint16_t)key_length);
    uint32_t body = htobe32((uint32_t)body_length);
    memcpy(header + 2, &key, sizeof(key));
    header[4] = (unsigned char)extras_length;
    memcpy(header + 8, &body, sizeof(body));
    memcpy(out, header, sizeof(header));
    return out + sizeof(header);
}

static char *put_text_get(char *out, const struct keys *keys, const uint32_t *numbers,
                          uint32_t count) {
    out = PUT_TEXT(out, "get");
    for (uint32_t i = 0; i < count; i++) {
        *out++ = ' ';
        out = keys_put(keys, out, numbers[i]);
    }
    return PUT_TEXT(out, "\r\n");
}

static char *put_meta_get(char *out, const struct keys *keys, const uint32_t *numbers,
                          uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        out = keys_put(keys, PUT_TEXT(out, "mg "), numbers[i]);
        out = count == 1 ? PUT_TEXT(out, " v\r\n") : PUT_TEXT(out, " v k q\r\n");
    }
    return count == 1 ? out : PUT_TEXT(out, "mn\r\n");
}

static char *put_binary_get(char *out, const struct keys *keys, const uint32_t *numbers,
                            uint32_t count) {
    enum opcode opcode = count == 1 ? OPCODE_GET : OPCODE_GETKQ;
    size_t length = keys_key_bytes(keys);
    for (uint32_t i = 0; i < count; i++) {
        out = keys_put(keys, put_header(out, opcode, length, 0, length), numbers[i]);
    }
    return count == 1 ? out : put_header(out, OPCODE_NOOP, 0, 0, 0);
}

char *protocol_put_get(char *out, enum protocol protocol, const struct keys *keys,
                       const uint32_t *numbers, uint32_t count) {
    switch (protocol) {
    case PROTOCOL_TEXT:
        return put_text_get(out, keys, numbers, count);
    case PROTOCOL_META:
        return put_meta_get(out, keys, numbers, count);
    case PROTOCOL_BINARY:
        return put_binary_get(out, keys, numbers, count);
    }
    return out;
}

static char *put_line_set(char *out, enum protocol protocol, const struct keys *keys,
                          uint32_t number) {
    uint32_t length = keys_value_bytes(keys, number);
    out = protocol == PROTOCOL_META ? PUT_TEXT(out, "ms ") : PUT_TEXT(out, "set ");
    out = keys_put(keys, out, number);
    out = protocol == PROTOCOL_META ? PUT_TEXT(out, " ") : PUT_TEXT(out, " 0 0 ");
    out = PUT_TEXT(number_write(out, length), "\r\n");
    return PUT_TEXT(keys_put_value(keys, out, number, length), "\r\n");
}

char *protocol_put_set(char *out, enum protocol protocol, const struct keys *keys,
                       uint32_t number) {
    if (protocol != PROTOCOL_BINARY) {
        return put_line_set(out, protocol, keys, number);
    }
    size_t key_length = keys_key_bytes(keys), length = keys_value_bytes(keys, number);
    out = put_header(out, OPCODE_SET, key_length, SET_EXTRAS_BYTES,
                     SET_EXTRAS_BYTES + key_length + length);
    memset(out, 0, SET_EXTRAS_BYTES);
    out = keys_put(keys, out + SET_EXTRAS_BYTES, number);
    return keys_put_value(keys, out, number, length);
}

/* Replies. */

static const struct reply_head none = {.kind = REPLY_NONE};

static bool begins_with(const char *line, size_t length, const char *text) {
    size_t wanted = strlen(text);
    return length >= wanted && memcmp(line, text, wanted) == 0;
}

static bool is_error(const char *line, size_t length) {
    return begins_with(line, length, "ERROR") || begins_with(line, length, "SERVER_ERROR ") ||
           begins_with(line, length, "CLIENT_ERROR ");
}

/* The length of the word at the start of what remains of a line, or 0. */
static size_t word(const char *at, const char *end) {
    const char *space = memchr(at, ' ', (size_t)(end - at));
    return (size_t)((space ? space : end) - at);
}

/* <key> <flags> <bytes>, behind VALUE */
static struct reply_head read_text_value(const struct keys *keys, const char *at, const char *end) {
    struct reply_head head = {.kind = REPLY_VALUE, .names_key = true};
    size_t length = word(at, end);
    head.number = keys_number(keys, at, length);
    at += length + 1;
    if (at >= end) {
        return none;
    }
    length = word(at, end);
    head.has_flags = length != 1 || *at != '0';
    at += length + 1;
    if (at >= end || !number_parse_u32(at, (size_t)(end - at), &head.value_bytes)) {
        return none;
    }
    return head;
}

static struct reply_head read_text(const struct keys *keys, const char *line, size_t length) {
    if (begins_with(line, length, "VALUE ")) {
        return read_text_value(keys, line + 6, line + length);
    }
    if (length == 3 && memcmp(line, "END", 3) == 0) {
        return (struct reply_head){.kind = REPLY_END};
    }
    if (length == 6 && memcmp(line, "STORED", 6) == 0) {
        return (struct reply_head){.kind = REPLY_STORED};
    }
    return is_error(line, length) ? (struct reply_head){.kind = REPLY_ERROR} : none;
}

/* <bytes>, or <bytes> k<key>, behind VA */
static struct reply_head read_meta_value(const struct keys *keys, const char *at, const char *end) {
    struct reply_head head = {.kind = REPLY_VALUE};
    size_t length = word(at, end);
    if (!number_parse_u32(at, length, &head.value_bytes)) {
        return none;
    }
    at += length;
    if (at == end) {
        return head;
    }
    if (!begins_with(at, (size_t)(end - at), " k")) {
        return none;
    }
    head.names_key = true;
    head.number = keys_number(keys, at + 2, (size_t)(end - at) - 2);
    return head;
}

static struct reply_head read_meta(const struct keys *keys, const char *line, size_t length) {
    if (begins_with(line, length, "VA ")) {
        return read_meta_value(keys, line + 3, line + length);
    }
    if (length == 2 && memcmp(line, "HD", 2) == 0) {
        return (struct reply_head){.kind = REPLY_STORED};
    }
    if (length == 2 && memcmp(line, "EN", 2) == 0) {
        return (struct reply_head){.kind = REPLY_MISS};
    }
    if (length == 2 && memcmp(line, "MN", 2) == 0) {
        return (struct reply_head){.kind = REPLY_END};
    }
    return is_error(line, length) ? (struct reply_head){.kind = REPLY_ERROR} : none;
}

static struct reply_head read_line(enum protocol protocol, const struct keys *keys,
                                   const char *bytes, size_t length) {
    size_t limit = length < PROTOCOL_HEAD_BYTES_MAX ? length : PROTOCOL_HEAD_BYTES_MAX;
    const char *end = memchr(bytes, '\n', limit);
    if (!end) {
        return (struct reply_head){.kind = limit < length ? REPLY_NONE : REPLY_PART};
    }
    if (end == bytes || end[-1] != '\r') {
        return none;
    }
    size_t line_length = (size_t)(end - bytes) - 1;
    struct reply_head head = protocol == PROTOCOL_META ? read_meta(keys, bytes, line_length)
                                                       : read_text(keys, bytes, line_length);
    head.bytes = line_length + 2;
    return head;
}

/* A hit of GET or GETKQ: flags, the key or not, and the value. */
static struct reply_head read_binary_value(const struct keys *keys, const char *bytes,
                                           size_t length, size_t key_length, size_t body_length) {
    struct reply_head head = {.kind = REPLY_VALUE,
                              .bytes = HEADER_BYTES + FLAGS_BYTES + key_length};
    uint32_t flags;
    if (bytes[4] != FLAGS_BYTES || body_length < FLAGS_BYTES + key_length ||
        head.bytes > PROTOCOL_HEAD_BYTES_MAX) {
        return none;
    }
    if (length < head.bytes) {
        return (struct reply_head){.kind = REPLY_PART};
    }
    memcpy(&flags, bytes + HEADER_BYTES, sizeof(flags));
    head.has_flags = flags != 0;
    head.names_key = key_length > 0;
    head.number = keys_number(keys, bytes + HEADER_BYTES + FLAGS_BYTES, key_length);
    head.value_bytes = (uint32_t)(body_length - FLAGS_BYTES - key_length);
    return head;
}

static struct reply_head read_binary(const struct keys *keys, const char *bytes, size_t length) {
    if (length < HEADER_BYTES) {
        return (struct reply_head){.kind = REPLY_PART};
    }
    uint16_t key_length, status;
    uint32_t body_length;
    memcpy(&key_length, bytes + 2, sizeof(key_length));
    memcpy(&status, bytes + 6, sizeof(status));
    memcpy(&body_length, bytes + 8, sizeof(body_length));
    key_length = be16toh(key_length);
    status = be16toh(status);
    body_length = be32toh(body_length);
    unsigned char magic = (unsigned char)bytes[0], opcode = (unsigned char)bytes[1];
    bool is_get = opcode == OPCODE_GET || opcode == OPCODE_GETKQ;
    if (magic != MAGIC_REPLY || !(is_get || opcode == OPCODE_SET || opcode == OPCODE_NOOP)) {
        return none;
    }
    if (is_get && status == STATUS_OK) {
        return read_binary_value(keys, bytes, length, key_length, body_length);
    }
    struct reply_head head = {.bytes = HEADER_BYTES + (size_t)body_length};
    if (head.bytes > PROTOCOL_HEAD_BYTES_MAX) {
        return none;
    }
    if (length < head.bytes) {
        return (struct reply_head){.kind = REPLY_PART};
    }
    if (status != STATUS_OK) {
        head.kind = is_get && status == STATUS_NOT_FOUND ? REPLY_MISS : REPLY_ERROR;
    } else {
        head.kind = opcode == OPCODE_SET ? REPLY_STORED : REPLY_END;
    }
    return head;
}

struct reply_head protocol_read_head(enum protocol protocol, const struct keys *keys,
                                     const char *bytes, size_t length) {
    return protocol == PROTOCOL_BINARY ? read_binary(keys, bytes, length)
                                       : read_line(protocol, keys, bytes, length);
}
