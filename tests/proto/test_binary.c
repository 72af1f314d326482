/* Binary requests: packets in, requests out. Rendered behind each: opcode/opaque. */
#include "compose.h"
#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WITH_EXTRAS(bytes) .extras = (bytes), .extras_length = sizeof(bytes) - 1
#define WITH_KEY(bytes) .key = (bytes), .key_length = sizeof(bytes) - 1
#define WITH_VALUE(bytes) .value = (bytes), .value_length = sizeof(bytes) - 1

#define FLAGS_AND_EXPTIME "\x01\x02\x03\x04\x00\x00\x00\x05"
#define SPEC_GET                                                                                   \
    { .opcode = 0x00, WITH_KEY("a") }

#define K250 STREAM_K250

struct binary_case {
    struct packet_spec packet;
    const char *expected;
};

/* Each packet is sent between two gets, which shows whether the right number of bytes is taken. */
static void check(const struct binary_case *binary) {
    static const struct packet_spec get = SPEC_GET;
    struct composed c = {0};
    compose_packet(&c, &get);
    compose_packet(&c, &binary->packet);
    compose_packet(&c, &get);
    bool closes = strstr(binary->expected, "closes");
    char *expected = NULL;
    cr_assert(ge(int,
                 asprintf(&expected, "get a 00/00000000; %s%s", binary->expected,
                          closes ? "" : "; get a 00/00000000"),
                 0));
    struct stream_case whole = {c.bytes, c.length, expected};
    stream_check(&whole);
    free(expected);
    compose_free(&c);
}

#define CHECK_ALL(cases)                                                                           \
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)                                  \
    check(&cases[i])

