/* Binary replies: every op and result. */
#include "proto/reply.h"
#include "same.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Renders a reply: "<opcode> s<status> e<extras> k<key> v<value> c<cas>", extras in hex and
 * what is empty left out; value in hex with hex set. */
static char *render(const char *bytes, size_t length, bool hex) {
    const unsigned char *b = (const unsigned char *)bytes;
    char *text = NULL;
    size_t text_length = 0;
    FILE *out = open_memstream(&text, &text_length);
    if (length > 0) {
        cr_assert(ge(sz, length, (size_t)24));
        size_t key = (size_t)b[2] << 8 | b[3];
        size_t extras = b[4];
        size_t body = (size_t)b[8] << 24 | (size_t)b[9] << 16 | (size_t)b[10] << 8 | b[11];
        cr_assert(eq(int, b[0], 0x81));
        cr_assert(eq(int, b[5], 0));
        cr_assert(eq(sz, 24 + body, length));
        cr_assert(le(sz, key + extras, body));
        cr_assert(eq(int, memcmp(b + 12, "\x01\x02\x03\x04", 4), 0), "opaque");
        fprintf(out, "%02x s%02x", b[1], b[6] << 8 | b[7]);
        for (size_t i = 0; i < extras; i++) {
            fprintf(out, "%s%02x", i == 0 ? " e" : "", b[24 + i]);
        }
        if (key > 0) {
            fprintf(out, " k%.*s", (int)key, bytes + 24 + extras);
        }
        size_t value = body - key - extras;
        for (size_t i = 0; hex && i < value; i++) {
            fprintf(out, "%s%02x", i == 0 ? " v" : "", b[24 + extras + key + i]);
        }
        if (!hex && value > 0) {
            fprintf(out, " v%.*s", (int)value, bytes + 24 + extras + key);
        }
        if (b[23] != 0) {
            fprintf(out, " c%u", b[23]);
        }
    }
    fclose(out);
    return text;
}

struct reply_case {
    struct request request;
    struct result result;
    const char *expected;
};

static struct request complete(struct request request) {
    request.protocol = PROTOCOL_BINARY;
    request.key = "key";
    request.key_length = 3;
    memcpy(&request.opaque, "\x01\x02\x03\x04", 4);
    return request;
}

static void check(const struct reply_case *c) {
    struct request request = complete(c->request);
    size_t bound = reply_bound(&request, &c->result);
    char *out = malloc(bound);
    size_t length = reply_write(out, &request, &c->result);
    cr_assert(le(sz, length, bound));
    bool number = request.op == OP_INCR || request.op == OP_DECR;
    char *text = render(out, length, number && c->result.status == RESULT_OK);
    same_expect(text, c->expected, op_infos[request.op].name);
    free(text);
    free(out);
}

#define CHECK_ALL(cases)                                                                           \
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)                                  \
    check(&cases[i])

Test(binary_reply, get) {
    static const struct result hit = {.status = RESULT_OK,
                                      .client_flags = 0x01020304,
                                      .value = "abc",
                                      .value_length = 3,
                                      .cas = 99};
    static const struct result miss = {.status = RESULT_NOT_FOUND};
    const struct reply_case cases[] = {
        {{.op = OP_GET, .opcode = 0x00}, hit, "00 s00 e01020304 vabc c99"},
        {{.op = OP_GET, .opcode = 0x09, .quiet = true}, hit, "09 s00 e01020304 vabc c99"},
        {{.op = OP_GET, .opcode = 0x0c, .return_key = true}, hit, "0c s00 e01020304 kkey vabc c99"},
        {{.op = OP_GET, .opcode = 0x0d, .return_key = true, .quiet = true},
         hit,
         "0d s00 e01020304 kkey vabc c99"},
        {{.op = OP_GET, .opcode = 0x00}, miss, "00 s01 vNot found"},
        {{.op = OP_GET, .opcode = 0x09, .quiet = true}, miss, ""},
        {{.op = OP_GET, .opcode = 0x0c, .return_key = true}, miss, "0c s01 kkey"},
        {{.op = OP_GET, .opcode = 0x0d, .return_key = true, .quiet = true}, miss, ""},
        {{.op = OP_GAT, .opcode = 0x1d}, hit, "1d s00 e01020304 vabc c99"},
        {{.op = OP_GAT, .opcode = 0x1e, .quiet = true}, miss, ""},
        {{.op = OP_GAT, .opcode = 0x23, .return_key = true}, miss, "23 s01 kkey"},
        {{.op = OP_GAT, .opcode = 0x24, .return_key = true, .quiet = true},
         hit,
         "24 s00 e01020304 kkey vabc c99"},
        {{.op = OP_TOUCH, .opcode = 0x1c}, hit, "1c s00 e01020304 c99"},
        {{.op = OP_TOUCH, .opcode = 0x1c}, miss, "1c s01 vNot found"},
    };
    CHECK_ALL(cases);
}

