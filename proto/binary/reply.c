/* What binary answers (BinaryProtocolRevamped; the texts are memcached's). */
#include "proto/binary/binary.h"
#include "proto/binary/packet.h"
#include "proto/put.h"

#include <assert.h>

#define FLAGS_LENGTH 4

struct reply_header {
    enum binary_status status;
    uint16_t key_length;
    uint8_t extras_length;
    uint32_t value_length;
    uint64_t cas;
};

static char *binary_put_header(char *out, const struct request *request,
                               const struct reply_header *header) {
    out[0] = (char)BINARY_REPLY_MAGIC;
    out[1] = (char)request->opcode;
    binary_store16(out + 2, header->key_length);
    out[4] = (char)header->extras_length;
    out[5] = 0;
    binary_store16(out + 6, (uint16_t)header->status);
    binary_store32(out + 8, header->extras_length + header->key_length + header->value_length);
    memcpy(out + 12, &request->opaque, sizeof(request->opaque));
    binary_store64(out + 16, header->cas);
    return out + BINARY_HEADER_LENGTH;
}

static const char *binary_status_text(enum binary_status status) {
    switch (status) {
    case BINARY_STATUS_NOT_FOUND:
        return "Not found";
    case BINARY_STATUS_EXISTS:
        return "Data exists for key.";
    case BINARY_STATUS_TOO_LARGE:
        return "Too large.";
    case BINARY_STATUS_INVALID:
        return "Invalid arguments";
    case BINARY_STATUS_NOT_STORED:
        return "Not stored.";
    case BINARY_STATUS_NON_NUMERIC:
        return "Non-numeric server-side value for incr or decr";
    case BINARY_STATUS_UNKNOWN_COMMAND:
        return "Unknown command";
    case BINARY_STATUS_NO_MEMORY:
        return "Out of memory";
    case BINARY_STATUS_LOGIN:
        return "Auth failure.";
    case BINARY_STATUS_LOGIN_STEP:
    case BINARY_STATUS_OK:
        break;
    }
    return "";
}

static size_t binary_write_status(char *out, const struct request *request,
                                  enum binary_status status) {
    const char *text = binary_status_text(status);
    struct reply_header header = {.status = status, .value_length = (uint32_t)strlen(text)};
    char *at = binary_put_header(out, request, &header);
    at = put_bytes(at, text, header.value_length);
    return (size_t)(at - out);
}

/* By enum proto_error; the errors of packets that aren't here are BINARY_STATUS_INVALID. */
static const uint8_t error_statuses[] = {
    [PROTO_ERROR_COMMAND] = BINARY_STATUS_UNKNOWN_COMMAND,
    [PROTO_ERROR_TOO_LARGE] = BINARY_STATUS_TOO_LARGE,
    [PROTO_ERROR_NO_MEMORY] = BINARY_STATUS_NO_MEMORY,
    [PROTO_ERROR_LOGIN] = BINARY_STATUS_LOGIN,
    [PROTO_ERROR_FLUSH] = BINARY_STATUS_LOGIN,
    [PROTO_ERROR_DETAIL] = BINARY_STATUS_NOT_FOUND,
    [PROTO_ERROR_CACHEDUMP] = BINARY_STATUS_NOT_FOUND,
    [PROTO_ERROR_HOTKEYS] = BINARY_STATUS_NOT_FOUND,
    [PROTO_ERROR_LOGIN_STEP] = BINARY_STATUS_LOGIN_STEP,
    [PROTO_ERROR_STATS_MEMORY] = BINARY_STATUS_NO_MEMORY,
};

static enum binary_status binary_status_of_error(unsigned error) {
    bool known = error < sizeof(error_statuses) && error_statuses[error] != BINARY_STATUS_OK;
    return known ? (enum binary_status)error_statuses[error] : BINARY_STATUS_INVALID;
}

