/* The smaller parts of core: times, buffers, messages, who owns which key. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/buffer.h"
#include "core/base/processors.h"
#include "core/mesh/message.h"
#include "core/shard/execute.h"
#include "tests/core/fixture.h"

Test(buffer, grows_keeps_and_gives_back) {
    struct buffer_pool pool;
    struct buffer buffer = {0};
    buffer_pool_init(&pool);
    cr_assert(buffer_append(&pool, &buffer, NULL, 0));
    for (int i = 0; i < 10000; i++) {
        cr_assert(buffer_append(&pool, &buffer, "0123456789", 10));
    }
    cr_assert(eq(sz, buffer.length, 100000));
    cr_assert(ge(sz, pool.bytes, 100000));
    buffer_consume(&buffer, 99995);
    cr_assert(zero(int, memcmp(buffer.bytes, "56789", 5)));
    buffer_release(&pool, &buffer);
    buffer_pool_finish(&pool);
    cr_assert(eq(sz, pool.bytes, 0));
}

Test(buffer, the_last_one_given_back_is_used_first) {
    struct buffer_pool pool;
    struct buffer a = {0}, b = {0};
    buffer_pool_init(&pool);
    cr_assert(buffer_reserve(&pool, &a, 1));
    cr_assert(buffer_reserve(&pool, &b, 1));
    const char *last = b.bytes;
    buffer_release(&pool, &a);
    buffer_release(&pool, &b);
    cr_assert(buffer_reserve(&pool, &a, 1));
    cr_assert(eq(ptr, (void *)a.bytes, (void *)last));
    buffer_release(&pool, &a);
    buffer_pool_finish(&pool);
}

Test(buffer, a_long_answer_is_refused_while_memory_is_scarce) {
    struct buffer_pool pool;
    struct buffer other = {0}, answer = {0};
    buffer_pool_init(&pool);
    buffer_pool_limit(&pool, 4 * BUFFER_STANDARD_BYTES);
    cr_assert(buffer_reserve_long(&pool, &answer, 64 * BUFFER_STANDARD_BYTES), "it is not scarce");
    cr_assert(buffer_pool_is_scarce(&pool));
    const struct buffer before = answer;
    cr_assert(not(buffer_reserve_long(&pool, &other, BUFFER_STANDARD_BYTES + 1)));
    cr_assert(not(buffer_reserve_long(&pool, &answer, BUFFER_STANDARD_BYTES + 1)));
    cr_assert(zero(sz, other.capacity));
    cr_assert(eq(ptr, (void *)answer.bytes, (void *)before.bytes));
    cr_assert(eq(sz, pool.bytes, before.capacity));
    cr_assert(buffer_reserve_long(&pool, &other, BUFFER_STANDARD_BYTES));
    buffer_release(&pool, &other);
    cr_assert(buffer_reserve(&pool, &other, 64 * BUFFER_STANDARD_BYTES), "values are not refused");
    buffer_release(&pool, &other);
    buffer_release(&pool, &answer);
    cr_assert(buffer_reserve_long(&pool, &other, 64 * BUFFER_STANDARD_BYTES));
    buffer_release(&pool, &other);
    buffer_pool_finish(&pool);
    cr_assert(zero(sz, pool.bytes));
}

Test(message, a_pool_has_an_end) {
    struct message_pool pool;
    struct message *messages[3];
    cr_assert(zero(int, message_pool_init(&pool, 3)));
    for (int i = 0; i < 3; i++) {
        cr_assert(not(eq(ptr, messages[i] = message_take(&pool), NULL)));
    }
    cr_assert(eq(ptr, message_take(&pool), NULL));
    message_give(&pool, messages[1]);
    cr_assert(eq(ptr, message_take(&pool), messages[1]));
    message_pool_finish(&pool);
}

Test(message, carries_key_and_value) {
    static char longest[MESSAGE_VALUE_BYTES_MAX];
    struct message_pool pool;
    cr_assert(zero(int, message_pool_init(&pool, 1)));
    struct message *message = message_take(&pool);
    struct request request = {
        .key = "key", .key_length = 3, .value = longest, .value_length = sizeof(longest)};
    memset(longest, 'x', sizeof(longest));
    cr_assert(message_widen(&pool, message, false));
    message_set_request(message, &request, 7);
    cr_assert(zero(int, memcmp(message->request.key, "key", 3)));
    cr_assert(zero(int, memcmp(message->request.value, longest, sizeof(longest))));
    cr_assert(ne(ptr, (void *)message->request.key, (void *)request.key));
    cr_assert(ne(ptr, (void *)message->request.value, (void *)longest));
    const struct result result = {.value = "reply", .value_length = 5};
    message_set_result(message, &result);
    cr_assert(zero(int, memcmp(message->result.value, "reply", 5)));
    message_give(&pool, message);
    message_pool_finish(&pool);
}

/* A reply that has no space is marked, and says how long the value is. */
Test(message, without_a_wide_range_leaves_a_long_value_out) {
    static char longest[MESSAGE_VALUE_BYTES_MAX];
    struct message_pool pool;
    cr_assert(zero(int, message_pool_init(&pool, 1)));
    struct message *message = message_take(&pool);
    const struct result result = {.value = longest, .value_length = MESSAGE_VALUE_BYTES_NEAR + 1};
    message_set_result(message, &result);
    cr_assert(message->refused);
    cr_assert(eq(ptr, (void *)message->result.value, NULL));
    cr_assert(eq(u32, message->result.value_length, MESSAGE_VALUE_BYTES_NEAR + 1));
    message_give(&pool, message);
    message_pool_finish(&pool);
}

