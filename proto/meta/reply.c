/* What meta commands answer (protocol.txt, "Meta Commands").
 *
 *     HD k<key> O<opaque> c<cas>          the flags in the order of the request
 *     VA <bytes> s<bytes> Z X W\r\n<value>
 */
#include "proto/reply.h"
#include "proto/base64.h"
#include "proto/classes.h"
#include "proto/meta/meta.h"
#include "proto/number.h"
#include "proto/put.h"
#include "proto/refusal.h"

#include <assert.h>

static bool meta_stores(const struct request *request) {
    return request->op >= OP_SET && request->op <= OP_PREPEND;
}

/* The key as it came in: one in base64 is followed by a b. */
static char *meta_put_key(char *out, const struct request *request, bool binary_key) {
    if (!binary_key) {
        return put_bytes(out, request->key, request->key_length);
    }
    return base64_encode(out, request->key, request->key_length);
}

static char *meta_put_ttl(char *out, int32_t ttl_s) {
    return ttl_s < 0 ? PUT_LITERAL(out, "-1") : number_write(out, (uint64_t)ttl_s);
}

/* For s. A store that failed returns the length of the value it came with. */
static uint32_t meta_value_length(const struct request *request, const struct result *result) {
    return result->status == RESULT_OK ? result->value_length : request->value_length;
}

static char *meta_put_return(char *out, char letter, const struct request *request,
                             const struct result *result, bool binary_key) {
    *out++ = ' ';
    *out++ = letter;
    switch (letter) {
    case 'O':
        return request->token_length > 0 ? put_bytes(out, request->token, request->token_length)
                                         : out;
    case 'k':
        out = meta_put_key(out, request, binary_key);
        return binary_key ? PUT_LITERAL(out, " b") : out;
    case 'c':
        return number_write(out, result->status == RESULT_OK ? result->cas : 0);
    case 'f':
        return number_write(out, result->client_flags);
    case 'h':
        *out = result->state & STATE_FETCHED ? '1' : '0';
        return out + 1;
    case 'l':
        return number_write(out, result->idle_s);
    case 's':
        return number_write(out, meta_value_length(request, result));
    case 't':
        return meta_put_ttl(out, result->ttl_s);
    default:
        assert(false);
        return out;
    }
}

static char *meta_put_returns(char *out, const struct request *request, const struct result *result,
                              bool binary_key) {
    for (const char *at = request->returns; *at != '\0'; at++) {
        /* Without an item only what the client sent is returned. */
        if (result->status == RESULT_OK || meta_stores(request) || *at == 'O' || *at == 'k') {
            out = meta_put_return(out, *at, request, result, binary_key);
        }
    }
    return out;
}

static char *meta_put_status(char *out, bool value, uint32_t length) {
    return value ? number_write(PUT_LITERAL(out, "VA "), length) : PUT_LITERAL(out, "HD");
}

static bool meta_key_is_base64(const struct request *request) {
    return (request->meta & META_BASE64) != 0;
}

