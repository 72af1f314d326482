/* prefix: what is counted under which prefix, the way of a table through chunks, its bounds. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mesh/message.h"
#include "core/stats/prefix.h"
#include "tests/core/fixture.h"

_Static_assert(PREFIX_ENTRY_BYTES_MAX <= MESSAGE_VALUE_BYTES_MAX, "an entry fits a message");

static void record_as(struct prefix_table *table, enum protocol protocol, enum op op,
                      const char *key, bool hit) {
    struct request request = {.op = (uint8_t)op,
                              .protocol = (uint8_t)protocol,
                              .key = key,
                              .key_length = (uint16_t)strlen(key)};
    prefix_record(table, &request, hit);
}

static void record(struct prefix_table *table, enum op op, const char *key, bool hit) {
    record_as(table, PROTOCOL_TEXT, op, key, hit);
}

static void table_init(struct prefix_table *table) {
    prefix_table_init(table, ':', PREFIX_SHARD_MAX);
    table->enabled = true;
}

static char *dump_of(const struct prefix_table *table) {
    struct buffer_pool pool;
    struct buffer output = {0};
    struct request request = {.op = OP_STATS, .protocol = PROTOCOL_TEXT};
    buffer_pool_init(&pool);
    cr_assert(prefix_table_write(&pool, &output, &request, table));
    char *copy = calloc(1, output.length + 1);
    memcpy(copy, output.bytes, output.length);
    buffer_release(&pool, &output);
    buffer_pool_finish(&pool);
    return copy;
}

static void expect_dump(const struct prefix_table *table, const char *expected) {
    char *dump = dump_of(table);
    cr_assert(eq(str, dump, (char *)expected));
    free(dump);
}

Test(prefix, counts_as_memcached_does) {
    struct prefix_table table;
    table_init(&table);
    record(&table, OP_GET, "a:k", false);
    record(&table, OP_GET, "a:l", true);
    record(&table, OP_GAT, "a:b:c", true);
    for (enum op op = OP_SET; op <= OP_PREPEND; op++) {
        record(&table, op, "a:", false);
    }
    record(&table, OP_REJECT, "a:k", false);
    record(&table, OP_DELETE, "a:k", true);
    record(&table, OP_INCR, "a:k", true);
    record(&table, OP_TOUCH, "a:k", true);
    record_as(&table, PROTOCOL_META, OP_SET, "a:k", true);
    record_as(&table, PROTOCOL_META, OP_META_GET, "a:k", true);
    record_as(&table, PROTOCOL_META, OP_DELETE, "a:k", true);
    expect_dump(&table, "PREFIX a get 3 hit 2 set 6 del 1\r\nEND\r\n");
    record_as(&table, PROTOCOL_BINARY, OP_TOUCH, "a:k", true);
    record_as(&table, PROTOCOL_BINARY, OP_GAT, "a:k", false);
    expect_dump(&table, "PREFIX a get 5 hit 3 set 6 del 1\r\nEND\r\n");
    prefix_table_finish(&table);
}

Test(prefix, keys_without_a_prefix_count_nowhere) {
    struct prefix_table table;
    table_init(&table);
    record(&table, OP_SET, "plain", true);
    record(&table, OP_SET, "a b:k", true);
    record(&table, OP_SET, "a\r\nEND\r\n:k", true);
    expect_dump(&table, "END\r\n");
    record(&table, OP_SET, ":", true);
    expect_dump(&table, "PREFIX  get 0 hit 0 set 1 del 0\r\nEND\r\n");
    prefix_table_finish(&table);
}

Test(prefix, one_prefix_may_begin_another) {
    struct prefix_table table;
    table_init(&table);
    record(&table, OP_SET, "users:1", true);
    record(&table, OP_SET, "user:1", true);
    record(&table, OP_SET, "user:2", true);
    expect_dump(&table, "PREFIX users get 0 hit 0 set 1 del 0\r\n"
                        "PREFIX user get 0 hit 0 set 2 del 0\r\nEND\r\n");
    prefix_table_finish(&table);
}

Test(prefix, nothing_is_counted_while_off_and_nothing_forgotten) {
    struct prefix_table table;
    table_init(&table);
    record(&table, OP_SET, "a:1", true);
    table.enabled = false;
    record(&table, OP_SET, "a:1", true);
    expect_dump(&table, "PREFIX a get 0 hit 0 set 1 del 0\r\nEND\r\n");
    table.enabled = true;
    prefix_table_clear(&table);
    expect_dump(&table, "END\r\n");
    record(&table, OP_SET, "a:1", true);
    expect_dump(&table, "PREFIX a get 0 hit 0 set 1 del 0\r\nEND\r\n");
    prefix_table_finish(&table);
}

/* All of one table into another one, in chunks of the given size. Returns how many. */
static uint32_t carry(const struct prefix_table *from, struct prefix_table *to, size_t space) {
    char *chunk = malloc(space);
    uint32_t cursor = 0, chunks = 0;
    size_t length;
    while ((length = prefix_table_encode(from, &cursor, chunk, space)) > 0) {
        cr_assert(le(sz, length, space));
        prefix_table_merge(to, chunk, length);
        chunks++;
    }
    free(chunk);
    return chunks;
}

