/* Replies to meta commands: every op, result and flag. */
#include "reply_case.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#define CHECK_ALL(cases)                                                                           \
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)                                  \
    reply_check(&cases[i], PROTOCOL_META)

#define HIT .value_length = 3, .client_flags = 7, .cas = 99, .ttl_s = 30, .idle_s = 4
#define VALUE HIT, .value = "abc"

Test(meta_reply, get) {
    static const struct reply_case cases[] = {
        {{.op = OP_META_GET}, {HIT}, "HD\r\n"},
        {{.op = OP_META_GET, .meta = META_RETURN_VALUE}, {VALUE}, "VA 3\r\nabc\r\n"},
        {{.op = OP_META_GET, .meta = META_RETURN_VALUE},
         {.value = "", .ttl_s = -1},
         "VA 0\r\n\r\n"},
        {{.op = OP_META_GET, .returns = "cfhlst"}, {HIT}, "HD c99 f7 h0 l4 s3 t30\r\n"},
        {{.op = OP_META_GET, .returns = "tslhfc", .meta = META_RETURN_VALUE},
         {VALUE, .state = STATE_FETCHED},
         "VA 3 t30 s3 l4 h1 f7 c99\r\nabc\r\n"},
        {{.op = OP_META_GET, .returns = "t"}, {.ttl_s = -1}, "HD t-1\r\n"},
        {{.op = OP_META_GET, .returns = "kO", .key = "foo", .token = "abc"},
         {HIT},
         "HD kfoo Oabc\r\n"},
        {{.op = OP_META_GET, .returns = "O"}, {HIT}, "HD O\r\n"},
        {{.op = OP_META_GET, .quiet = true}, {HIT}, "HD\r\n"},
        {{.op = OP_META_GET, .returns = "t"}, {.state = STATE_WON, .ttl_s = 30}, "HD t30 W\r\n"},
        {{.op = OP_META_GET}, {.state = STATE_TOKEN_SENT}, "HD Z\r\n"},
        {{.op = OP_META_GET}, {.state = STATE_STALE | STATE_WON}, "HD X W\r\n"},
        {{.op = OP_META_GET}, {.state = STATE_STALE | STATE_TOKEN_SENT}, "HD Z X\r\n"},
    };
    CHECK_ALL(cases);
}

