/* What a load sends, to the byte; and replies, right and wrong ones, in pieces of all sizes. */
#include "bench/load_exchange.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES 20
#define STREAM_BYTES 4096
#define DEPTH 8
#define KEYS_MAX 3
#define ASKED_NS 100
#define ANSWERED_NS 1100

static const enum protocol protocols[] = {PROTOCOL_TEXT, PROTOCOL_META, PROTOCOL_BINARY};
static const size_t pieces[] = {1, 2, 3, 5, 10, 23, 100, STREAM_BYTES};

struct stream {
    char bytes[STREAM_BYTES];
    size_t length;
};

static void add(struct stream *stream, const void *bytes, size_t length) {
    memcpy(stream->bytes + stream->length, bytes, length);
    stream->length += length;
}

static void add_text(struct stream *stream, const char *text) {
    add(stream, text, strlen(text));
}

/* Requests. */

static struct keys keys_of(const char *sizes) {
    struct keys keys;
    keys_init(&keys, "key", 100, 0);
    cr_assert(keys_take_sizes(&keys, sizes));
    return keys;
}

static void check_get(enum protocol protocol, uint32_t count, const char *wanted, size_t length) {
    struct keys keys = keys_of("2");
    const uint32_t numbers[] = {7, 12};
    char out[200];
    char *end = protocol_put_get(out, protocol, &keys, numbers, count);
    cr_assert(eq(sz, (size_t)(end - out), length));
    cr_assert(eq(int, memcmp(out, wanted, length), 0));
    cr_assert(le(sz, length, protocol_get_bytes_max(&keys, count)));
}

#define CHECK_GET(protocol, count, wanted) check_get(protocol, count, wanted, sizeof(wanted) - 1)
#define ZEROS_12 "\0\0\0\0\0\0\0\0\0\0\0\0"

Test(load_exchange, gets_on_the_wire) {
    CHECK_GET(PROTOCOL_TEXT, 1, "get key00000007\r\n");
    CHECK_GET(PROTOCOL_TEXT, 2, "get key00000007 key00000012\r\n");
    CHECK_GET(PROTOCOL_META, 1, "mg key00000007 v\r\n");
    CHECK_GET(PROTOCOL_META, 2, "mg key00000007 v k q\r\nmg key00000012 v k q\r\nmn\r\n");
    CHECK_GET(PROTOCOL_BINARY, 1, "\x80\0\0\x0b\0\0\0\0\0\0\0\x0b" ZEROS_12 "key00000007");
    CHECK_GET(PROTOCOL_BINARY, 2,
              "\x80\x0d\0\x0b\0\0\0\0\0\0\0\x0b" ZEROS_12 "key00000007"
              "\x80\x0d\0\x0b\0\0\0\0\0\0\0\x0b" ZEROS_12 "key00000012"
              "\x80\x0a\0\0\0\0\0\0\0\0\0\0" ZEROS_12);
}

static void check_set(enum protocol protocol, const char *head, size_t head_length,
                      const char *tail) {
    struct keys keys = keys_of("20");
    char out[200], value[VALUE_BYTES];
    keys_put_value(&keys, value, 7, VALUE_BYTES);
    size_t length = (size_t)(protocol_put_set(out, protocol, &keys, 7) - out);
    cr_assert(eq(sz, length, head_length + VALUE_BYTES + strlen(tail)));
    cr_assert(eq(int, memcmp(out, head, head_length), 0));
    cr_assert(eq(int, memcmp(out + head_length, value, VALUE_BYTES), 0));
    cr_assert(eq(int, memcmp(out + head_length + VALUE_BYTES, tail, strlen(tail)), 0));
    cr_assert(le(sz, length, protocol_set_bytes_max(&keys, 7)));
}

#define CHECK_SET(protocol, head, tail) check_set(protocol, head, sizeof(head) - 1, tail)

Test(load_exchange, sets_on_the_wire) {
    CHECK_SET(PROTOCOL_TEXT, "set key00000007 0 0 20\r\n", "\r\n");
    CHECK_SET(PROTOCOL_META, "ms key00000007 20\r\n", "\r\n");
    CHECK_SET(PROTOCOL_BINARY,
              "\x80\x01\0\x0b\x08\0\0\0\0\0\0\x27" ZEROS_12 "\0\0\0\0\0\0\0\0key00000007", "");
}

/* Replies, as a server would send them. */