Test(binary, packets) {
    static const struct binary_case cases[] = {
        {{.opcode = 0x00, WITH_KEY("k"), .opaque = 0x04030201}, "get k 00/01020304"},
        {{.opcode = 0x09, WITH_KEY("k")}, "get k quiet 09/00000000"},
        {{.opcode = 0x0c, WITH_KEY("k")}, "get k +key 0c/00000000"},
        {{.opcode = 0x0d, WITH_KEY("k")}, "get k +key quiet 0d/00000000"},
        {{.opcode = 0x00, WITH_KEY("a b\n")}, "get a b\n 00/00000000"},
        {{.opcode = 0x00, WITH_KEY("k"), .cas = 7}, "get k 00/00000000"},
        {{.opcode = 0x01, WITH_EXTRAS(FLAGS_AND_EXPTIME), WITH_KEY("k"), WITH_VALUE("abc")},
         "set k f16909060 e5 v\"abc\" 01/00000000"},
        {{.opcode = 0x01, WITH_EXTRAS(FLAGS_AND_EXPTIME), WITH_KEY("k")},
         "set k f16909060 e5 v\"\" 01/00000000"},
        {{.opcode = 0x02, WITH_EXTRAS(FLAGS_AND_EXPTIME), WITH_KEY("k"), WITH_VALUE("abc")},
         "add k f16909060 e5 v\"abc\" 02/00000000"},
        {{.opcode = 0x13, WITH_EXTRAS(FLAGS_AND_EXPTIME), WITH_KEY("k"), WITH_VALUE("abc")},
         "replace k f16909060 e5 v\"abc\" quiet 13/00000000"},
        {{.opcode = 0x02,
          WITH_EXTRAS(FLAGS_AND_EXPTIME),
          WITH_KEY("k"),
          WITH_VALUE("abc"),
          .cas = 0x0102030405060708},
         "set k f16909060 e5 cas72623859790382856 v\"abc\" 02/00000000"},
        {{.opcode = 0x04, WITH_KEY("k")}, "delete k 04/00000000"},
        {{.opcode = 0x14, WITH_KEY("k"), .cas = 5}, "delete k cas5 quiet 14/00000000"},
        {{.opcode = 0x05, WITH_EXTRAS("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\3"), WITH_KEY("k")},
         "incr k e3 d1 i2 create 05/00000000"},
        {{.opcode = 0x16,
          WITH_EXTRAS("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\xff\xff\xff\xff"),
          WITH_KEY("k")},
         "decr k e4294967295 d1 i2 quiet 16/00000000"},
        {{.opcode = 0x08}, "flush 08/00000000"},
        {{.opcode = 0x18, WITH_EXTRAS("\0\0\0\5")}, "flush e5 quiet 18/00000000"},
        {{.opcode = 0x0a}, "noop 0a/00000000"},
        {{.opcode = 0x0b}, "version 0b/00000000"},
        {{.opcode = 0x0e, WITH_KEY("k"), WITH_VALUE("v")}, "append k v\"v\" 0e/00000000"},
        {{.opcode = 0x1a, WITH_KEY("k"), WITH_VALUE("v"), .cas = 9},
         "prepend k cas9 v\"v\" quiet 1a/00000000"},
        {{.opcode = 0x10}, "stats 10/00000000"},
        {{.opcode = 0x10, WITH_KEY("detail on")}, "stats detail on 10/00000000"},
        {{.opcode = 0x1c, WITH_EXTRAS("\0\0\0\5"), WITH_KEY("k")}, "touch k e5 1c/00000000"},
        {{.opcode = 0x1d, WITH_EXTRAS("\0\0\0\5"), WITH_KEY("k")}, "gat k e5 1d/00000000"},
        {{.opcode = 0x1e, WITH_EXTRAS("\0\0\0\5"), WITH_KEY("k")}, "gat k e5 quiet 1e/00000000"},
        {{.opcode = 0x23, WITH_EXTRAS("\0\0\0\5"), WITH_KEY("k")}, "gat k e5 +key 23/00000000"},
        {{.opcode = 0x24, WITH_EXTRAS("\0\0\0\5"), WITH_KEY("k")},
         "gat k e5 +key quiet 24/00000000"},
        {{.opcode = 0x60, WITH_KEY("cluster")}, "config cluster 60/00000000"},
        {{.opcode = 0x60, WITH_KEY("clusters")}, "ERROR command 60/00000000"},
        {{.opcode = 0x00, WITH_KEY("AmazonElastiCache:cluster")},
         "config_key AmazonElastiCache:cluster 00/00000000"},
        {{.opcode = 0x0d, WITH_KEY("AmazonElastiCache:cluster")},
         "config_key AmazonElastiCache:cluster +key quiet 0d/00000000"},
        {{.opcode = 0x04, WITH_KEY("AmazonElastiCache:cluster")},
         "delete AmazonElastiCache:cluster 04/00000000"},
        {{.opcode = 0x07}, "quit closes 07/00000000"},
        {{.opcode = 0x17}, "quit quiet closes 17/00000000"},
        {{.opcode = 0x00, WITH_KEY(K250)}, "get <250> 00/00000000"},
    };
    CHECK_ALL(cases);
}

Test(binary, unknown_opcodes_go_on_with_their_body_skipped_once) {
    static const struct binary_case cases[] = {
        {{.opcode = 0x1b}, "ERROR command 1b/00000000"},
        {{.opcode = 0x20}, "ERROR command 20/00000000"},
        {{.opcode = 0x21, WITH_KEY("PLAIN"), WITH_VALUE("\0user\0pass")},
         "ERROR command 21/00000000"},
        {{.opcode = 0xff,
          WITH_EXTRAS(FLAGS_AND_EXPTIME),
          WITH_KEY("k"),
          WITH_VALUE("some value"),
          .opaque = 0x04030201},
         "ERROR command ff/01020304"},
    };
    CHECK_ALL(cases);
}

