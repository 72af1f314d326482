#include "tests/core/copies_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

void copies_fixture_init(struct fixture *fixture) {
    fixture_init_copies(fixture, 2, 64, COPIES_FIXTURE_MEMORY);
}

void copies_fixture_expect(struct fixture *fixture, const char *bytes, const char *reply) {
    fixture->received_length = 0;
    fixture_feed(fixture, bytes, strlen(bytes));
    cr_assert(eq(sz, fixture->received_length, strlen(reply)), "%s", bytes);
    cr_assert(zero(int, memcmp(fixture->received, reply, strlen(reply))), "%s", bytes);
}

uint64_t copies_fixture_hits(const struct fixture *fixture) {
    return fixture->shard[0].counters.hot_hits;
}

void copies_fixture_have(struct fixture *fixture, char key[16], int n) {
    char text[200];
    fixture_name_key(fixture, key, 1, n);
    snprintf(text, sizeof(text), "set %s 5 0 3\r\nold\r\n", key);
    copies_fixture_expect(fixture, text, "STORED\r\n");
    copies_fixture_have_again(fixture, key);
}

void copies_fixture_have_again(struct fixture *fixture, const char *key) {
    char text[200];
    uint64_t before = copies_fixture_hits(fixture);
    snprintf(text, sizeof(text), "mg %s f v\r\n", key);
    for (int i = 0; i < 3; i++) {
        copies_fixture_expect(fixture, text, "VA 3 f5\r\nold\r\n");
    }
    cr_assert(lt(u64, before, copies_fixture_hits(fixture)));
    cr_assert(copies_fixture_is_fresh(fixture, key));
}

bool copies_fixture_is_fresh(const struct fixture *fixture, const char *key) {
    const struct shard *shard = &fixture->shard[0];
    struct request request = {.op = OP_GET, .key = key, .key_length = (uint16_t)strlen(key)};
    uint64_t hash = shard_hash(shard, key, request.key_length);
    struct copy *copy =
        copies_may_have(&shard->copies, hash) ? copies_find(&shard->copies, &request, hash) : NULL;
    return copy && copy_is_fresh(copy, shard->tick);
}
