/* Text replies: every op and result. */
#include "reply_case.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

static void check(const struct reply_case *c) {
    reply_check(c, PROTOCOL_TEXT);
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

/* reply_bound() holds for the longest key, numbers and flags. */
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
        {{.op = OP_TOUCH},
         {.status = RESULT_NO_MEMORY},
         "SERVER_ERROR out of memory storing object\r\n"},
        {{.op = OP_GAT, .last = true}, {.status = RESULT_NOT_FOUND}, "END\r\n"},
        {{.op = OP_GAT, .last = true},
         {.status = RESULT_NO_MEMORY},
         "SERVER_ERROR out of memory storing object\r\n"},
        {{.op = OP_GAT}, {.status = RESULT_NO_MEMORY}, ""},
        {{.op = OP_INCR}, {.number = UINT64_MAX}, "18446744073709551615\r\n"},
        {{.op = OP_DECR}, {.number = 0}, "0\r\n"},
        {{.op = OP_INCR}, {.status = RESULT_NOT_FOUND}, "NOT_FOUND\r\n"},
        {{.op = OP_DECR},
         {.status = RESULT_NON_NUMERIC},
         "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
        {{.op = OP_INCR, .quiet = true}, {.status = RESULT_NON_NUMERIC}, ""},
        {{.op = OP_FLUSH}, {0}, "OK\r\n"},
        {{.op = OP_FLUSH, .quiet = true}, {0}, ""},
        {{.op = OP_FLUSH_PREFIX}, {0}, "OK\r\n"},
        {{.op = OP_FLUSH_PREFIX, .quiet = true}, {0}, ""},
        {{.op = OP_VERBOSITY}, {0}, "OK\r\n"},
        {{.op = OP_VERSION}, {.value = "1.6", .value_length = 3}, "VERSION 1.6\r\n"},
        {{.op = OP_CONFIG},
         {.value = "7\na|1.2.3.4|5\n", .value_length = 14},
         "CONFIG cluster 0 14\r\n7\na|1.2.3.4|5\n\r\nEND\r\n"},
        {{.op = OP_CONFIG_KEY, .last = true},
         {.value = "7\n", .value_length = 2},
         "VALUE k 0 2\r\n7\n\r\nEND\r\n"},
        {{.op = OP_CONFIG_KEY, .last = true}, {.status = RESULT_NOT_FOUND}, "END\r\n"},
        {{.op = OP_OK}, {0}, "OK\r\n"},
        {{.op = OP_OK, .quiet = true}, {0}, ""},
        {{.op = OP_LOGIN}, {.status = RESULT_OK}, "STORED\r\n"},
        {{.op = OP_LOGIN},
         {.status = RESULT_LOGIN_FAILED},
         "CLIENT_ERROR authentication failure\r\n"},
        {{.op = OP_QUIT}, {0}, ""},
    };
    CHECK_ALL(cases);
}