/* Add has found an item, replace none; append and prepend have a status of their own. */
static enum binary_status binary_status_of_not_stored(enum op op) {
    if (op == OP_ADD) {
        return BINARY_STATUS_EXISTS;
    }
    return op == OP_REPLACE ? BINARY_STATUS_NOT_FOUND : BINARY_STATUS_NOT_STORED;
}

static enum binary_status binary_status_of_result(enum op op, enum result_status status) {
    switch (status) {
    case RESULT_OK:
        return BINARY_STATUS_OK;
    case RESULT_NOT_FOUND:
        return BINARY_STATUS_NOT_FOUND;
    case RESULT_EXISTS:
        return BINARY_STATUS_EXISTS;
    case RESULT_NOT_STORED:
        return binary_status_of_not_stored(op);
    case RESULT_TOO_LARGE:
        return BINARY_STATUS_TOO_LARGE;
    case RESULT_NO_MEMORY:
        return BINARY_STATUS_NO_MEMORY;
    case RESULT_NON_NUMERIC:
        return BINARY_STATUS_NON_NUMERIC;
    case RESULT_LOGIN_FAILED:
        return BINARY_STATUS_LOGIN;
    case RESULT_LOGIN_CONTINUES:
        return BINARY_STATUS_LOGIN_STEP;
    }
    assert(false);
    return BINARY_STATUS_INVALID;
}

static size_t binary_write_hit(char *out, const struct request *request,
                               const struct result *result) {
    bool value = request->op != OP_TOUCH;
    struct reply_header header = {
        .status = BINARY_STATUS_OK,
        .key_length = request->return_key ? request->key_length : 0,
        .extras_length = FLAGS_LENGTH,
        .value_length = value ? result->value_length : 0,
        .cas = result->cas,
    };
    char *at = binary_put_header(out, request, &header);
    binary_store32(at, result->client_flags);
    at += FLAGS_LENGTH;
    at = put_bytes(at, request->key, header.key_length);
    if (value && result->large == 0) {
        at = put_bytes(at, result->value, result->value_length);
    }
    return (size_t)(at - out);
}

/* get, gat and touch, with or without key. A quiet miss is silent. */
static size_t binary_write_value(char *out, const struct request *request,
                                 const struct result *result) {
    if (result->status == RESULT_OK) {
        return binary_write_hit(out, request, result);
    }
    if (result->status == RESULT_NOT_FOUND && request->quiet) {
        return 0;
    }
    if (result->status == RESULT_NOT_FOUND && request->return_key) {
        struct reply_header header = {
            .status = BINARY_STATUS_NOT_FOUND,
            .key_length = request->key_length,
        };
        char *at = binary_put_header(out, request, &header);
        at = put_bytes(at, request->key, request->key_length);
        return (size_t)(at - out);
    }
    return binary_write_status(
        out, request,
        binary_status_of_result((enum op)request->op, (enum result_status)result->status));
}

/* Answers a success with the words, copying their padding, too: with a known size that takes two
 * instructions. Quiet forms are silent on success. */
static size_t binary_write_words(char *out, const struct request *request,
                                 const struct op_answer *answer, uint64_t cas) {
    if (request->quiet) {
        return 0;
    }
    struct reply_header header = {
        .status = BINARY_STATUS_OK, .value_length = answer->length, .cas = cas};
    memcpy(binary_put_header(out, request, &header), answer->words, sizeof(answer->words));
    return (size_t)BINARY_HEADER_LENGTH + answer->length;
}

/* What the executor has worded. */
static size_t binary_write_line(char *out, const struct request *request,
                                const struct result *result) {
    struct reply_header header = {.status = BINARY_STATUS_OK, .value_length = result->value_length};
    char *at = binary_put_header(out, request, &header);
    at = put_bytes(at, result->value, result->value_length);
    return (size_t)(at - out);
}

