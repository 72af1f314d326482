/* Two shards on the fixture, of which shard 0, whose client is served, has copies of items of shard
 * 1 as soon as they are asked for. */
#ifndef TESTS_CORE_COPIES_FIXTURE_H
#define TESTS_CORE_COPIES_FIXTURE_H

#include "tests/core/fixture.h"

#define COPIES_FIXTURE_MEMORY ((size_t)8 << 20)

void copies_fixture_init(struct fixture *fixture);

/* Sends that, and fails when the answer is another one. */
void copies_fixture_expect(struct fixture *fixture, const char *bytes, const char *reply);

/* Gets that were answered from copies. */
uint64_t copies_fixture_hits(const struct fixture *fixture);

/* Has a copy of the nth key of shard 1, set to "old" with the flags 5 by this; tells the key. */
void copies_fixture_have(struct fixture *fixture, char key[16], int n);

/* Has a copy of that key, which has the same value still. */
void copies_fixture_have_again(struct fixture *fixture, const char *key);

/* Whether there is a copy that would answer a get of the key. */
bool copies_fixture_is_fresh(const struct fixture *fixture, const char *key);

#endif