Test(binary_reply, changes) {
    static const struct result done = {.status = RESULT_OK, .cas = 99, .number = 258};
    const struct reply_case cases[] = {
        {{.op = OP_SET, .opcode = 0x01}, done, "01 s00 c99"},
        {{.op = OP_SET, .opcode = 0x11, .quiet = true}, done, ""},
        {{.op = OP_APPEND, .opcode = 0x0e}, done, "0e s00 c99"},
        {{.op = OP_DELETE, .opcode = 0x04}, done, "04 s00"},
        {{.op = OP_DELETE, .opcode = 0x14, .quiet = true}, done, ""},
        {{.op = OP_INCR, .opcode = 0x05}, done, "05 s00 v0000000000000102 c99"},
        {{.op = OP_DECR, .opcode = 0x16, .quiet = true}, done, ""},
        {{.op = OP_ADD, .opcode = 0x02},
         {.status = RESULT_NOT_STORED},
         "02 s02 vData exists for key."},
        {{.op = OP_REPLACE, .opcode = 0x03}, {.status = RESULT_NOT_STORED}, "03 s01 vNot found"},
        {{.op = OP_APPEND, .opcode = 0x0e}, {.status = RESULT_NOT_STORED}, "0e s05 vNot stored."},
        {{.op = OP_PREPEND, .opcode = 0x1a, .quiet = true},
         {.status = RESULT_NOT_STORED},
         "1a s05 vNot stored."},
        {{.op = OP_SET, .opcode = 0x11, .quiet = true},
         {.status = RESULT_EXISTS},
         "11 s02 vData exists for key."},
        {{.op = OP_SET, .opcode = 0x01}, {.status = RESULT_NOT_FOUND}, "01 s01 vNot found"},
        {{.op = OP_SET, .opcode = 0x01}, {.status = RESULT_TOO_LARGE}, "01 s03 vToo large."},
        {{.op = OP_SET, .opcode = 0x01}, {.status = RESULT_NO_MEMORY}, "01 s82 vOut of memory"},
        {{.op = OP_DELETE, .opcode = 0x14, .quiet = true},
         {.status = RESULT_NOT_FOUND},
         "14 s01 vNot found"},
        {{.op = OP_INCR, .opcode = 0x15, .quiet = true},
         {.status = RESULT_NON_NUMERIC},
         "15 s06 vNon-numeric server-side value for incr or decr"},
    };
    CHECK_ALL(cases);
}

Test(binary_reply, other_commands) {
    static const struct reply_case cases[] = {
        {{.op = OP_FLUSH, .opcode = 0x08}, {0}, "08 s00"},
        {{.op = OP_FLUSH, .opcode = 0x18, .quiet = true}, {0}, ""},
        {{.op = OP_NOOP, .opcode = 0x0a}, {0}, "0a s00"},
        {{.op = OP_QUIT, .opcode = 0x07}, {0}, "07 s00"},
        {{.op = OP_QUIT, .opcode = 0x17, .quiet = true}, {0}, ""},
        {{.op = OP_VERSION, .opcode = 0x0b}, {.value = "1.6", .value_length = 3}, "0b s00 v1.6"},
        {{.op = OP_SASL_LIST, .opcode = 0x20},
         {.value = "PLAIN LOGIN", .value_length = 11},
         "20 s00 vPLAIN LOGIN"},
        {{.op = OP_LOGIN, .opcode = 0x21}, {.status = RESULT_OK}, "21 s00 vAuthenticated"},
        {{.op = OP_LOGIN, .opcode = 0x22},
         {.status = RESULT_LOGIN_FAILED},
         "22 s20 vAuth failure."},
    };
    CHECK_ALL(cases);
}

/* Quiet forms answer errors too. */
Test(binary_reply, errors) {
    static const struct reply_case cases[] = {
        {{.op = OP_ERROR, .opcode = 0xff, .error = PROTO_ERROR_COMMAND},
         {0},
         "ff s81 vUnknown command"},
        {{.op = OP_ERROR, .opcode = 0x11, .quiet = true, .error = PROTO_ERROR_FORMAT},
         {0},
         "11 s04 vInvalid arguments"},
        {{.op = OP_REJECT, .opcode = 0x11, .quiet = true, .error = PROTO_ERROR_TOO_LARGE},
         {0},
         "11 s03 vToo large."},
        {{.op = OP_REJECT, .opcode = 0x01, .error = PROTO_ERROR_NO_MEMORY},
         {0},
         "01 s82 vOut of memory"},
        {{.op = OP_ERROR, .opcode = 0x10, .error = PROTO_ERROR_STATS_MEMORY},
         {0},
         "10 s82 vOut of memory"},
        {{.op = OP_ERROR, .opcode = 0x09, .quiet = true, .error = PROTO_ERROR_LOGIN},
         {0},
         "09 s20 vAuth failure."},
        {{.op = OP_ERROR, .opcode = 0x18, .quiet = true, .error = PROTO_ERROR_FLUSH},
         {0},
         "18 s20 vAuth failure."},
        {{.op = OP_ERROR, .opcode = 0x21, .error = PROTO_ERROR_LOGIN_STEP}, {0}, "21 s21"},
    };
    CHECK_ALL(cases);
}

static void check_written(const char *out, size_t length, const char *expected) {
    char *text = render(out, length, false);
    same_expect(text, expected, "written");
    free(text);
}

Test(binary_reply, stats) {
    const struct request request = complete((struct request){.op = OP_STATS, .opcode = 0x10});
    char out[REPLY_STAT_MAX + 8];
    check_written(out, reply_stat(out, &request, "pid", "42"), "10 s00 kpid v42");
    check_written(out, reply_stats_end(out, &request), "10 s00");
    check_written(out, reply_stats_unknown(out, &request), "10 s01 vNot found");
    check_written(out, reply_stats_line(out, &request, "RESET"), "10 s00");
    check_written(out, reply_stats_line(out, &request, "OK"), "10 s00");
    check_written(out, reply_stats_line(out, &request, "CLIENT_ERROR no"), "10 s01 vNot found");
}