/* What SASL has for the client to go on with. */
static size_t binary_write_challenge(char *out, const struct request *request,
                                     const struct result *result) {
    struct reply_header header = {.status = BINARY_STATUS_LOGIN_STEP,
                                  .value_length = result->value_length};
    char *at = binary_put_header(out, request, &header);
    at = put_bytes(at, result->value, result->value_length);
    return (size_t)(at - out);
}

static size_t binary_write_failure(char *out, const struct request *request,
                                   const struct result *result) {
    if (result->status == RESULT_LOGIN_CONTINUES) {
        return binary_write_challenge(out, request, result);
    }
    return binary_write_status(
        out, request,
        binary_status_of_result((enum op)request->op, (enum result_status)result->status));
}

/* As in memcached a delete has no CAS. */
static size_t binary_write_outcome(char *out, const struct request *request,
                                   const struct op_answer *answer, const struct result *result) {
    if (result->status != RESULT_OK) {
        return binary_write_failure(out, request, result);
    }
    uint64_t cas = request->op == OP_DELETE ? 0 : result->cas;
    return binary_write_words(out, request, answer, cas);
}

static size_t binary_write_number(char *out, const struct request *request,
                                  const struct result *result) {
    if (result->status != RESULT_OK) {
        return binary_write_failure(out, request, result);
    }
    if (request->quiet) {
        return 0;
    }
    struct reply_header header = {
        .status = BINARY_STATUS_OK,
        .value_length = sizeof(result->number),
        .cas = result->cas,
    };
    binary_store64(binary_put_header(out, request, &header), result->number);
    return BINARY_HEADER_LENGTH + sizeof(result->number);
}

size_t binary_reply_write(char *out, const struct request *request, const struct result *result) {
    const struct op_answer *answer = &op_infos[request->op].binary;
    if (answer->kind == ANSWER_VALUE) { /* mostly: faster than the switch */
        return binary_write_value(out, request, result);
    }
    switch ((enum answer)answer->kind) {
    case ANSWER_OUTCOME:
        return binary_write_outcome(out, request, answer, result);
    case ANSWER_NUMBER:
        return binary_write_number(out, request, result);
    case ANSWER_LINE:
        return binary_write_line(out, request, result);
    case ANSWER_WORDS:
        return binary_write_words(out, request, answer, 0);
    case ANSWER_ERROR:
        return binary_write_status(out, request, binary_status_of_error(request->error));
    case ANSWER_VALUE:
    case ANSWER_ABSENT:
    case ANSWER_NOTHING:
    case ANSWER_ITEM:
    case ANSWER_CONFIG:
        break;
    }
    assert(false);
    return 0;
}

size_t binary_reply_stat_head(char *out, const struct request *request, const char *name,
                              uint32_t value_length) {
    struct reply_header header = {
        .status = BINARY_STATUS_OK,
        .key_length = (uint16_t)strlen(name),
        .value_length = value_length,
    };
    char *at = binary_put_header(out, request, &header);
    at = put_bytes(at, name, header.key_length);
    return (size_t)(at - out);
}

size_t binary_reply_stat(char *out, const struct request *request, const char *name,
                         const char *value) {
    size_t length = strlen(value);
    char *at = out + binary_reply_stat_head(out, request, name, (uint32_t)length);
    at = put_bytes(at, value, length);
    return (size_t)(at - out);
}

size_t binary_reply_stats_end(char *out, const struct request *request) {
    struct reply_header header = {.status = BINARY_STATUS_OK};
    binary_put_header(out, request, &header);
    return BINARY_HEADER_LENGTH;
}

size_t binary_reply_stats_unknown(char *out, const struct request *request) {
    return binary_write_status(out, request, BINARY_STATUS_NOT_FOUND);
}

/* memcached has no lines in binary: success ends the list at once, the rest is not found. */
size_t binary_reply_stats_line(char *out, const struct request *request, const char *line) {
    bool success = strcmp(line, "OK") == 0 || strcmp(line, "RESET") == 0;
    return success ? binary_reply_stats_end(out, request)
                   : binary_reply_stats_unknown(out, request);
}
