/* Text replies: every op and result. */
#include "proto/proto.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

struct reply_case {
    struct request request;
    struct result result;
    const char *expected;
};

/* Writes into a buffer of exactly the bound. */
static void check(const struct reply_case *c) {
    struct request request = c->request;
    request.protocol = PROTOCOL_TEXT;
    request.key = request.key != NULL ? request.key : "k";
    request.key_length = (uint16_t)strlen(request.key);
    size_t bound = reply_bound(&request, &c->result);
    char *out = malloc(bound);
    size_t length = reply_write(out, &request, &c->result);
    cr_assert(le(sz, length, bound));
    char *text = strndup(out, length);
    cr_expect(eq(str, text, (char *)c->expected));
    free(text);
    free(out);
}

#define CHECK_ALL(cases)                                                                           \
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)                                  \
    check(&cases[i])

Test(text_reply, get) {
    static const struct result hit = {
        .status = RESULT_OK, .client_flags = 7, .value = "abc", .value_length = 3, .cas = 99};
    static const struct result miss = {.status = RESULT_NOT_FOUND};
    const struct reply_case cases[] = {
        {{.op = OP_GET}, hit, "VALUE k 7 3\r\nabc\r\n"},
        {{.op = OP_GET, .last = true}, hit, "VALUE k 7 3\r\nabc\r\nEND\r\n"},
        {{.op = OP_GET, .last = true, .return_cas = true}, hit, "VALUE k 7 3 99\r\nabc\r\nEND\r\n"},
        {{.op = OP_GET}, miss, ""},
        {{.op = OP_GET, .last = true}, miss, "END\r\n"},
        {{.op = OP_GAT, .last = true}, hit, "VALUE k 7 3\r\nabc\r\nEND\r\n"},
        {{.op = OP_GAT, .return_cas = true}, hit, "VALUE k 7 3 99\r\nabc\r\n"},
        {{.op = OP_GAT, .last = true}, miss, "END\r\n"},
        {{.op = OP_END}, {0}, "END\r\n"},
    };
    CHECK_ALL(cases);
}

/* The bound holds for the longest of everything. */
Test(text_reply, get_of_the_longest) {
    char key[KEY_LENGTH_MAX + 1] = {0};
    memset(key, 'k', KEY_LENGTH_MAX);
    const struct reply_case c = {
        {.op = OP_GET, .last = true, .return_cas = true, .key = key},
        {.client_flags = UINT32_MAX, .cas = UINT64_MAX, .value = ""},
        NULL,
    };
    char expected[512] = "VALUE ";
    strcat(strcat(expected, key), " 4294967295 0 18446744073709551615\r\n\r\nEND\r\n");
    struct reply_case whole = c;
    whole.expected = expected;
    check(&whole);
}

Test(text_reply, stores) {
    static const uint8_t ops[] = {OP_SET, OP_ADD, OP_REPLACE, OP_APPEND, OP_PREPEND};
    static const char *const expected[] = {
        [RESULT_OK] = "STORED\r\n",
        [RESULT_NOT_FOUND] = "NOT_FOUND\r\n",
        [RESULT_EXISTS] = "EXISTS\r\n",
        [RESULT_NOT_STORED] = "NOT_STORED\r\n",
        [RESULT_TOO_LARGE] = "SERVER_ERROR object too large for cache\r\n",
        [RESULT_NO_MEMORY] = "SERVER_ERROR out of memory storing object\r\n",
    };
    for (size_t op = 0; op < sizeof(ops); op++) {
        for (uint8_t status = RESULT_OK; status <= RESULT_NO_MEMORY; status++) {
            struct reply_case c = {{.op = ops[op]}, {.status = status}, expected[status]};
            check(&c);
            struct reply_case quiet = {{.op = ops[op], .quiet = true}, {.status = status}, ""};
            check(&quiet);
        }
    }
}

