/* nodes: lists of servers, read and written. The files of tests/server/nodes.py have the mistakes.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/nodes.h"

#define UNIX_2020 1577836800

static struct nodes *read_text(const char *text, uint32_t version) {
    char problem[NODES_PROBLEM_BYTES] = "";
    size_t length = strlen(text);
    char *bytes = malloc(length + 1); /* without the NUL, for the sanitizer */
    memcpy(bytes, text, length);
    char *exact = realloc(bytes, length ? length : 1);
    struct nodes *nodes = nodes_read(exact, length, version, problem);
    cr_assert(eq(int, !nodes, *problem != '\0'), "%s: %s", text, problem);
    free(exact);
    return nodes;
}

static void expect_text(const char *text, uint32_t version, const char *expected) {
    struct nodes *nodes = read_text(text, version);
    bool is_there = nodes;
    cr_assert(is_there, "%s", text);
    char *written = strndup(nodes->text, nodes->length);
    cr_assert(eq(str, written, (char *)expected));
    /* What is written reads the same. */
    struct nodes *again = read_text(written, 0);
    cr_assert(eq(u32, again->version, nodes->version));
    cr_assert(nodes_are_same(nodes, again));
    nodes_free(again);
    nodes_free(nodes);
    free(written);
}

Test(nodes, texts) {
    expect_text("127.0.0.1:11211", 7, "7\n127.0.0.1|127.0.0.1|11211\n");
    expect_text("3 a|1.2.3.4|5", 7, "3\na|1.2.3.4|5\n");
    expect_text("2000000000\r\na|1.2.3.4|5\r\nb|1.2.3.4|65535\r\n\r\n", 7,
                "2000000000\na|1.2.3.4|5 b|1.2.3.4|65535\n");
    expect_text("# 5\n[::1]:1#x\n \t 1.2.3.4:2", 7, "7\n::1|::1|1 1.2.3.4|1.2.3.4|2\n");
}

Test(nodes, what_is_none) {
    static const char *const texts[] = {
        "",
        "7",
        "7\n\n",
        "a:1",
        "a|b|1",
        "a|1.2.3.4|0",
        "0 1.2.3.4:1",
        "2000000001 1.2.3.4:1",
        "99999999999 1.2.3.4:1",
        "1.2.3.4:65536",
        "1.2.3.4:1 1.2.3.4|1.2.3.4|1",
        "a|1.2.3.4|5|6",
        "|1.2.3.4|5",
        "a||5",
        "a|1.2.3.4|",
        "|||",
        "1.2.3.4.5:1",
        "::1:1",
        "[::1:1",
        "a%b|1.2.3.4|5",
        "\xc3\xbc|1.2.3.4|5",
        "1.2.3.4:01",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct nodes *nodes = read_text(texts[i], 7);
        bool is_there = nodes;
        cr_assert(not(is_there), "%s", texts[i]);
    }
    bool is_there = read_text("1.2.3.4:1", 0);
    cr_assert(not(is_there), "a version has to be there");
}

Test(nodes, next) {
    struct nodes *nodes = read_text("a|1.2.3.4|5 b|1.2.3.4|6", 7);
    char node[NODE_BYTES];
    size_t at = 0;
    cr_assert(nodes_next(nodes, &at, node));
    cr_assert(eq(str, node, (char *)"a|1.2.3.4|5"));
    cr_assert(nodes_next(nodes, &at, node));
    cr_assert(eq(str, node, (char *)"b|1.2.3.4|6"));
    cr_assert(not(nodes_next(nodes, &at, node)));
    nodes_free(nodes);
}

Test(nodes, bounds) {
    const char *servers[NODES_MAX + 1];
    char longest[NODE_HOST_BYTES_MAX + 32];
    for (uint32_t i = 0; i <= NODES_MAX; i++) {
        servers[i] = "10.0.0.1|10.0.0.1|1";
    }
    struct nodes *nodes = nodes_create(7, servers, NODES_MAX);
    cr_assert(eq(u32, nodes->count, NODES_MAX));
    cr_assert(le(u32, nodes->length, NODES_TEXT_BYTES_MAX));
    nodes_free(nodes);
    bool too_many = nodes_create(7, servers, NODES_MAX + 1), none = nodes_create(7, servers, 0);
    cr_assert(not(too_many));
    cr_assert(not(none));
    memset(longest, 'h', NODE_HOST_BYTES_MAX);
    strcpy(longest + NODE_HOST_BYTES_MAX, "|10.0.0.1|1");
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        servers[i] = longest;
    }
    bool too_long = nodes_create(7, servers, NODES_MAX);
    cr_assert(not(too_long));
}

/* A clock that jumps moves the version forward, and never back. */
Test(nodes, next_version) {
    const int64_t now = UNIX_2020 + 60 * (int64_t)3000000;
    cr_assert(eq(u32, nodes_next_version(0, now), 3000000));
    cr_assert(eq(u32, nodes_next_version(2999999, now), 3000000));
    cr_assert(eq(u32, nodes_next_version(3000000, now), 3000001));
    cr_assert(eq(u32, nodes_next_version(4000000, now), 4000001));
    cr_assert(eq(u32, nodes_next_version(0, 0), 1));
    cr_assert(eq(u32, nodes_next_version(5, -UNIX_2020), 6));
    cr_assert(eq(u32, nodes_next_version(5, INT64_MAX / 2), NODES_VERSION_MAX));
    cr_assert(eq(u32, nodes_next_version(NODES_VERSION_MAX, now), NODES_VERSION_MAX));
}

Test(nodes, renumber) {
    struct nodes *nodes = read_text("9 a|1.2.3.4|5", 0), *higher = nodes_renumber(nodes, 10);
    cr_assert(eq(u32, higher->version, 10));
    cr_assert(nodes_are_same(nodes, higher));
    cr_assert(eq(int, memcmp(higher->text, "10\na|1.2.3.4|5\n", higher->length), 0));
    nodes_free(nodes);
    nodes_free(higher);
}