static void add_packet(struct stream *stream, unsigned char opcode, unsigned char status,
                       const char *extras, size_t extras_length, const char *key, const void *value,
                       size_t length) {
    unsigned char header[24] = {0x81, opcode, 0, (unsigned char)strlen(key)};
    size_t body = extras_length + strlen(key) + length;
    header[4] = (unsigned char)extras_length;
    header[7] = status;
    header[10] = (unsigned char)(body >> 8);
    header[11] = (unsigned char)body;
    memset(header + 16, 0xff, 8); /* a CAS */
    add(stream, header, sizeof(header));
    add(stream, extras, extras_length);
    add_text(stream, key);
    add(stream, value, length);
}

static void name_of(uint32_t number, char *name) {
    sprintf(name, "key%08u", number);
}

/* The head of a hit, which says that many bytes. */
static void add_hit_head(struct stream *stream, enum protocol protocol, uint32_t number,
                         bool is_named, uint32_t flags, size_t length) {
    char name[32], line[64];
    name_of(number, name);
    if (protocol == PROTOCOL_TEXT) {
        sprintf(line, "VALUE %s %u %zu\r\n", name, flags, length);
        add_text(stream, line);
    } else if (protocol == PROTOCOL_META) {
        sprintf(line, is_named ? "VA %zu k%s\r\n" : "VA %zu\r\n", length, name);
        add_text(stream, line);
    } else {
        char extras[4] = {0, 0, 0, (char)flags};
        add_packet(stream, is_named ? 0x0d : 0x00, 0, extras, 4, is_named ? name : "", "", 0);
        size_t body = 4 + (is_named ? strlen(name) : 0) + length;
        char *header = stream->bytes + stream->length - 28 - (is_named ? strlen(name) : 0);
        header[10] = (char)(body >> 8);
        header[11] = (char)body;
    }
}

static void add_hit(struct stream *stream, enum protocol protocol, const struct keys *keys,
                    uint32_t number, bool is_named) {
    char value[1024];
    size_t length = keys_value_bytes(keys, number);
    keys_put_value(keys, value, number, length);
    add_hit_head(stream, protocol, number, is_named, 0, length);
    add(stream, value, length);
    add_text(stream, protocol == PROTOCOL_BINARY ? "" : "\r\n");
}

/* The end of a get, where there is one. */
static void add_end(struct stream *stream, enum protocol protocol, bool is_multiget) {
    if (protocol == PROTOCOL_TEXT) {
        add_text(stream, "END\r\n");
    } else if (is_multiget && protocol == PROTOCOL_META) {
        add_text(stream, "MN\r\n");
    } else if (is_multiget) {
        add_packet(stream, 0x0a, 0, "", 0, "", "", 0);
    }
}

static void add_miss(struct stream *stream, enum protocol protocol) {
    if (protocol == PROTOCOL_TEXT) {
        add_text(stream, "END\r\n");
    } else if (protocol == PROTOCOL_META) {
        add_text(stream, "EN\r\n");
    } else {
        add_packet(stream, 0x00, 1, "", 0, "", "Not found", 9);
    }
}

static void add_stored(struct stream *stream, enum protocol protocol) {
    if (protocol == PROTOCOL_BINARY) {
        add_packet(stream, 0x01, 0, "", 0, "", "", 0);
    } else {
        add_text(stream, protocol == PROTOCOL_TEXT ? "STORED\r\n" : "HD\r\n");
    }
}

static void add_refusal(struct stream *stream, enum protocol protocol, unsigned char opcode) {
    if (protocol == PROTOCOL_BINARY) {
        add_packet(stream, opcode, 0x82, "", 0, "", "Out of memory", 13);
    } else {
        add_text(stream, "SERVER_ERROR out of memory storing object\r\n");
    }
}

/* Exchanges. */

struct fixture {
    struct exchange_common common;
    struct exchange exchange;
    struct stream stream;
};

static void fixture_init(struct fixture *fixture, enum protocol protocol, const struct keys *keys) {
    memset(fixture, 0, sizeof(*fixture));
    fixture->common.protocol = protocol;
    fixture->common.verify = true;
    fixture->common.keys = keys;
    cr_assert(exchange_init(&fixture->exchange, &fixture->common, DEPTH, KEYS_MAX));
}

static void ask(struct fixture *fixture, uint32_t count, uint32_t first, uint32_t second,
                uint32_t third) {
    const uint32_t numbers[] = {first, second, third};
    memcpy(exchange_begin(&fixture->exchange, ASKED_NS, count), numbers, count * sizeof(*numbers));
}

