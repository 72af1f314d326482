/* A server without kernel or threads: some shards, their mesh, and one connection's pipeline on
 * shard 0. A test feeds bytes in, lets shards have their turns in any order, and reads what would
 * be sent. */
#ifndef TESTS_CORE_FIXTURE_H
#define TESTS_CORE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pipeline/exchange.h"
#include "core/pipeline/lend.h"
#include "core/pipeline/outgoing.h"
#include "core/pipeline/pipeline.h"
#include "core/shard/shard.h"
#include "core/stats/command.h"

#define FIXTURE_SHARDS_MAX 5
#define FIXTURE_PIPELINES_MAX 3000 /* its own among them, and a test's */

struct fixture {
    uint32_t shards;
    struct mesh *mesh;
    struct shard shard[FIXTURE_SHARDS_MAX];
    struct shard *all[FIXTURE_SHARDS_MAX];
    size_t copies_bytes;  /* of each shard: 0 but for fixture_init_copies() */
    struct config config; /* what no test of the pipeline sets is 0 */
    struct server_facts facts;
    struct pipeline pipeline;
    struct outgoing outgoing; /* what the client is to read next */
    struct batch batch;
    bool broken;    /* the pipeline could not go on */
    char *received; /* what the client has been sent so far */
    size_t received_length;
};

/* Prepares everything; memory_bytes for each shard. */
void fixture_init(struct fixture *fixture, uint32_t shards, uint32_t ring_capacity,
                  size_t memory_bytes);
/* The same with copies of others' items, which are asked for as soon as a key is. */
void fixture_init_copies(struct fixture *fixture, uint32_t shards, uint32_t ring_capacity,
                         size_t memory_bytes);
void fixture_finish(struct fixture *fixture);

/* Names the nth key (from 0) of a shard. */
void fixture_name_key(const struct fixture *fixture, char key[16], uint32_t shard, int n);

/* For mesh_publish(): no shard sleeps here, so none is woken. */
void fixture_no_wake(void *context, uint32_t shard);

/* Hooks of a shard that accepts no connections and takes no notice of progress. */
extern const struct shard_hooks fixture_hooks;

/* One turn of shard 0 with the given bytes newly received (length may be 0). The bytes are handed
 * over in memory of exactly their size that is gone afterwards. */
void fixture_turn(struct fixture *fixture, const char *bytes, size_t length);

/* True when the pipeline would take more bytes now. */
bool fixture_takes_bytes(const struct fixture *fixture);

/* Another shard, which is taken for it, runs up to max of the requests that shard 0 has sent it.
 * True when there were any. */
bool fixture_serve(struct fixture *fixture, uint32_t shard, uint32_t max);

/* Between two turns: a shard's own reactor leaves it, so that others find it free; or takes it
 * back. Shard 0 is lent for as long, as if to another reactor, so that its turns have no keys.
 * Nothing changes when that is so already. */
void fixture_leave(struct fixture *fixture, uint32_t shard);
void fixture_take(struct fixture *fixture, uint32_t shard);

/* Checks all that is always true between two turns. Every turn of the fixture ends with it. */
void fixture_check(const struct fixture *fixture);

/* The client reads up to max bytes of what is owed. */
void fixture_read(struct fixture *fixture, size_t max);

/* The client sends that and reads everything, until nothing moves any more. */
void fixture_feed(struct fixture *fixture, const char *bytes, size_t length);

/* The connection is gone: gives back what it holds, with the shards' turns as needed. */
void fixture_break(struct fixture *fixture);

/* What the shards hold for uploads and leases, bytes and numbers added up: 0 when all is given
 * back. */
uint64_t fixture_held(const struct fixture *fixture);

/* Turns for everyone until nothing moves any more, with the client reading everything. */
void fixture_run_until_idle(struct fixture *fixture);

#endif