static size_t meta_write_miss(char *out, const struct request *request,
                              const struct result *result) {
    if (request->quiet) {
        return 0;
    }
    char *at = PUT_LITERAL(out, "EN");
    at = meta_put_returns(at, request, result, meta_key_is_base64(request));
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

/* mg. For lack of memory an item can't be touched; one that can't be created is a miss, as in
 * memcached. */
static size_t meta_write_value(char *out, const struct request *request,
                               const struct result *result) {
    if (result->status != RESULT_OK) {
        return result->status == RESULT_NO_MEMORY ? refusal_write_failure(out, RESULT_NO_MEMORY)
                                                  : meta_write_miss(out, request, result);
    }
    bool value = result->value || result->large != 0;
    char *at = meta_put_status(out, value, result->value_length);
    at = meta_put_returns(at, request, result, result->state & STATE_BINARY_KEY);
    at = result->state & STATE_TOKEN_SENT ? PUT_LITERAL(at, " Z") : at;
    at = result->state & STATE_STALE ? PUT_LITERAL(at, " X") : at;
    at = result->state & STATE_WON ? PUT_LITERAL(at, " W") : at;
    at = PUT_LITERAL(at, "\r\n");
    if (result->value) {
        at = put_bytes(at, result->value, result->value_length);
        at = PUT_LITERAL(at, "\r\n");
    }
    return (size_t)(at - out);
}

/* me */
static size_t meta_write_item(char *out, const struct request *request,
                              const struct result *result) {
    if (result->status != RESULT_OK) {
        return (size_t)(PUT_LITERAL(out, "EN\r\n") - out);
    }
    char *at = meta_put_key(PUT_LITERAL(out, "ME "), request, result->state & STATE_BINARY_KEY);
    at = meta_put_ttl(PUT_LITERAL(at, " exp="), result->ttl_s);
    at = number_write(PUT_LITERAL(at, " la="), result->idle_s);
    at = number_write(PUT_LITERAL(at, " cas="), result->cas);
    at = result->state & STATE_FETCHED ? PUT_LITERAL(at, " fetch=yes")
                                       : PUT_LITERAL(at, " fetch=no");
    at = PUT_LITERAL(at, " cls=" CLASS_OF_ITEMS_TEXT);
    at = number_write(PUT_LITERAL(at, " size="), result->number);
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

/* The code of a change that was not done, or NULL if the answer is a line as in text. */
static const char *meta_failure_code(enum result_status status) {
    switch (status) {
    case RESULT_NOT_FOUND:
        return "NF";
    case RESULT_EXISTS:
        return "EX";
    case RESULT_NOT_STORED:
        return "NS";
    case RESULT_OK:
    case RESULT_TOO_LARGE:
    case RESULT_NO_MEMORY:
    case RESULT_NON_NUMERIC:
    case RESULT_LOGIN_FAILED:
    case RESULT_LOGIN_CONTINUES:
        break;
    }
    return NULL;
}

static size_t meta_write_failure(char *out, const struct request *request,
                                 const struct result *result) {
    const char *code = meta_failure_code((enum result_status)result->status);
    if (!code) {
        return refusal_write_failure(out, (enum result_status)result->status);
    }
    char *at = put_bytes(out, code, 2);
    at = meta_put_returns(at, request, result, meta_key_is_base64(request));
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

/* ms, md and ma. A quiet one is silent on success only. */
static size_t meta_write_outcome(char *out, const struct request *request,
                                 const struct result *result) {
    if (result->status != RESULT_OK) {
        return meta_write_failure(out, request, result);
    }
    if (request->quiet) {
        return 0;
    }
    char number[NUMBER_DIGITS_MAX];
    bool value = (request->meta & META_RETURN_VALUE) != 0;
    uint32_t length = value ? (uint32_t)(number_write(number, result->number) - number) : 0;
    char *at = meta_put_status(out, value, length);
    at = meta_put_returns(at, request, result, meta_key_is_base64(request));
    at = PUT_LITERAL(at, "\r\n");
    if (value) {
        at = put_bytes(at, number, length);
        at = PUT_LITERAL(at, "\r\n");
    }
    return (size_t)(at - out);
}

size_t meta_reply_write(char *out, const struct request *request, const struct result *result) {
    const struct op_answer *answer = &op_infos[request->op].meta;
    if (answer->kind == ANSWER_VALUE) { /* mostly: faster than the switch */
        return meta_write_value(out, request, result);
    }
    switch ((enum answer)answer->kind) {
    case ANSWER_OUTCOME:
        return meta_write_outcome(out, request, result);
    case ANSWER_ITEM:
        return meta_write_item(out, request, result);
    case ANSWER_WORDS:
        memcpy(out, answer->words, sizeof(answer->words));
        return answer->length;
    case ANSWER_ERROR:
        return refusal_write_error(out, (enum proto_error)request->error);
    case ANSWER_VALUE:
    case ANSWER_ABSENT:
    case ANSWER_NOTHING:
    case ANSWER_LINE:
    case ANSWER_NUMBER:
    case ANSWER_CONFIG:
        break;
    }
    assert(false);
    return 0;
}