/* The stream in pieces, what was left of one before the next. False: it is refused. */
static bool feed(struct fixture *fixture, size_t piece) {
    struct stream held = {.length = 0};
    for (size_t at = 0; at < fixture->stream.length; at += piece) {
        size_t left = fixture->stream.length - at, taken;
        add(&held, fixture->stream.bytes + at, left < piece ? left : piece);
        if (!exchange_take(&fixture->exchange, held.bytes, held.length, ANSWERED_NS, &taken)) {
            return false;
        }
        held.length -= taken;
        memmove(held.bytes, held.bytes + taken, held.length);
        cr_assert(le(sz, held.length, PROTOCOL_HEAD_BYTES_MAX));
    }
    cr_assert(eq(sz, held.length, 0));
    return true;
}

/* A script of requests and replies, for each protocol and at each size of pieces, and once more so
 * that the ring of requests is not at its beginning. */
static void play(void (*script)(struct fixture *, const struct keys *),
                 const struct exchange_counts *wanted, const char *sizes) {
    struct keys keys = keys_of(sizes);
    for (size_t i = 0; i < 3 * sizeof(pieces) / sizeof(*pieces); i++) {
        struct fixture fixture;
        fixture_init(&fixture, protocols[i % 3], &keys);
        for (uint32_t round = 1; round <= 3; round++) {
            fixture.stream.length = 0;
            script(&fixture, &keys);
            cr_assert(feed(&fixture, pieces[i / 3]));
            cr_assert(eq(u32, fixture.exchange.count, 0));
            cr_assert(eq(u64, fixture.common.counts.requests, round * wanted->requests));
            cr_assert(eq(u64, fixture.common.counts.gets, round * wanted->gets));
            cr_assert(eq(u64, fixture.common.counts.sets, round * wanted->sets));
            cr_assert(eq(u64, fixture.common.counts.hits, round * wanted->hits));
            cr_assert(eq(u64, fixture.common.counts.errors, round * wanted->errors));
            cr_assert(eq(u64, fixture.common.counts.wrong, round * wanted->wrong));
        }
        cr_assert(eq(u64, fixture.common.latency.count, 3 * wanted->requests));
        cr_assert(eq(u64, fixture.common.latency.max_ns, ANSWERED_NS - ASKED_NS));
        exchange_finish(&fixture.exchange);
    }
}

static void say_hits_and_misses(struct fixture *fixture, const struct keys *keys) {
    enum protocol protocol = fixture->common.protocol;
    ask(fixture, 1, 7, 0, 0);
    ask(fixture, 0, 0, 0, 0);
    ask(fixture, 1, 8, 0, 0);
    ask(fixture, 1, 9, 0, 0);
    add_hit(&fixture->stream, protocol, keys, 7, false);
    add_end(&fixture->stream, protocol, false);
    add_stored(&fixture->stream, protocol);
    add_miss(&fixture->stream, protocol);
    add_hit(&fixture->stream, protocol, keys, 9, false);
    add_end(&fixture->stream, protocol, false);
}

Test(load_exchange, hits_misses_and_sets) {
    struct exchange_counts wanted = {.requests = 4, .gets = 3, .sets = 1, .hits = 2};
    play(say_hits_and_misses, &wanted, "20");
    play(say_hits_and_misses, &wanted, "1");
    play(say_hits_and_misses, &wanted, "300:1,900:1,8:1");
}

Test(load_exchange, empty_values) {
    struct exchange_counts wanted = {.requests = 4, .gets = 3, .sets = 1, .hits = 2};
    play(say_hits_and_misses, &wanted, "0");
}

/* Of three keys the first, the last, one in the middle, the same twice, none. */
static void say_multigets(struct fixture *fixture, const struct keys *keys) {
    enum protocol protocol = fixture->common.protocol;
    static const uint32_t hits[5][3] = {{1, 2, 3}, {1}, {3}, {2, 2}, {0}};
    for (uint32_t i = 0; i < 5; i++) {
        ask(fixture, 3, i == 3 ? 2 : 1, 2, 3);
        for (uint32_t j = 0; j < 3 && hits[i][j]; j++) {
            add_hit(&fixture->stream, protocol, keys, hits[i][j], true);
        }
        add_end(&fixture->stream, protocol, true);
    }
}

Test(load_exchange, multigets_with_misses) {
    play(say_multigets, &(struct exchange_counts){.requests = 5, .gets = 15, .hits = 7}, "20");
    play(say_multigets, &(struct exchange_counts){.requests = 5, .gets = 15, .hits = 7}, "0");
}

