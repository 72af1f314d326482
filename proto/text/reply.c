/* What text answers (protocol.txt; the words are in proto/op.c and proto/refusal.c). */
#include <assert.h>

#include "proto/number.h"
#include "proto/put.h"
#include "proto/refusal.h"
#include "proto/text/text.h"

/* VALUE <key> <flags> <bytes> [<cas>]\r\n */
static char *text_put_value_line(char *out, const struct request *request,
                                 const struct result *result) {
    out = PUT_LITERAL(out, "VALUE ");
    out = put_bytes(out, request->key, request->key_length);
    *out++ = ' ';
    out = number_write(out, result->client_flags);
    *out++ = ' ';
    out = number_write(out, result->value_length);
    if (request->return_cas) {
        *out++ = ' ';
        out = number_write(out, result->cas);
    }
    return PUT_LITERAL(out, "\r\n");
}

/* A miss is silent; the last key of a line is followed by END. A gat for which there is no memory
 * is told as what it is in the place of END: an error in the middle of a line's answers would be
 * taken for the end of them. */
static size_t text_write_value(char *out, const struct request *request,
                               const struct result *result) {
    char *at = out;
    if (result->status == RESULT_OK) {
        at = text_put_value_line(at, request, result);
        if (result->large != 0) {
            return (size_t)(at - out);
        }
        at = put_bytes(at, result->value, result->value_length);
        at = PUT_LITERAL(at, "\r\n");
    } else if (request->last && result->status == RESULT_NO_MEMORY) {
        return refusal_write_failure(out, RESULT_NO_MEMORY);
    }
    if (request->last) {
        at = PUT_LITERAL(at, "END\r\n");
    }
    return (size_t)(at - out);
}

static size_t text_write_number(char *out, const struct result *result) {
    if (result->status != RESULT_OK) {
        return refusal_write_failure(out, (enum result_status)result->status);
    }
    char *at = number_write(out, result->number);
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

/* Copies the padding, too: with a known size that takes two instructions. */
static size_t text_write_words(char *out, const struct op_answer *answer) {
    memcpy(out, answer->words, sizeof(answer->words));
    return answer->length;
}

static size_t text_write_outcome(char *out, const struct op_answer *answer,
                                 const struct result *result) {
    if (result->status != RESULT_OK) {
        return refusal_write_failure(out, (enum result_status)result->status);
    }
    return text_write_words(out, answer);
}

static size_t text_write_line(char *out, const struct op_answer *answer,
                              const struct result *result) {
    if (result->value_length == 0) {
        return 0;
    }
    char *at = out + text_write_words(out, answer);
    at = put_bytes(at, result->value, result->value_length);
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

/* CONFIG cluster 0 <bytes>\r\n<value>\r\nEND\r\n */
static size_t text_write_config(char *out, const struct result *result) {
    char *at = PUT_LITERAL(out, "CONFIG " CONFIG_NAME " 0 ");
    at = number_write(at, result->value_length);
    at = PUT_LITERAL(at, "\r\n");
    at = put_bytes(at, result->value, result->value_length);
    at = PUT_LITERAL(at, "\r\nEND\r\n");
    return (size_t)(at - out);
}

size_t text_reply_write(char *out, const struct request *request, const struct result *result) {
    const struct op_answer *answer = &op_infos[request->op].text;
    if (request->quiet) {
        return 0;
    }
    if (answer->kind == ANSWER_VALUE) { /* mostly: faster than the switch */
        return text_write_value(out, request, result);
    }
    switch ((enum answer)answer->kind) {
    case ANSWER_OUTCOME:
        return text_write_outcome(out, answer, result);
    case ANSWER_NUMBER:
        return text_write_number(out, result);
    case ANSWER_LINE:
        return text_write_line(out, answer, result);
    case ANSWER_WORDS:
        return text_write_words(out, answer);
    case ANSWER_ERROR:
        return refusal_write_error(out, (enum proto_error)request->error);
    case ANSWER_CONFIG:
        return text_write_config(out, result);
    case ANSWER_NOTHING:
        return 0;
    case ANSWER_VALUE:
    case ANSWER_ABSENT:
    case ANSWER_ITEM:
        break;
    }
    assert(false);
    return 0;
}

size_t text_reply_stat(char *out, const char *name, const char *value) {
    char *at = PUT_LITERAL(out, "STAT ");
    at = put_bytes(at, name, strlen(name));
    *at++ = ' ';
    at = put_bytes(at, value, strlen(value));
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}