Test(text_reply, other_item_commands) {
    static const struct reply_case cases[] = {
        {{.op = OP_DELETE}, {.status = RESULT_OK}, "DELETED\r\n"},
        {{.op = OP_DELETE}, {.status = RESULT_NOT_FOUND}, "NOT_FOUND\r\n"},
        {{.op = OP_DELETE, .quiet = true}, {.status = RESULT_OK}, ""},
        {{.op = OP_TOUCH}, {.status = RESULT_OK}, "TOUCHED\r\n"},
        {{.op = OP_TOUCH}, {.status = RESULT_NOT_FOUND}, "NOT_FOUND\r\n"},
        {{.op = OP_INCR}, {.number = UINT64_MAX}, "18446744073709551615\r\n"},
        {{.op = OP_DECR}, {.number = 0}, "0\r\n"},
        {{.op = OP_INCR}, {.status = RESULT_NOT_FOUND}, "NOT_FOUND\r\n"},
        {{.op = OP_DECR},
         {.status = RESULT_NON_NUMERIC},
         "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
        {{.op = OP_INCR, .quiet = true}, {.status = RESULT_NON_NUMERIC}, ""},
        {{.op = OP_FLUSH}, {0}, "OK\r\n"},
        {{.op = OP_FLUSH, .quiet = true}, {0}, ""},
        {{.op = OP_VERBOSITY}, {0}, "OK\r\n"},
        {{.op = OP_VERSION}, {.value = "1.6", .value_length = 3}, "VERSION 1.6\r\n"},
        {{.op = OP_QUIT}, {0}, ""},
    };
    CHECK_ALL(cases);
}

Test(text_reply, errors) {
    static const char *const expected[] = {
        [PROTO_ERROR_COMMAND] = "ERROR\r\n",
        [PROTO_ERROR_FORMAT] = "CLIENT_ERROR bad command line format\r\n",
        [PROTO_ERROR_DATA_CHUNK] = "CLIENT_ERROR bad data chunk\r\n",
        [PROTO_ERROR_DELTA] = "CLIENT_ERROR invalid numeric delta argument\r\n",
        [PROTO_ERROR_EXPTIME] = "CLIENT_ERROR invalid exptime argument\r\n",
        [PROTO_ERROR_DELETE_USAGE] =
            "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n",
        [PROTO_ERROR_TOO_LARGE] = "SERVER_ERROR object too large for cache\r\n",
        [PROTO_ERROR_NO_MEMORY] = "SERVER_ERROR out of memory storing object\r\n",
    };
    for (uint8_t error = PROTO_ERROR_COMMAND; error <= PROTO_ERROR_NO_MEMORY; error++) {
        struct reply_case c = {{.op = OP_ERROR, .error = error}, {0}, expected[error]};
        check(&c);
        c.request.op = OP_REJECT;
        check(&c);
        struct reply_case quiet = {{.op = OP_ERROR, .error = error, .quiet = true}, {0}, ""};
        check(&quiet);
    }
}

/* An error has no result, so none is looked at. */
Test(text_reply, errors_without_a_result) {
    char out[256];
    struct request request = {
        .op = OP_ERROR, .protocol = PROTOCOL_TEXT, .error = PROTO_ERROR_COMMAND};
    cr_assert(ge(sz, reply_bound(&request, NULL), (size_t)7));
    cr_assert(eq(sz, reply_write(out, &request, NULL), (size_t)7));
}

Test(text_reply, stats) {
    const struct request request = {.op = OP_STATS, .protocol = PROTOCOL_TEXT};
    char out[REPLY_STAT_MAX + 8] = {0};
    cr_assert(eq(sz, reply_stat(out, &request, "pid", "42"), strlen("STAT pid 42\r\n")));
    cr_assert(eq(int, memcmp(out, "STAT pid 42\r\n", 13), 0));
    cr_assert(eq(sz, reply_stats_end(out, &request), (size_t)5));
    cr_assert(eq(int, memcmp(out, "END\r\n", 5), 0));
    cr_assert(eq(sz, reply_stats_unknown(out, &request), (size_t)7));
    cr_assert(eq(int, memcmp(out, "ERROR\r\n", 7), 0));
}
