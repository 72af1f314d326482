#include "compose.h"
#include "proto/base64.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void compose_bytes(struct composed *c, const char *bytes, size_t length) {
    if (length == 0) {
        return;
    }
    c->bytes = realloc(c->bytes, c->length + length);
    assert(c->bytes);
    memcpy(c->bytes + c->length, bytes, length);
    c->length += length;
}

void compose_free(struct composed *c) {
    free(c->bytes);
    *c = (struct composed){0};
}

void compose_packet(struct composed *c, const struct packet_spec *spec) {
    char header[24] = {(char)0x80, (char)spec->opcode};
    uint16_t key_length = htons(spec->key_length);
    uint32_t body = spec->extras_length + spec->key_length + spec->value_length;
    uint32_t body_length = htonl(spec->body_length != 0 ? spec->body_length : body);
    uint64_t cas = htobe64(spec->cas);
    memcpy(header + 2, &key_length, sizeof(key_length));
    header[4] = (char)spec->extras_length;
    memcpy(header + 8, &body_length, sizeof(body_length));
    memcpy(header + 12, &spec->opaque, sizeof(spec->opaque));
    memcpy(header + 16, &cas, sizeof(cas));
    compose_bytes(c, header, sizeof(header));
    compose_bytes(c, spec->extras, spec->extras ? spec->extras_length : 0);
    compose_bytes(c, spec->key, spec->key ? spec->key_length : 0);
    compose_bytes(c, spec->value, spec->value ? spec->value_length : 0);
}

static uint8_t put_extras(char *extras, const struct request *request) {
    uint32_t flags = htonl(request->client_flags);
    uint32_t exptime = htonl((uint32_t)request->exptime);
    uint64_t delta = htobe64(request->delta);
    uint64_t initial = htobe64(request->initial);
    switch (request->op) {
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
        memcpy(extras, &flags, 4);
        memcpy(extras + 4, &exptime, 4);
        return 8;
    case OP_INCR:
    case OP_DECR:
        memcpy(extras, &delta, 8);
        memcpy(extras + 8, &initial, 8);
        memcpy(extras + 16, &exptime, 4);
        return 20;
    case OP_TOUCH:
    case OP_GAT:
    case OP_FLUSH:
        memcpy(extras, &exptime, 4);
        return 4;
    default:
        return 0;
    }
}

static void compose_binary(struct composed *c, const struct request *request) {
    char extras[20];
    struct packet_spec spec = {
        .opcode = request->opcode,
        .extras = extras,
        .extras_length = put_extras(extras, request),
        .key = request->key,
        .key_length = request->key_length,
        .value = request->value,
        .value_length = request->value_length,
        .cas = request->cas,
        .opaque = request->opaque,
    };
    compose_packet(c, &spec);
}

static void compose_text_store(struct composed *c, const struct request *request) {
    static const char *const words[] = {
        [OP_SET] = "set",       [OP_ADD] = "add",         [OP_REPLACE] = "replace",
        [OP_APPEND] = "append", [OP_PREPEND] = "prepend",
    };
    char line[512];
    int length =
        snprintf(line, sizeof(line), "%s %.*s %u %" PRId64 " %u",
                 request->compare_cas ? "cas" : words[request->op], request->key_length,
                 request->key, request->client_flags, request->exptime, request->value_length);
    compose_bytes(c, line, (size_t)length);
    if (request->compare_cas) {
        length = snprintf(line, sizeof(line), " %" PRIu64, request->cas);
        compose_bytes(c, line, (size_t)length);
    }
    compose_bytes(c, " noreply", request->quiet ? 8 : 0);
    compose_bytes(c, "\r\n", 2);
    compose_bytes(c, request->value, request->value_length);
    compose_bytes(c, "\r\n", 2);
}

static void compose_text_line(struct composed *c, const struct request *request) {
    const char *cas = request->return_cas ? "s" : "";
    const char *quiet = request->quiet ? " noreply" : "";
    char line[512];
    char key[KEY_LENGTH_MAX + 1];
    snprintf(key, sizeof(key), "%.*s", request->key_length, request->key);
    int length = 0;
    switch (request->op) {
    case OP_GET:
        length = snprintf(line, sizeof(line), "get%s %s\r\n", cas, key);
        break;
    case OP_GAT:
        length =
            snprintf(line, sizeof(line), "gat%s %" PRId64 " %s\r\n", cas, request->exptime, key);
        break;
    case OP_TOUCH:
        length = snprintf(line, sizeof(line), "touch %s %" PRId64 "%s\r\n", key, request->exptime,
                          quiet);
        break;
    case OP_DELETE:
        length = snprintf(line, sizeof(line), "delete %s%s\r\n", key, quiet);
        break;
    case OP_INCR:
    case OP_DECR:
        length = snprintf(line, sizeof(line), "%s %s %" PRIu64 "%s\r\n",
                          request->op == OP_INCR ? "incr" : "decr", key, request->delta, quiet);
        break;
    default:
        assert(false);
    }
    compose_bytes(c, line, (size_t)length);
}

