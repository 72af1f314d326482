/* watch_lines: what is told of keys to clients that watch: a line for each look-up, write, deletion
 * and eviction, and one for each crawl, in the words of memcached 1.6.45's logger.
 *
 * Thread: the one that serves the keys; keys->watched_by is its shard.
 */
#ifndef CORE_SHARD_WATCH_LINES_H
#define CORE_SHARD_WATCH_LINES_H

#include "core/shard/keyspace.h"
#include "proto/request.h"

/* A reactor has begun to serve the keys: its shard, if clients watch what it does, else NULL. */
void watch_change(struct keyspace *keys, struct shard *watched_by);
static inline void watch_serve(struct keyspace *keys, struct shard *watched_by) {
    if (__builtin_expect(keys->watched_by != watched_by, false)) {
        watch_change(keys, watched_by);
    }
}

/* The request, and what was there before it. */
struct watch_case {
    struct shard *shard;
    const struct keyspace *keys;
    int client;
    const struct request *request;
    enum store_presence presence;
    uint32_t length; /* of the value, if it was there */
};

/* Looks at what a request that names a key will find; and tells of the request once it has been
 * executed. client: the connection's number. */
struct watch_case watch_look(struct keyspace *keys, int client, const struct request *request,
                             uint64_t hash);
void watch_tell(const struct watch_case *about, uint64_t hash, const struct result *result);

/* Tells of a flush_prefix, to which no shard has had an objection. */
void watch_tell_flush(struct shard *shard, int client, const struct request *request);

/* Tells of a write that was refused before it came to a store, which has its key. */
void watch_tell_refused(struct shard *shard, int client, const struct request *request);

/* Tells of a crawl that has ended, at a monotonic time. */
void watch_tell_crawl(struct keyspace *keys, uint64_t now_ns);

/* What store_tell_evictions() calls; context: the keyspace. */
store_evicted watch_tell_evicted;

#endif