Test(binary, malformed_packets_close) {
    static const struct binary_case cases[] = {
        {{.opcode = 0x00}, "ERROR format closes 00/00000000"},
        {{.opcode = 0x00, WITH_KEY("k"), WITH_VALUE("v")}, "ERROR format closes 00/00000000"},
        {{.opcode = 0x00, WITH_EXTRAS("\0\0\0\0"), WITH_KEY("k")},
         "ERROR format closes 00/00000000"},
        {{.opcode = 0x00, WITH_KEY(K250 "k")}, "ERROR format closes 00/00000000"},
        {{.opcode = 0xff, WITH_KEY(K250 "k")}, "ERROR format closes ff/00000000"},
        {{.opcode = 0x01, WITH_KEY("k"), WITH_VALUE("v")}, "ERROR format closes 01/00000000"},
        {{.opcode = 0x01, WITH_EXTRAS(FLAGS_AND_EXPTIME), WITH_VALUE("v")},
         "ERROR format closes 01/00000000"},
        {{.opcode = 0x05, WITH_EXTRAS(FLAGS_AND_EXPTIME), WITH_KEY("k")},
         "ERROR format closes 05/00000000"},
        {{.opcode = 0x19, WITH_EXTRAS(FLAGS_AND_EXPTIME), WITH_KEY("k"), WITH_VALUE("v")},
         "ERROR format quiet closes 19/00000000"},
        {{.opcode = 0x1c, WITH_KEY("k")}, "ERROR format closes 1c/00000000"},
        {{.opcode = 0x08, WITH_EXTRAS(FLAGS_AND_EXPTIME)}, "ERROR format closes 08/00000000"},
        {{.opcode = 0x08, WITH_KEY("k")}, "ERROR format closes 08/00000000"},
        {{.opcode = 0x0a, WITH_KEY("k")}, "ERROR format closes 0a/00000000"},
        {{.opcode = 0x0b, WITH_VALUE("v")}, "ERROR format closes 0b/00000000"},
        {{.opcode = 0x07, WITH_VALUE("v")}, "ERROR format closes 07/00000000"},
        {{.opcode = 0x10, WITH_EXTRAS("\0")}, "ERROR format closes 10/00000000"},
    };
    CHECK_ALL(cases);
}

Test(binary, lengths_that_lie_close) {
    static const struct binary_case cases[] = {
        {{.opcode = 0x00, .key_length = 10, .body_length = 9}, "ERROR command closes 00/00000000"},
        {{.opcode = 0x00, .key_length = 65535, .body_length = 5},
         "ERROR command closes 00/00000000"},
        {{.opcode = 0x01, .key_length = 250, .extras_length = 8, .body_length = 257},
         "ERROR command closes 01/00000000"},
        {{.opcode = 0xff, .extras_length = 255, .body_length = 254},
         "ERROR command closes ff/00000000"},
        {{.opcode = 0x01, .key_length = 1, .extras_length = 8, .body_length = 0xffffffff},
         "ERROR format closes 01/00000000"},
        {{.opcode = 0xff, .body_length = 0x40000001}, "ERROR format closes ff/00000000"},
    };
    CHECK_ALL(cases);
}

Test(binary, too_large_a_value_is_skipped) {
    char value[1001];
    memset(value, 'v', sizeof(value));
    struct packet_spec store = {
        .opcode = 0x01,
        WITH_EXTRAS(FLAGS_AND_EXPTIME),
        WITH_KEY("k"),
        .value = value,
        .value_length = sizeof(value),
    };
    struct binary_case set = {store, "REJECT k too_large 01/00000000"};
    check(&set);
    store.opcode = 0x12;
    struct binary_case addq = {store, "ERROR too_large quiet 12/00000000"};
    check(&addq);
    store.opcode = 0x0e;
    store.extras_length = 0;
    struct binary_case append = {store, "ERROR too_large 0e/00000000"};
    check(&append);
    store.value_length = 1000;
    struct binary_case fits = {store, "append k v\"<1000>\" 0e/00000000"};
    check(&fits);
}

/* An incomplete body is waited for, not answered. */
Test(binary, parts) {
    static const struct stream_case cases[] = {
        {STREAM_BYTES("\x80"), "left 1"},
        {STREAM_BYTES("\x80\x00\x00\x01"), "left 4"},
        {STREAM_BYTES("\x80\x00\x00\x01\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0"), "left 24"},
        {STREAM_BYTES("\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x81"),
         "noop 0a/00000000; CLOSE"},
        {STREAM_BYTES("\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0get a\r\n"),
         "noop 0a/00000000; CLOSE"},
        {STREAM_BYTES("\x81\0\0\0\n"), "ERROR command"},
    };
    stream_check_all(cases, sizeof(cases) / sizeof(cases[0]));
}
