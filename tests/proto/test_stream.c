/* What the parser promises about the stream: parser.need, the longest lines, and that it gets
 * through any bytes. */
#include "random.h"
#include "same.h"
#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum parse_status parse(struct parser *parser, const char *bytes, struct request *request,
                               size_t *used) {
    char key_space[KEY_LENGTH_MAX];
    return stream_next(parser, bytes, strlen(bytes), key_space, request, used);
}

Test(stream, nothing_needs_one_byte) {
    struct parser parser;
    struct request request;
    size_t used;
    parser_init(&parser, 100, UINT32_MAX);
    cr_assert(eq(int, (int)parse(&parser, "", &request, &used), PARSE_MORE));
    cr_assert(eq(sz, parser.need, (size_t)1));
    cr_assert(eq(sz, used, (size_t)0));
    cr_assert(eq(int, parser.protocol, PROTOCOL_UNKNOWN));
}

Test(stream, the_first_byte_tells_the_protocol) {
    struct parser parser;
    struct request request;
    size_t used;
    parser_init(&parser, 100, UINT32_MAX);
    parse(&parser, "\x80", &request, &used);
    cr_assert(eq(int, parser.protocol, PROTOCOL_BINARY));
    parser_init(&parser, 100, UINT32_MAX);
    parse(&parser, "g", &request, &used);
    cr_assert(eq(int, parser.protocol, PROTOCOL_TEXT));
}

Test(stream, need_of_a_store_reaches_to_the_end_of_its_value) {
    struct parser parser;
    struct request request;
    size_t used;
    parser_init(&parser, 100, UINT32_MAX);
    cr_assert(eq(int, (int)parse(&parser, "set k 0 0 100\r\nab", &request, &used), PARSE_MORE));
    cr_assert(eq(sz, parser.need, strlen("set k 0 0 100\r\n") + 100 + 2));
    cr_assert(eq(sz, used, (size_t)0));
    char key_space[KEY_LENGTH_MAX];
    char packet[] = "\x80\x01\0\1\x08\0\0\0\0\0\0\x0e\0\0\0\0\0\0\0\0\0\0\0\0";
    parser_init(&parser, 100, UINT32_MAX);
    cr_assert(
        eq(int, (int)stream_next(&parser, packet, 24, key_space, &request, &used), PARSE_MORE));
    cr_assert(eq(sz, parser.need, (size_t)(24 + 8 + 1 + 5)));
}

/* A line that arrives byte by byte is not searched from its start again. */
Test(stream, scanned_bytes_are_remembered) {
    struct parser parser;
    struct request request;
    size_t used;
    parser_init(&parser, 100, UINT32_MAX);
    parse(&parser, "get abc", &request, &used);
    cr_assert(eq(u32, parser.scanned, 7u));
    parse(&parser, "get abc\r\n", &request, &used);
    cr_assert(eq(u32, parser.scanned, 0u));
}

/* Not stream_check(), which repeats a case with uploads: these lines have no value. */
static void check_line(const char *front, const char *word, size_t count, const char *back,
                       const char *expected) {
    static const size_t fragments[] = {STREAM_WHOLE, 1, 2, 5, 10, 100};
    char *bytes = stream_repeat(front, word, count, back);
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        char *rendered = stream_render(bytes, strlen(bytes), fragments[i]);
        char what[100];
        snprintf(what, sizeof(what), "%.60s (in fragments of %zu)", bytes, fragments[i]);
        same_expect(rendered, expected, what);
        free(rendered);
    }
    free(bytes);
}

Test(stream, long_lines_without_a_newline) {
    check_line("", "x", 2048, "", "left 2048");
    check_line("", "x", 2049, "", "CLOSE");
    check_line("set ", "x", 2045, "", "CLOSE");
    check_line("get", "x", 2046, "", "CLOSE");
    check_line(" get ", "x", 2046, "", "CLOSE");
    check_line("gat 0", " x", 1024, "", "CLOSE");
    check_line("get ", "x", 2045, "", "left 2049");
    check_line("gets ", "x", 2045, "", "left 2050");
    check_line("get ", "x", 2045, "\r\nget a\r\n", "ERROR format; get a last");
    check_line("", "x", 2046, "\r\nget a\r\n", "ERROR command; get a last");
}