static void say_refusals(struct fixture *fixture, const struct keys *keys) {
    enum protocol protocol = fixture->common.protocol;
    ask(fixture, 0, 0, 0, 0);
    add_refusal(&fixture->stream, protocol, 0x01);
    ask(fixture, 1, 7, 0, 0);
    add_refusal(&fixture->stream, protocol, 0x00);
    ask(fixture, 3, 1, 2, 3);
    add_hit(&fixture->stream, protocol, keys, 1, true);
    add_refusal(&fixture->stream, protocol, 0x0d);
    if (protocol != PROTOCOL_TEXT) {
        add_end(&fixture->stream, protocol, true);
    }
}

Test(load_exchange, refusals_end_what_they_refuse) {
    play(say_refusals,
         &(struct exchange_counts){.requests = 3, .gets = 4, .sets = 1, .hits = 1, .errors = 3},
         "20");
}

/* Wrong values. */

/* A get of key 7 answered by this stream counts one wrong value, in pieces of any size. */
static void check_wrong(enum protocol protocol, const struct keys *keys,
                        const struct stream *stream) {
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct fixture fixture;
        fixture_init(&fixture, protocol, keys);
        ask(&fixture, 1, 7, 0, 0);
        fixture.stream = *stream;
        cr_assert(feed(&fixture, pieces[i]));
        cr_assert(eq(u64, fixture.common.counts.wrong, 1));
        cr_assert(eq(u64, fixture.common.counts.requests, 1));
        cr_assert(eq(u32, fixture.exchange.count, 0));
        exchange_finish(&fixture.exchange);
    }
}

Test(load_exchange, one_wrong_bit_anywhere_in_a_value) {
    struct keys keys = keys_of("20");
    for (size_t i = 0; i < 3; i++) {
        size_t tail = protocols[i] == PROTOCOL_TEXT ? 7 : protocols[i] == PROTOCOL_META ? 2 : 0;
        struct stream stream = {.length = 0};
        add_hit(&stream, protocols[i], &keys, 7, false);
        add_end(&stream, protocols[i], false);
        for (size_t at = 1; at <= VALUE_BYTES; at++) {
            char *byte = &stream.bytes[stream.length - tail - at];
            *byte ^= 4;
            check_wrong(protocols[i], &keys, &stream);
            *byte ^= 4;
        }
    }
}

Test(load_exchange, a_wrong_end_of_line_behind_a_value) {
    struct keys keys = keys_of("20");
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 1; at <= 2; at++) {
            struct stream stream = {.length = 0};
            add_hit(&stream, protocols[i], &keys, 7, false);
            stream.bytes[stream.length - at] = '.';
            add_end(&stream, protocols[i], false);
            check_wrong(protocols[i], &keys, &stream);
        }
    }
}

/* A head with the wanted length and flags, and as much of the value. */
static void check_wrong_head(enum protocol protocol, uint32_t number, uint32_t flags,
                             size_t length) {
    struct keys keys = keys_of("20");
    struct stream stream = {.length = 0};
    char value[2 * VALUE_BYTES];
    keys_put_value(&keys, value, number, length);
    add_hit_head(&stream, protocol, number, false, flags, length);
    add(&stream, value, length);
    add_text(&stream, protocol == PROTOCOL_BINARY ? "" : "\r\n");
    add_end(&stream, protocol, false);
    check_wrong(protocol, &keys, &stream);
}

Test(load_exchange, wrong_lengths_flags_and_keys) {
    for (size_t i = 0; i < 3; i++) {
        check_wrong_head(protocols[i], 7, 0, VALUE_BYTES - 1);
        check_wrong_head(protocols[i], 7, 0, VALUE_BYTES + 1);
        check_wrong_head(protocols[i], 7, 0, 0);
        check_wrong_head(protocols[i], 8, 0, VALUE_BYTES);
    }
    check_wrong_head(PROTOCOL_TEXT, 7, 1, VALUE_BYTES);
    check_wrong_head(PROTOCOL_BINARY, 7, 1, VALUE_BYTES);
}

/* Keys 1 to 3 are asked for: one that wasn't, and one that comes too late. */
Test(load_exchange, wrong_keys_of_a_multiget) {
    struct keys keys = keys_of("20");
    for (size_t i = 0; i < 3; i++) {
        struct fixture fixture;
        fixture_init(&fixture, protocols[i], &keys);
        ask(&fixture, 3, 1, 2, 3);
        add_hit(&fixture.stream, protocols[i], &keys, 2, true);
        add_hit(&fixture.stream, protocols[i], &keys, 1, true);
        add_hit(&fixture.stream, protocols[i], &keys, 4, true);
        add_end(&fixture.stream, protocols[i], true);
        cr_assert(feed(&fixture, STREAM_BYTES));
        cr_assert(eq(u64, fixture.common.counts.wrong, 2));
        cr_assert(eq(u64, fixture.common.counts.hits, 1));
        cr_assert(eq(u64, fixture.common.counts.gets, 3));
        exchange_finish(&fixture.exchange);
    }
}