/* Administration is answered with result.value as a line, or not at all if that is empty. */
Test(text_reply, administration) {
    static const uint8_t ops[] = {
        OP_METADUMP,        OP_MGDUMP,       OP_CRAWL,      OP_CRAWLER_SWITCH, OP_CRAWLER_SLEEP,
        OP_CRAWLER_TOCRAWL, OP_MEMORY_LIMIT, OP_DEBUG_TIME, OP_SHUTDOWN,       OP_REFRESH_CERTS,
    };
    static const struct result line = {.value = "BUSY with it", .value_length = 12};
    for (size_t i = 0; i < sizeof(ops); i++) {
        struct reply_case c = {{.op = ops[i]}, line, "BUSY with it\r\n"};
        check(&c);
        struct reply_case quiet = {{.op = ops[i], .quiet = true}, line, ""};
        check(&quiet);
        struct reply_case empty = {{.op = ops[i]}, {.value = ""}, ""};
        check(&empty);
    }
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
        [PROTO_ERROR_LOGIN] = "CLIENT_ERROR unauthenticated\r\n",
        [PROTO_ERROR_FLUSH] = "CLIENT_ERROR flush_all not allowed\r\n",
        [PROTO_ERROR_FLUSH_PREFIX] = "CLIENT_ERROR flush_prefix not allowed\r\n",
        [PROTO_ERROR_PREFIXES] = "SERVER_ERROR too many prefixes being flushed\r\n",
        [PROTO_ERROR_STATS_MEMORY] = "SERVER_ERROR out of memory writing stats\r\n",
        [PROTO_ERROR_METADUMP] = "ERROR metadump not allowed\r\n",
        [PROTO_ERROR_MGDUMP] = "ERROR key dump not allowed\r\n",
        [PROTO_ERROR_DETAIL] = "CLIENT_ERROR stats detail not allowed\r\n",
        [PROTO_ERROR_CACHEDUMP] = "CLIENT_ERROR stats cachedump not allowed\r\n",
        [PROTO_ERROR_HOTKEYS] = "ERROR hotkeys not allowed\r\n",
        [PROTO_ERROR_WATCH] = "CLIENT_ERROR watch commands not allowed\r\n",
        [PROTO_ERROR_LOGIN_LENGTH] = "CLIENT_ERROR auth token too long\r\n",
        [PROTO_ERROR_LOGIN_END] = "CLIENT_ERROR bad command line termination\r\n",
        [PROTO_ERROR_LOGIN_FORMAT] = "CLIENT_ERROR bad authentication token format\r\n",
        [PROTO_ERROR_FLAG] = "CLIENT_ERROR invalid flag\r\n",
        [PROTO_ERROR_FLAG_TWICE] = "CLIENT_ERROR duplicate flag\r\n",
        [PROTO_ERROR_FLAGS_TOO_MANY] = "CLIENT_ERROR options flags are too long\r\n",
        [PROTO_ERROR_FLAG_TOKEN] = "CLIENT_ERROR bad token in command line format\r\n",
        [PROTO_ERROR_FLAG_INITIAL] = "CLIENT_ERROR invalid numeric initial value\r\n",
        [PROTO_ERROR_FLAG_DELTA] = "CLIENT_ERROR invalid numeric delta value\r\n",
        [PROTO_ERROR_FLAG_KEY] = "CLIENT_ERROR error decoding key\r\n",
        [PROTO_ERROR_FLAG_OPAQUE] = "CLIENT_ERROR opaque token too long\r\n",
        [PROTO_ERROR_FLAG_SET_MODE] = "CLIENT_ERROR invalid mode for ms M token\r\n",
        [PROTO_ERROR_FLAG_DELTA_MODE] = "CLIENT_ERROR invalid mode for ma M token\r\n",
        [PROTO_ERROR_DELTA_FLAGS] = "CLIENT_ERROR invalid or duplicate flag\r\n",
        [PROTO_ERROR_MEMORY_TOO_SMALL] =
            "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n",
        [PROTO_ERROR_MEMORY_IN_BYTES] =
            "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n",
        [PROTO_ERROR_CRAWLER_SLEEP] = "CLIENT_ERROR sleep must be one second or less\r\n",
        [PROTO_ERROR_SLAB_REASSIGN] = "CLIENT_ERROR slab reassignment disabled\r\n",
        [PROTO_ERROR_AUTOMOVE_WINDOW] = "CLIENT_ERROR automove window too low or too high\r\n",
        [PROTO_ERROR_LRU_SHARES] = "ERROR hot and warm pcts must not exceed 80\r\n",
        [PROTO_ERROR_LRU_FACTORS] = "ERROR hot/warm age factors must be greater than 0\r\n",
    };
    for (uint8_t error = PROTO_ERROR_COMMAND; error <= PROTO_ERROR_LRU_FACTORS; error++) {
        if (error == PROTO_ERROR_LOGIN_STEP) {
            continue; /* of the binary protocol */
        }
        struct reply_case c = {{.op = OP_ERROR, .error = error}, {0}, expected[error]};
        check(&c);
        c.request.op = OP_REJECT;
        check(&c);
        struct reply_case quiet = {{.op = OP_ERROR, .error = error, .quiet = true}, {0}, ""};
        check(&quiet);
        reply_check(&c, PROTOCOL_META);
        quiet.expected = expected[error];
        reply_check(&quiet, PROTOCOL_META);
    }
}

/* An error is answered without a result. */
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
    cr_assert(eq(sz, reply_stats_line(out, &request, "RESET"), (size_t)7));
    cr_assert(eq(int, memcmp(out, "RESET\r\n", 7), 0));
}
