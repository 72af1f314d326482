/* Meta: what is answered to each op.
 *
 *     HD k<key> O<opaque> c<cas>          the flags in the order of the request
 *     VA <bytes> s<bytes> Z X W\r\n<value>
 */
#include "proto/base64.h"
#include "proto/number.h"
#include "proto/put.h"

#include <assert.h>

static bool stores(const struct request *request) {
    return request->op >= OP_SET && request->op <= OP_PREPEND;
}

/* The key as its owner sees it: one in base64 is told apart by the b behind. */
static char *put_key(char *out, const struct request *request, bool binary_key) {
    if (!binary_key) {
        return reply_put(out, request->key, request->key_length);
    }
    return base64_encode(out, request->key, request->key_length);
}

static char *put_ttl(char *out, int32_t ttl_s) {
    return ttl_s < 0 ? REPLY_PUT(out, "-1") : number_write(out, (uint64_t)ttl_s);
}

/* What a store that failed returns of the item: its own value's length, and no CAS. */
static uint32_t size_of(const struct request *request, const struct result *result) {
    return result->status == RESULT_OK ? result->value_length : request->value_length;
}

static char *put_return(char *out, char letter, const struct request *request,
                        const struct result *result, bool binary_key) {
    *out++ = ' ';
    *out++ = letter;
    switch (letter) {
    case 'O':
        return request->token_length > 0 ? reply_put(out, request->token, request->token_length)
                                         : out;
    case 'k':
        out = put_key(out, request, binary_key);
        return binary_key ? REPLY_PUT(out, " b") : out;
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
        return number_write(out, size_of(request, result));
    case 't':
        return put_ttl(out, result->ttl_s);
    default:
        assert(false);
        return out;
    }
}

static char *put_returns(char *out, const struct request *request, const struct result *result,
                         bool binary_key) {
    for (const char *at = request->returns; *at != '\0'; at++) {
        /* Without an item there is nothing to tell but what the client sent. */
        if (result->status == RESULT_OK || stores(request) || *at == 'O' || *at == 'k') {
            out = put_return(out, *at, request, result, binary_key);
        }
    }
    return out;
}

static char *put_status(char *out, bool value, uint32_t length) {
    return value ? number_write(REPLY_PUT(out, "VA "), length) : REPLY_PUT(out, "HD");
}

static bool came_in_base64(const struct request *request) {
    return (request->meta & META_BASE64) != 0;
}

static size_t write_miss(char *out, const struct request *request, const struct result *result) {
    if (request->quiet) {
        return 0;
    }
    char *at = REPLY_PUT(out, "EN");
    at = put_returns(at, request, result, came_in_base64(request));
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}

/* mg. What can't be had for want of memory is missing, too: the client is to renew it. */
static size_t write_get(char *out, const struct request *request, const struct result *result) {
    if (result->status != RESULT_OK) {
        return write_miss(out, request, result);
    }
    bool value = result->value || result->large != 0;
    char *at = put_status(out, value, result->value_length);
    at = put_returns(at, request, result, result->state & STATE_BINARY_KEY);
    at = result->state & STATE_TOKEN_SENT ? REPLY_PUT(at, " Z") : at;
    at = result->state & STATE_STALE ? REPLY_PUT(at, " X") : at;
    at = result->state & STATE_WON ? REPLY_PUT(at, " W") : at;
    at = REPLY_PUT(at, "\r\n");
    if (result->value) {
        at = reply_put(at, result->value, result->value_length);
        at = REPLY_PUT(at, "\r\n");
    }
    return (size_t)(at - out);
}

/* me */
static size_t write_item(char *out, const struct request *request, const struct result *result) {
    if (result->status != RESULT_OK) {
        return (size_t)(REPLY_PUT(out, "EN\r\n") - out);
    }
    char *at = put_key(REPLY_PUT(out, "ME "), request, result->state & STATE_BINARY_KEY);
    at = put_ttl(REPLY_PUT(at, " exp="), result->ttl_s);
    at = number_write(REPLY_PUT(at, " la="), result->idle_s);
    at = number_write(REPLY_PUT(at, " cas="), result->cas);
    at = result->state & STATE_FETCHED ? REPLY_PUT(at, " fetch=yes") : REPLY_PUT(at, " fetch=no");
    at = REPLY_PUT(at, " cls=" REPLY_CLASS);
    at = number_write(REPLY_PUT(at, " size="), result->number);
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}

/* The code of a change that was not made, or NULL where that takes a line of its own. */
static const char *failure_code(enum result_status status) {
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
        break;
    }
    return NULL;
}

static size_t write_failure(char *out, const struct request *request, const struct result *result) {
    const char *code = failure_code((enum result_status)result->status);
    if (!code) {
        return text_reply_failure(out, (enum result_status)result->status);
    }
    char *at = reply_put(out, code, 2);
    at = put_returns(at, request, result, came_in_base64(request));
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}

/* ms, md and ma. Being quiet hides what went well and nothing else. */
static size_t write_change(char *out, const struct request *request, const struct result *result) {
    if (result->status != RESULT_OK) {
        return write_failure(out, request, result);
    }
    if (request->quiet) {
        return 0;
    }
    char number[NUMBER_DIGITS_MAX];
    bool value = (request->meta & META_RETURN_VALUE) != 0;
    uint32_t length = value ? (uint32_t)(number_write(number, result->number) - number) : 0;
    char *at = put_status(out, value, length);
    at = put_returns(at, request, result, came_in_base64(request));
    at = REPLY_PUT(at, "\r\n");
    if (value) {
        at = reply_put(at, number, length);
        at = REPLY_PUT(at, "\r\n");
    }
    return (size_t)(at - out);
}

size_t meta_reply_write(char *out, const struct request *request, const struct result *result) {
    enum op op = (enum op)request->op;
    if (op == OP_META_GET) {
        return write_get(out, request, result);
    }
    if (op == OP_ERROR || op == OP_REJECT) {
        return text_reply_error(out, (enum proto_error)request->error);
    }
    if (op == OP_NOOP) {
        return (size_t)(REPLY_PUT(out, "MN\r\n") - out);
    }
    if (op == OP_META_ITEM) {
        return write_item(out, request, result);
    }
    assert(stores(request) || op == OP_DELETE || op == OP_INCR || op == OP_DECR);
    return write_change(out, request, result);
}