Test(prefix, chunks_carry_a_table_to_another) {
    enum { PREFIXES = 5000 };
    struct prefix_table shard, sum;
    table_init(&shard);
    prefix_table_init(&sum, ':', PREFIX_SUM_MAX);
    for (int i = 0; i < PREFIXES; i++) {
        char key[32];
        snprintf(key, sizeof(key), "prefix%d:key", i);
        record(&shard, OP_SET, key, true);
        if (i % 2) {
            record(&shard, OP_GET, key, true);
        }
    }
    cr_assert(eq(u32, shard.count, PREFIXES));
    cr_assert(lt(u32, PREFIXES / 15, carry(&shard, &sum, PREFIX_ENTRY_BYTES_MAX)));
    char *expected = dump_of(&shard), *dump = dump_of(&sum);
    cr_assert(eq(str, dump, expected));
    free(expected);
    free(dump);
    cr_assert(lt(u32, carry(&shard, &sum, MESSAGE_VALUE_BYTES_MAX), PREFIXES / 100));
    cr_assert(eq(u32, sum.count, PREFIXES));
    dump = dump_of(&sum);
    cr_assert(ne(ptr, strstr(dump, "PREFIX prefix4999 get 2 hit 2 set 2 del 0\r\n"), NULL));
    free(dump);
    prefix_table_finish(&shard);
    prefix_table_finish(&sum);
}

Test(prefix, a_full_table_counts_on_what_it_knows) {
    struct prefix_table table;
    prefix_table_init(&table, ':', 2);
    table.enabled = true;
    record(&table, OP_SET, "a:1", true);
    record(&table, OP_SET, "b:1", true);
    record(&table, OP_SET, "c:1", true);
    record(&table, OP_SET, "b:1", true);
    expect_dump(&table, "PREFIX a get 0 hit 0 set 1 del 0\r\n"
                        "PREFIX b get 0 hit 0 set 2 del 0\r\nEND\r\n");
    prefix_table_finish(&table);
}

Test(prefix, names_are_bounded_as_well) {
    struct prefix_table table;
    char key[KEY_LENGTH_MAX + 1];
    prefix_table_init(&table, ':', 100);
    table.enabled = true;
    memset(key, 'x', sizeof(key) - 1);
    key[KEY_LENGTH_MAX - 1] = ':';
    key[KEY_LENGTH_MAX] = '\0';
    for (int i = 0; i < 100; i++) {
        key[0] = (char)('A' + i / 10);
        key[1] = (char)('a' + i % 10);
        record(&table, OP_SET, key, true);
    }
    cr_assert(le(u32, table.names_length, 100 * PREFIX_NAME_BYTES_MEAN));
    cr_assert(eq(u32, table.count, 100 * PREFIX_NAME_BYTES_MEAN / (KEY_LENGTH_MAX - 1)));
    prefix_table_finish(&table);
}

Test(prefix, binary_has_the_dump_in_one_packet) {
    struct buffer_pool pool;
    struct buffer output = {0};
    struct prefix_table table;
    struct request request = {.op = OP_STATS, .protocol = PROTOCOL_BINARY, .opcode = 0x10};
    const char text[] = "PREFIX a get 0 hit 0 set 1 del 0\r\nEND\r\n";
    buffer_pool_init(&pool);
    table_init(&table);
    record(&table, OP_SET, "a:1", true);
    cr_assert(prefix_table_write(&pool, &output, &request, &table));
    cr_assert(eq(sz, output.length, 24 + strlen("detailed") + strlen(text) + 24));
    cr_assert(zero(int, memcmp(output.bytes + 24, "detailed", 8)));
    cr_assert(zero(int, memcmp(output.bytes + 24 + 8, text, strlen(text))));
    buffer_release(&pool, &output);
    buffer_pool_finish(&pool);
    prefix_table_finish(&table);
}

/* What a client is sent from `begin` on begins with that. */
static void expect_answer(const struct fixture *fixture, size_t begin, const char *words) {
    cr_assert(ge(sz, fixture->received_length, begin + strlen(words)));
    cr_assert(zero(int, memcmp(fixture->received + begin, words, strlen(words))), "%s", words);
}

/* The prefixes of two shards, each of which has its part. */
static void count_prefixes(struct fixture *fixture, int count) {
    fixture_feed(fixture, "stats detail on\r\n", strlen("stats detail on\r\n"));
    for (int i = 0; i < count; i++) {
        char words[64];
        int length = snprintf(words, sizeof(words), "set p%031d:x 0 0 1 noreply\r\nx\r\n", i);
        fixture_feed(fixture, words, (size_t)length);
    }
}

static size_t feed_words(struct fixture *fixture, const char *words) {
    size_t begin = fixture->received_length;
    fixture_feed(fixture, words, strlen(words));
    return begin;
}

Test(prefix, a_long_dump_is_refused_while_memory_is_scarce) {
    enum { COUNT = 300 };
    static const char refusal[] = "SERVER_ERROR out of memory writing stats\r\nVERSION ";
    const size_t line = strlen("PREFIX  get 0 hit 0 set 1 del 0\r\n") + 32;
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture_init(fixture, 2, 8, (size_t)8 << 20);
    count_prefixes(fixture, COUNT);
    buffer_pool_limit(&fixture->shard[0].buffers, 1);
    expect_answer(fixture, feed_words(fixture, "stats detail dump\r\nversion\r\n"), refusal);
    cr_assert(zero(ptr, fixture->pipeline.scan));
    cr_assert(not(fixture->broken));
    expect_answer(fixture, feed_words(fixture, "stats sizes\r\n"), "STAT ");
    buffer_pool_limit(&fixture->shard[0].buffers, SIZE_MAX);
    size_t begin = feed_words(fixture, "stats detail dump\r\n");
    expect_answer(fixture, begin, "PREFIX p");
    cr_assert(eq(sz, fixture->received_length - begin, COUNT * line + strlen("END\r\n")));
    expect_answer(fixture, begin + COUNT * line, "END\r\n");
    fixture_finish(fixture);
    free(fixture);
}