Test(message, wide_ranges_have_an_end_and_go_back) {
    struct message_pool pool;
    struct message *messages[MESSAGE_WIDES_MAX + 1];
    cr_assert(zero(int, message_pool_init(&pool, MESSAGE_WIDES_MAX + 1)));
    for (int i = 0; i <= MESSAGE_WIDES_MAX; i++) {
        messages[i] = message_take(&pool);
        bool widened = message_widen(&pool, messages[i], i >= 2);
        cr_assert(eq(int, widened, i < MESSAGE_WIDES_MAX));
        if (widened) {
            memset(messages[i]->wide, i, MESSAGE_VALUE_BYTES_MAX);
        }
    }
    size_t most = message_pool_touched(&pool);
    cr_assert(ge(sz, most, MESSAGE_WIDES_MAX * MESSAGE_VALUE_BYTES_MAX));
    message_pool_trim(&pool); /* nothing is free */
    cr_assert(eq(sz, message_pool_touched(&pool), most));
    message_give(&pool, messages[0]);
    cr_assert(not(message_widen(&pool, messages[MESSAGE_WIDES_MAX], false)));
    cr_assert(message_widen(&pool, messages[MESSAGE_WIDES_MAX], true));
    for (int i = 1; i <= MESSAGE_WIDES_MAX; i++) {
        message_give(&pool, messages[i]);
    }
    message_pool_check(&pool);
    message_pool_trim(&pool);
    message_pool_check(&pool);
    cr_assert(le(sz, message_pool_touched(&pool), most / 4));
    message_give(&pool, message_take(&pool));
    message_pool_finish(&pool);
}

Test(shard, keys_spread_evenly_and_stay_with_their_owner) {
    enum { SHARDS = 5, KEYS = 50000 };
    struct fixture fixture;
    fixture_init(&fixture, SHARDS, 1, (size_t)4 << 20);
    uint32_t counts[SHARDS] = {0};
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        uint32_t length = (uint32_t)snprintf(key, sizeof(key), "key%d", i);
        uint64_t hash = shard_hash(&fixture.shard[0], key, length);
        uint32_t owner = shard_owner(&fixture.shard[0], hash);
        cr_assert(lt(u32, owner, SHARDS));
        cr_assert(eq(u64, hash, shard_hash(&fixture.shard[3], key, length)));
        counts[owner]++;
    }
    for (int i = 0; i < SHARDS; i++) {
        cr_assert(counts[i] > KEYS / SHARDS * 95 / 100 && counts[i] < KEYS / SHARDS * 105 / 100);
    }
    fixture_finish(&fixture);
}

/* CAS values never collide between shards: counter × shards + shard. */
Test(shard, cas_values_tell_their_shard) {
    enum { SHARDS = 3 };
    struct fixture fixture;
    fixture_init(&fixture, SHARDS, 1, (size_t)4 << 20);
    for (uint32_t i = 0; i < 100; i++) {
        struct shard *shard = &fixture.shard[i % SHARDS];
        struct request set = {
            .op = OP_SET, .key = "k", .key_length = 1, .value = "v", .value_length = 1};
        struct result result;
        execute(&shard->keys, &set, shard_hash(shard, "k", 1), &result);
        cr_assert(eq(int, result.status, RESULT_OK));
        cr_assert(eq(u64, result.cas % SHARDS, i % SHARDS));
    }
    fixture_finish(&fixture);
}

/* Of this thread alone: it grows while it works, and by no more than the time that passes. */
Test(processors, used) {
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    uint64_t first_ns = processors_used_ns(), used_ns = 0;
    while (used_ns < 2000000) {
        used_ns = processors_used_ns() - first_ns;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed_ns = (now.tv_sec - begun.tv_sec) * 1000000000 + now.tv_nsec - begun.tv_nsec;
    cr_assert(le(i64, (int64_t)used_ns, passed_ns + 1000000));
}

/* It never shrinks by more than what iowait may be taken back by, and is that of this machine. */
Test(processors, idle) {
    uint64_t first_ns, second_ns;
    if (!processors_idle_ns(&first_ns)) {
        cr_skip("/proc/stat is not there");
    }
    cr_assert(processors_idle_ns(&second_ns));
    cr_assert(lt(u64, 0, first_ns));
    cr_assert(lt(u64, second_ns - first_ns + 1000000000, (uint64_t)60 * 1000000000));
}

/* What leaves one pool is the other's. */
Test(buffer, goes_from_pool_to_pool) {
    struct buffer_pool from, to;
    struct buffer buffer = {0}, empty = {0};
    buffer_pool_init(&from);
    buffer_pool_init(&to);
    cr_assert(buffer_append(&from, &buffer, "value", 5));
    buffer_leave(&from, &buffer);
    buffer_leave(&from, &empty);
    cr_assert(zero(sz, from.bytes));
    buffer_come(&to, &buffer);
    buffer_come(&to, &empty);
    cr_assert(eq(sz, to.bytes, BUFFER_STANDARD_BYTES));
    cr_assert(zero(int, memcmp(buffer.bytes, "value", 5)));
    buffer_release(&to, &buffer);
    buffer_pool_finish(&to);
    cr_assert(zero(sz, to.bytes));
    buffer_pool_finish(&from);
}
