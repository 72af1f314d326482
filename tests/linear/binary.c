/* The binary protocol. Numbers on the wire are big-endian. */
#include "request.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_REQUEST 0x80
#define MAGIC_ANSWER 0x81
#define NOT_TO_BE_CREATED 0xffffffffu

struct header {
    uint8_t magic, opcode;
    uint16_t key_length;
    uint8_t extras_length, data_type;
    uint16_t status;
    uint32_t body_length, opaque;
    uint64_t cas;
};

enum status { STATUS_DONE, STATUS_NOT_FOUND, STATUS_EXISTS, STATUS_NOT_STORED = 5 };

static const uint8_t opcodes[VERB_COUNT] = {
    [VERB_GET] = 0x00,   [VERB_GETS] = 0x00,     [VERB_GAT] = 0x1d,    [VERB_SET] = 0x01,
    [VERB_ADD] = 0x02,   [VERB_REPLACE] = 0x03,  [VERB_APPEND] = 0x0e, [VERB_PREPEND] = 0x0f,
    [VERB_CAS] = 0x01,   [VERB_DELETE] = 0x04,   [VERB_INCR] = 0x05,   [VERB_DECR] = 0x06,
    [VERB_TOUCH] = 0x1c, [VERB_FLUSH_ALL] = 0x08};

static uint32_t put_u32(char *out, uint32_t number) {
    number = htonl(number);
    memcpy(out, &number, sizeof(number));
    return sizeof(number);
}

static uint32_t put_u64(char *out, uint64_t number) {
    number = htobe64(number);
    memcpy(out, &number, sizeof(number));
    return sizeof(number);
}

/* Returns how many bytes. */
static uint32_t put_extras(const struct request *request, char *out) {
    uint32_t length = 0;
    switch (request->verb) {
    case VERB_GAT:
    case VERB_TOUCH:
        return put_u32(out, request->ttl_s);
    case VERB_SET:
    case VERB_ADD:
    case VERB_REPLACE:
    case VERB_CAS:
        length = put_u32(out, 0);
        return length + put_u32(out + length, request->ttl_s);
    case VERB_INCR:
    case VERB_DECR:
        length = put_u64(out, request->delta);
        length += put_u64(out + length, strtoull(request->bytes, NULL, 10));
        return length +
               put_u32(out + length, request->creates ? request->ttl_s : NOT_TO_BE_CREATED);
    default:
        return 0;
    }
}

char *binary_put(const struct request *request, const struct keys *keys, char *out) {
    char *body = out + sizeof(struct header);
    uint32_t extras = put_extras(request, body), length = extras;
    const char *name = request->verb == VERB_FLUSH_ALL ? "" : keys->keys[request->keys[0]].name;
    memcpy(body + length, name, strlen(name));
    length += (uint32_t)strlen(name);
    if (!request->creates) {
        memcpy(body + length, request->bytes, request->length);
        length += request->length;
    }
    const struct header header = {
        .magic = MAGIC_REQUEST,
        .opcode = opcodes[request->verb],
        .key_length = htons((uint16_t)strlen(name)),
        .extras_length = (uint8_t)extras,
        .body_length = htonl(length),
        .cas = request->verb == VERB_CAS ? htobe64(request->expected.cas) : 0,
    };
    memcpy(out, &header, sizeof(header));
    return body + length;
}

/* What is in the body of an answer that says that all went well. */
static void take_body(const struct request *request, const struct keys *keys,
                      const struct header *header, const char *body, struct answer *answer) {
    size_t skipped = header->extras_length + (size_t)ntohs(header->key_length);
    size_t length = ntohl(header->body_length) - skipped;
    if (request->verb <= VERB_GAT) {
        answer->outcome = OUTCOME_HIT;
        if (!keys_read_value(&keys->keys[request->keys[0]], body + skipped, length,
                             &answer->value)) {
            request_fail(request, keys, "a value that nobody wrote", body + skipped, length);
        }
    }
    if (request->verb == VERB_INCR || request->verb == VERB_DECR) {
        if (length != sizeof(answer->number)) {
            request_fail(request, keys, "no number", body, length);
        }
        memcpy(&answer->number, body + skipped, length);
        answer->number = be64toh(answer->number);
    }
}

size_t binary_take(struct request *request, struct keys *keys, const char *bytes, size_t length,
                   uint64_t now_ns) {
    struct header header;
    if (length < sizeof(header)) {
        return 0;
    }
    memcpy(&header, bytes, sizeof(header));
    size_t body = ntohl(header.body_length);
    if (header.magic != MAGIC_ANSWER || header.opcode != opcodes[request->verb] ||
        header.extras_length + (size_t)ntohs(header.key_length) > body) {
        request_fail(request, keys, "no answer to it", bytes, length);
    }
    if (length < sizeof(header) + body) {
        return 0;
    }
    struct answer answer = {.outcome = OUTCOME_DONE};
    switch (ntohs(header.status)) {
    case STATUS_DONE:
        answer.cas = be64toh(header.cas);
        take_body(request, keys, &header, bytes + sizeof(header), &answer);
        break;
    case STATUS_NOT_FOUND:
        answer.outcome = OUTCOME_NOT_FOUND;
        break;
    case STATUS_EXISTS:
        answer.outcome = OUTCOME_EXISTS;
        break;
    case STATUS_NOT_STORED:
        answer.outcome = OUTCOME_NOT_STORED;
        break;
    default:
        request_fail(request, keys, "answered with", bytes, sizeof(header) + body);
    }
    while (request->answered < request->count) {
        request_end(request, keys, request->answered, &answer, now_ns);
    }
    request->is_whole = true;
    return sizeof(header) + body;
}