static void compose_format(struct composed *c, const char *format, ...) {
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    compose_bytes(c, text, (size_t)length);
}

/* The command, the key and, of ms, the length. */
static void compose_meta_front(struct composed *c, const struct request *request, bool store) {
    char encoded[BASE64_LENGTH(KEY_LENGTH_MAX)];
    bool get = request->op == OP_META_GET;
    bool removal = request->op == OP_DELETE;
    compose_format(c, "%s ", store ? "ms" : get ? "mg" : removal ? "md" : "ma");
    if ((request->meta & META_BASE64) != 0) {
        char *end = base64_encode(encoded, request->key, request->key_length);
        compose_bytes(c, encoded, (size_t)(end - encoded));
    } else {
        compose_bytes(c, request->key, request->key_length);
    }
    if (store) {
        compose_format(c, " %u", request->value_length);
    }
}

/* T before N: a T behind N would set the expiry of a created item, too. */
static void compose_meta_bits(struct composed *c, const struct request *request) {
    unsigned meta = request->meta;
    compose_bytes(c, " b", (meta & META_BASE64) != 0 ? 2 : 0);
    compose_bytes(c, " v", (meta & META_RETURN_VALUE) != 0 ? 2 : 0);
    compose_bytes(c, " u", (meta & META_NO_BUMP) != 0 ? 2 : 0);
    compose_bytes(c, " I", (meta & META_INVALIDATE) != 0 ? 2 : 0);
    compose_bytes(c, " x", (meta & META_EMPTY) != 0 ? 2 : 0);
    compose_bytes(c, " q", request->quiet ? 2 : 0);
    if ((meta & META_TOUCH) != 0 || request->exptime != 0) {
        compose_format(c, " T%" PRId64, request->exptime);
    }
    if ((meta & META_VIVIFY) != 0) {
        compose_format(c, " N%" PRId64, request->vivify_exptime);
    }
    if ((meta & META_RECACHE) != 0) {
        compose_format(c, " R%" PRId64, request->recache_exptime);
    }
    if ((meta & META_SET_CAS) != 0) {
        compose_format(c, " E%" PRIu64, request->new_cas);
    }
    if ((meta & META_COMPARE_EQUAL) != 0 || request->compare_cas) {
        compose_format(c, " C%" PRIu64, request->cas);
    }
}

static void compose_meta_mode(struct composed *c, const struct request *request, bool store) {
    static const char modes[] = {
        [OP_SET] = 'S',     [OP_ADD] = 'E',  [OP_REPLACE] = 'R', [OP_APPEND] = 'A',
        [OP_PREPEND] = 'P', [OP_INCR] = 'I', [OP_DECR] = 'D',
    };
    if (store) {
        compose_format(c, " F%u M%c", request->client_flags, modes[request->op]);
    } else if (request->op == OP_INCR || request->op == OP_DECR) {
        compose_format(c, " D%" PRIu64 " J%" PRIu64 " M%c", request->delta, request->initial,
                       modes[request->op]);
    }
}

static void compose_meta(struct composed *c, const struct request *request) {
    bool store = request->op >= OP_SET && request->op <= OP_PREPEND;
    compose_meta_front(c, request, store);
    compose_meta_bits(c, request);
    compose_meta_mode(c, request, store);
    for (const char *letter = request->returns; *letter != '\0'; letter++) {
        compose_format(c, " %c", *letter);
        compose_bytes(c, request->token, *letter == 'O' ? request->token_length : 0);
    }
    compose_bytes(c, "\r\n", 2);
    if (store) {
        compose_bytes(c, request->value, request->value_length);
        compose_bytes(c, "\r\n", 2);
    }
}

void compose_request(struct composed *c, const struct request *request) {
    if (request->protocol == PROTOCOL_BINARY) {
        compose_binary(c, request);
    } else if (request->protocol == PROTOCOL_META) {
        compose_meta(c, request);
    } else if (request->op >= OP_SET && request->op <= OP_PREPEND) {
        compose_text_store(c, request);
    } else {
        compose_text_line(c, request);
    }
}