/* With C no value of the CAS that the client has is returned. */
Test(meta_reply, get_returns_the_value_as_asked) {
    static const struct {
        struct request request;
        bool expected;
    } cases[] = {
        {{.meta = META_RETURN_VALUE}, true},
        {{.meta = META_RETURN_VALUE | META_COMPARE_EQUAL, .cas = 98}, true},
        {{.meta = META_RETURN_VALUE | META_COMPARE_EQUAL, .cas = 99}, false},
        {{.meta = META_RETURN_VALUE, .cas = 99}, true},
        {{.meta = META_COMPARE_EQUAL, .cas = 98}, false},
        {{.returns = "s"}, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool returned = mg_returns_value(&cases[i].request, 99);
        cr_expect(eq(int, returned, cases[i].expected), "case %zu", i);
    }
}

Test(meta_reply, get_misses) {
    static const struct result miss = {.status = RESULT_NOT_FOUND};
    const struct reply_case cases[] = {
        {{.op = OP_META_GET}, miss, "EN\r\n"},
        {{.op = OP_META_GET, .returns = "tkcO", .key = "nope", .token = "abc"},
         miss,
         "EN knope Oabc\r\n"},
        {{.op = OP_META_GET, .returns = "k", .quiet = true}, miss, ""},
        {{.op = OP_META_GET, .returns = "t", .quiet = true},
         {.status = RESULT_NO_MEMORY},
         "SERVER_ERROR out of memory storing object\r\n"},
    };
    CHECK_ALL(cases);
}

/* Whether the key is base64 is an attribute of the item; without one, of the request. */
Test(meta_reply, keys_in_base64) {
    static const struct result miss = {.status = RESULT_NOT_FOUND};
    const struct reply_case cases[] = {
        {{.op = OP_META_GET, .returns = "kO", .key = "foo", .token = "a"},
         {.state = STATE_BINARY_KEY},
         "HD kZm9v b Oa\r\n"},
        {{.op = OP_META_GET, .returns = "k", .key = "foo", .meta = META_BASE64},
         {.state = 0},
         "HD kfoo\r\n"},
        {{.op = OP_META_GET, .returns = "k", .key = "foo", .meta = META_BASE64},
         miss,
         "EN kZm9v b\r\n"},
        {{.op = OP_SET, .returns = "k", .key = "foo", .meta = META_BASE64}, {0}, "HD kZm9v b\r\n"},
        {{.op = OP_DELETE, .returns = "k", .key = "foo", .meta = META_BASE64},
         miss,
         "NF kZm9v b\r\n"},
        {{.op = OP_INCR, .returns = "k", .key = "foo", .meta = META_BASE64}, {0}, "HD kZm9v b\r\n"},
        {{.op = OP_META_ITEM, .key = "foo"},
         {.state = STATE_BINARY_KEY, .ttl_s = -1, .number = 64},
         "ME Zm9v exp=-1 la=0 cas=0 fetch=no cls=1 size=64\r\n"},
    };
    CHECK_ALL(cases);
}

Test(meta_reply, stores) {
    static const uint8_t ops[] = {OP_SET, OP_ADD, OP_REPLACE, OP_APPEND, OP_PREPEND};
    static const struct {
        uint8_t status;
        const char *expected;
    } outcomes[] = {
        {RESULT_OK, "HD c99 s8 kk Oab\r\n"},
        {RESULT_NOT_FOUND, "NF c0 s3 kk Oab\r\n"},
        {RESULT_EXISTS, "EX c0 s3 kk Oab\r\n"},
        {RESULT_NOT_STORED, "NS c0 s3 kk Oab\r\n"},
        {RESULT_TOO_LARGE, "SERVER_ERROR object too large for cache\r\n"},
        {RESULT_NO_MEMORY, "SERVER_ERROR out of memory storing object\r\n"},
    };
    for (size_t op = 0; op < sizeof(ops); op++) {
        for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
            struct reply_case c = {
                {.op = ops[op], .returns = "cskO", .token = "ab", .value_length = 3},
                {.status = outcomes[i].status, .cas = 99, .value_length = 8},
                outcomes[i].expected,
            };
            reply_check(&c, PROTOCOL_META);
            c.request.quiet = true; /* 25: hides HD and nothing else */
            c.expected = outcomes[i].status == RESULT_OK ? "" : c.expected;
            reply_check(&c, PROTOCOL_META);
        }
    }
}

Test(meta_reply, delete_) {
    static const struct reply_case cases[] = {
        {{.op = OP_DELETE}, {.status = RESULT_OK}, "HD\r\n"},
        {{.op = OP_DELETE, .returns = "kO", .token = "ab"}, {.status = RESULT_OK}, "HD kk Oab\r\n"},
        {{.op = OP_DELETE, .quiet = true}, {.status = RESULT_OK}, ""},
        {{.op = OP_DELETE, .quiet = true}, {.status = RESULT_NOT_FOUND}, "NF\r\n"},
        {{.op = OP_DELETE, .returns = "k"}, {.status = RESULT_EXISTS}, "EX kk\r\n"},
    };
    CHECK_ALL(cases);
}