Test(load_exchange, not_looked_at_when_told_so) {
    struct keys keys = keys_of("20"), others;
    keys_init(&others, "kex", 100, 0);
    cr_assert(keys_take_sizes(&others, "20"));
    for (size_t i = 0; i < 3; i++) {
        struct fixture fixture;
        fixture_init(&fixture, protocols[i], &keys);
        fixture.common.verify = false;
        ask(&fixture, 1, 7, 0, 0);
        add_hit(&fixture.stream, protocols[i], &others, 7, false);
        add_end(&fixture.stream, protocols[i], false);
        cr_assert(feed(&fixture, STREAM_BYTES));
        cr_assert(eq(u64, fixture.common.counts.wrong, 0));
        exchange_finish(&fixture.exchange);
    }
}

/* What is no reply. */

static void check_refused(enum protocol protocol, uint32_t count, const char *reply,
                          size_t length) {
    struct keys keys = keys_of("20");
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct fixture fixture;
        fixture_init(&fixture, protocol, &keys);
        ask(&fixture, count, 1, 2, 3);
        add(&fixture.stream, reply, length);
        cr_assert(not(feed(&fixture, pieces[i])), "%s", reply);
        exchange_finish(&fixture.exchange);
    }
}

#define CHECK_REFUSED(protocol, count, reply)                                                      \
    check_refused(protocol, count, reply, sizeof(reply) - 1)

Test(load_exchange, no_replies_to_what_was_asked) {
    static const char *const lines[] = {
        "STORED\r\n",
        "VALU\r\n",
        "VALUE key00000001 0\r\n",
        "VALUE key00000001 0 x\r\n",
        "VALUE key00000001\r\n",
        "VALUE \r\n",
        "END\n",
        "END.\n",
        "\r\n",
        "ENDE\r\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        check_refused(PROTOCOL_TEXT, 1, lines[i], strlen(lines[i]));
    }
    CHECK_REFUSED(PROTOCOL_TEXT, 0, "END\r\n");
    CHECK_REFUSED(PROTOCOL_TEXT, 0, "NOT_STORED\r\n");
    CHECK_REFUSED(PROTOCOL_TEXT, 0, "VALUE key00000001 0 0\r\n");
    CHECK_REFUSED(PROTOCOL_META, 1, "HD\r\n");
    CHECK_REFUSED(PROTOCOL_META, 1, "MN\r\n");
    CHECK_REFUSED(PROTOCOL_META, 1, "VA\r\n");
    CHECK_REFUSED(PROTOCOL_META, 1, "VA 2 c4\r\n");
    CHECK_REFUSED(PROTOCOL_META, 0, "EN\r\n");
    CHECK_REFUSED(PROTOCOL_META, 0, "NS\r\n");
    CHECK_REFUSED(PROTOCOL_BINARY, 1, "\x81\x01\0\0\0\0\0\0\0\0\0\0" ZEROS_12);
    CHECK_REFUSED(PROTOCOL_BINARY, 1, "\x81\x0a\0\0\0\0\0\0\0\0\0\0" ZEROS_12);
    CHECK_REFUSED(PROTOCOL_BINARY, 1, "\x80\0\0\0\0\0\0\1\0\0\0\0" ZEROS_12);
    CHECK_REFUSED(PROTOCOL_BINARY, 1, "\x81\0\0\0\4\0\0\0\0\0\0\1" ZEROS_12);
    CHECK_REFUSED(PROTOCOL_BINARY, 0, "\x81\0\0\0\0\0\0\1\0\0\0\0" ZEROS_12);
    CHECK_REFUSED(PROTOCOL_BINARY, 0, "\x81\x01\0\0\0\0\0\5\0\1\0\0" ZEROS_12);
}

Test(load_exchange, no_reply_when_nothing_was_asked_or_a_line_without_end) {
    struct keys keys = keys_of("20");
    struct fixture fixture;
    fixture_init(&fixture, PROTOCOL_TEXT, &keys);
    add_text(&fixture.stream, "END\r\n");
    cr_assert(not(feed(&fixture, STREAM_BYTES)));
    memset(fixture.stream.bytes, 'E', PROTOCOL_HEAD_BYTES_MAX + 1);
    fixture.stream.length = PROTOCOL_HEAD_BYTES_MAX + 1;
    ask(&fixture, 1, 1, 0, 0);
    cr_assert(not(feed(&fixture, 1)));
    exchange_finish(&fixture.exchange);
}