/* As in memcached a line of any length is served if its newline arrives with it. */
Test(stream, a_long_line_that_arrives_at_once) {
    char *bytes = stream_repeat("set ", "k", 3000, " 0 0 3\r\nabc\r\nget a\r\n");
    char *rendered = stream_render(bytes, strlen(bytes), STREAM_WHOLE);
    cr_assert(eq(str, rendered, (char *)"ERROR format; get a last"));
    free(rendered);
    free(bytes);
}

/* Counts the requests of a line of `count` keys, giving the parser parser.need bytes at a time. */
struct counts {
    size_t keys;
    size_t last;
    size_t ends;
    size_t errors;
    size_t gets_without_cas;
    size_t calls;
};

static struct counts count_line(const char *bytes, size_t length, size_t fragment) {
    struct counts counts = {0};
    struct parser parser;
    parser_init(&parser, 100, UINT32_MAX);
    size_t start = 0;
    size_t end = fragment < length ? fragment : length;
    for (;;) {
        struct request request;
        size_t used;
        char key_space[KEY_LENGTH_MAX];
        enum parse_status status =
            stream_next(&parser, bytes + start, end - start, key_space, &request, &used);
        counts.calls++;
        start += used;
        if (status == PARSE_REQUEST) {
            counts.keys += request.op == OP_GET;
            counts.last += request.last;
            counts.ends += request.op == OP_END;
            counts.errors += request.op == OP_ERROR;
            counts.gets_without_cas += request.op == OP_GET && !request.return_cas;
        } else if (status == PARSE_CLOSE || end == length) {
            return counts;
        } else {
            end = end + fragment < length ? end + fragment : length;
        }
    }
}

/* A line of `length` bytes with its newline: keys of 16 bytes, then a shorter one. */
static char *line_of_length(size_t length) {
    char *bytes = stream_repeat("get ", "123456789012345 ", (length - 4) / 16, "");
    size_t there = strlen(bytes);
    bytes = realloc(bytes, length + 1);
    memset(bytes + there, 'r', length - there);
    memcpy(bytes + length - 2, "\r\n", 3);
    return bytes;
}

/* Lines around TEXT_GET_LINE_WHOLE_MAX: every key is returned, and one end. */
Test(stream, get_lines_around_the_limit_of_whole_lines) {
    for (size_t length = TEXT_GET_LINE_WHOLE_MAX - 20; length < TEXT_GET_LINE_WHOLE_MAX + 20;
         length++) {
        char *bytes = line_of_length(length);
        for (size_t fragment = 1; fragment <= 1000000; fragment *= 1000) {
            struct counts counts = count_line(bytes, length, fragment);
            size_t rest = (length - 4) % 16;
            size_t keys = (length - 4) / 16 + (rest > 2);
            cr_assert(eq(sz, counts.keys, keys), "length %zu fragment %zu", length, fragment);
            cr_assert(eq(sz, counts.last + counts.ends, (size_t)1));
            cr_assert(eq(sz, counts.errors, (size_t)0));
        }
        free(bytes);
    }
}

/* In a longer line the error follows the requests before it, and the rest of the line is skipped.
 */
Test(stream, a_key_too_long_at_the_end_of_a_streamed_line) {
    char *key = stream_repeat("", "k", 251, " more keys\r\nget a\r\n");
    char *bytes = stream_repeat("gets ", "123456789012345 ", 5000, key);
    static const size_t fragments[] = {1, 2, 5, 10, 100, 1000000};
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        struct counts counts = count_line(bytes, strlen(bytes), fragments[i]);
        cr_assert(eq(sz, counts.keys, (size_t)5001));
        cr_assert(eq(sz, counts.gets_without_cas, (size_t)1));
        cr_assert(eq(sz, counts.errors, (size_t)1));
        cr_assert(eq(sz, counts.last, (size_t)1));
        cr_assert(eq(sz, counts.ends, (size_t)0));
    }
    free(bytes);
    free(key);
}

Test(stream, streamed_lines_render_alike) {
    check_line("get ", " ", 65536, "a b\r\nget c\r\n", "get a; get b last; get c last");
    check_line("gets ", " ", 65536, "a b \r\nget c\r\n", "get a +cas; get b +cas; END; get c last");
    check_line("get ", " ", 65536, "\nget c\n", "END; get c last");
    char *front = stream_repeat("get ", " ", 65536, "");
    check_line(front, "k", 250, "\r\nget c\r\n", "get <250> last; get c last");
    check_line(front, "k", 250, "\nget c\r\n", "get <250> last; get c last");
    check_line(front, "k", 251, "\nget c\r\n", "ERROR format; get c last");
    check_line(front, "k", 251, "\r\nget c\r\n", "ERROR format; get c last");
    check_line(front, "k", 252, "\nget c\r\n", "ERROR format; get c last");
    check_line(front, "k", 5000, " a b\r\nget c\r\n", "ERROR format; get c last");
    free(front);
}