Test(meta_reply, delta) {
    static const struct reply_case cases[] = {
        {{.op = OP_INCR}, {.number = 12}, "HD\r\n"},
        {{.op = OP_DECR, .meta = META_RETURN_VALUE}, {.number = 0}, "VA 1\r\n0\r\n"},
        {{.op = OP_INCR, .meta = META_RETURN_VALUE, .returns = "tckO", .token = "a"},
         {.number = UINT64_MAX, .ttl_s = 30, .cas = 99},
         "VA 20 t30 c99 kk Oa\r\n18446744073709551615\r\n"},
        {{.op = OP_INCR, .meta = META_RETURN_VALUE, .quiet = true}, {.number = 12}, ""},
        {{.op = OP_INCR, .meta = META_RETURN_VALUE, .returns = "tckO", .token = "a"},
         {.status = RESULT_NOT_FOUND},
         "NF kk Oa\r\n"},
        {{.op = OP_INCR, .quiet = true}, {.status = RESULT_EXISTS}, "EX\r\n"},
        {{.op = OP_INCR}, {.status = RESULT_NOT_STORED}, "NS\r\n"},
        {{.op = OP_INCR, .quiet = true},
         {.status = RESULT_NON_NUMERIC},
         "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
    };
    CHECK_ALL(cases);
}

Test(meta_reply, others) {
    static const struct reply_case cases[] = {
        {{.op = OP_NOOP}, {0}, "MN\r\n"},
        {{.op = OP_META_ITEM}, {.status = RESULT_NOT_FOUND}, "EN\r\n"},
        {{.op = OP_META_ITEM},
         {.state = STATE_FETCHED, .ttl_s = 30, .idle_s = 5, .cas = 99, .number = 65},
         "ME k exp=30 la=5 cas=99 fetch=yes cls=1 size=65\r\n"},
    };
    CHECK_ALL(cases);
}

/* reply_bound() holds for the longest key, numbers and flags. */
Test(meta_reply, of_the_longest) {
    char key[KEY_LENGTH_MAX + 1] = {0};
    memset(key, 'x', 249); /* divisible by 3 */
    char encoded[512] = {0};
    for (size_t i = 0; i < 249 / 3; i++) {
        strcat(encoded, "eHh4");
    }
    const struct result result = {
        .state = UINT8_MAX,
        .client_flags = UINT32_MAX,
        .idle_s = UINT32_MAX,
        .ttl_s = INT32_MAX,
        .cas = UINT64_MAX,
        .number = UINT64_MAX,
        .value = "",
    };
    char expected[1024];
    snprintf(expected, sizeof(expected),
             "VA 0 O1234567890123456789012345678901 k%s b c18446744073709551615 f4294967295 h1 "
             "l4294967295 s0 t2147483647 Z X W\r\n\r\n",
             encoded);
    struct reply_case c = {
        {.op = OP_META_GET,
         .meta = META_RETURN_VALUE,
         .key = key,
         .token = "1234567890123456789012345678901",
         .returns = "Okcfhlst"},
        result,
        expected,
    };
    reply_check(&c, PROTOCOL_META);
    c.request.op = OP_META_ITEM;
    snprintf(expected, sizeof(expected),
             "ME %s exp=2147483647 la=4294967295 cas=18446744073709551615 fetch=yes cls=1 "
             "size=18446744073709551615\r\n",
             encoded);
    reply_check(&c, PROTOCOL_META);
}

/* A noop is answered without a result. */
Test(meta_reply, noop_without_a_result) {
    char out[256];
    struct request request = {.op = OP_NOOP, .protocol = PROTOCOL_META};
    cr_assert(ge(sz, reply_bound(&request, NULL), (size_t)4));
    cr_assert(eq(sz, reply_write(out, &request, NULL), (size_t)4));
}

/* A value_length without a value (for s) doesn't count in reply_bound(). */
Test(meta_reply, bound_without_the_value) {
    struct request request = {.op = OP_META_GET, .protocol = PROTOCOL_META, .returns = "s"};
    struct result result = {.value_length = 1000000};
    cr_assert(lt(sz, reply_bound(&request, &result), (size_t)1000));
    result.value = "a million bytes";
    cr_assert(lt(sz, (size_t)1000000, reply_bound(&request, &result)));
}