Test(stream, half_a_million_keys_on_one_line, .timeout = 600) {
    char *bytes = stream_repeat("get ", "foo123456 ", 499999, "foo\r\n");
    size_t length = strlen(bytes);
    static const size_t fragments[] = {1, 2, 3, 5, 10, 50, 100, 5000000};
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        struct counts counts = count_line(bytes, length, fragments[i]);
        cr_assert(eq(sz, counts.keys, (size_t)500000));
        cr_assert(eq(sz, counts.last, (size_t)1));
        cr_assert(le(sz, counts.calls, (size_t)500001 + length / fragments[i] + 1));
    }
    free(bytes);
}

/* Random bytes with many words of commands among them. */
static size_t fill_with_garbage(char *bytes, size_t length, uint64_t *seed) {
    static const char *const pieces[] = {
        "get ",
        "gets ",
        "gat 1 ",
        "set k 0 0 3\r\n",
        "set k 0 0 1001\r\n",
        "cas k 1 1 1 1\r\n",
        "abc",
        "\r\n",
        "\n",
        " ",
        "noreply",
        "-1 ",
        "4294967296 ",
        "delete ",
        "incr k ",
        "stats ",
        "flush_all ",
        "mg k v ",
        "ms k 3 ",
        "ms a2V5 3 b\r\n",
        "md k ",
        "ma k ",
        "me k",
        "mn\r\n",
        " q",
        " b",
        " k",
        " T30",
        " Oab",
        "lru_crawler crawl ",
        "slabs automove ",
        "\x80\x01",
        "\x80",
        "0",
        "\0\0\0\1",
        "\r",
    };
    size_t at = 0;
    while (at < length) {
        const char *piece = pieces[random_below(seed, sizeof(pieces) / sizeof(pieces[0]))];
        size_t piece_length = strlen(piece);
        if (random_below(seed, 3) == 0 || piece_length > length - at) {
            bytes[at++] = (char)random_next(seed);
        } else {
            memcpy(bytes + at, piece, piece_length);
            at += piece_length;
        }
    }
    return at;
}

static void check_garbage(const char *bytes, size_t length, uint64_t seed) {
    char *whole = stream_render(bytes, length, STREAM_WHOLE);
    for (size_t fragment = 1; fragment < 300; fragment = fragment * 3 + 1) {
        char *parts = stream_render(bytes, length, fragment);
        cr_assert(eq(str, parts, whole), "seed %llu fragment %zu", (unsigned long long)seed,
                  fragment);
        free(parts);
        parts = stream_render_uploads(bytes, length, fragment, 1);
        cr_assert(eq(str, parts, whole), "seed %llu fragment %zu, uploads",
                  (unsigned long long)seed, fragment);
        free(parts);
    }
    free(whole);
}

Test(stream, garbage_comes_out_the_same_however_it_is_cut, .timeout = 600) {
    for (uint64_t run = 0; run < 3000; run++) {
        uint64_t seed = run;
        char bytes[400];
        size_t length = fill_with_garbage(bytes, 1 + random_below(&seed, sizeof(bytes) - 1), &seed);
        check_garbage(bytes, length, run);
    }
}

/* Binary packets with a few wrong bytes in their headers. */
Test(stream, garbled_packets_come_out_the_same_however_they_are_cut, .timeout = 600) {
    for (uint64_t run = 0; run < 6000; run++) {
        uint64_t seed = run;
        char bytes[400] = {0};
        for (size_t at = 0; at + 60 <= sizeof(bytes); at += 24 + (unsigned char)bytes[at + 11]) {
            bytes[at] = (char)0x80;
            bytes[at + 1] = (char)random_below(&seed, 0x28);
            bytes[at + 3] = (char)random_below(&seed, 8);
            bytes[at + 4] = (char)(random_below(&seed, 6) * 4);
            bytes[at + 11] = (char)(bytes[at + 3] + bytes[at + 4] + (char)random_below(&seed, 2));
            if (random_below(&seed, 8) == 0) {
                bytes[at + random_below(&seed, 24)] = (char)random_next(&seed);
            }
        }
        check_garbage(bytes, sizeof(bytes), run);
    }
}
