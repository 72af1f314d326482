/* watch: lines about what a reactor does, on their way to clients that watch.
 *
 *     what happens ─▶ watch_begin(), watch_end() ─▶ this reactor's buffer
 *                                                       │ watch_send.h: watch_flush(), by a timer
 *           reactors that have watchers ◀── messages ───┤
 *                     │                                 └─▶ this reactor's own watchers
 *                     ▼
 *           core/pipeline/watcher.h: the line in the output of each connection that wants it
 *
 * Who watches stands on a board that all reactors share. Each has a copy, taken when a watcher
 * comes, and at each flush: so nothing of this is looked at while nobody watches, but for one
 * pointer of the keys (core/shard/keyspace.h). A watcher that has gone gets a few lines more, which
 * its reactor drops.
 *
 * Memory is bounded: a buffer of -o worker_logbuf_size a reactor, lines beyond it are dropped and
 * counted; WATCH_MESSAGES_MAX messages to each other reactor that has watchers.
 *
 * Thread: the reactor's. Lines about keys that it has borrowed are its lines.
 */
#ifndef CORE_SHARD_WATCH_H
#define CORE_SHARD_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mesh/ring.h"
#include "proto/streams.h"

struct pipeline;
struct shard;

/* Clients that may watch at a time, as in memcached. */
#define WATCHERS_MAX 20

/* The longest line without what stands before it, see struct watch_record: a key of which each
 * character takes three, and numbers. */
#define WATCH_LINE_BYTES_MAX 1024

/* Messages with lines that a reactor has out to another one. */
#define WATCH_MESSAGES_MAX 4

/* Who watches, and the number of the next line. The board of shard 0 is all reactors'. */
struct watch_board {
    /* A place for each watcher: its reactor's number and its streams, or 0. Who takes a place frees
     * it. Relaxed: a message or a later flush brings the others to look. */
    _Atomic uint32_t places[WATCHERS_MAX];
    _Atomic uint64_t gid; /* relaxed: numbers are given once, in no order between reactors */
};

/* A line in a buffer or a message: this, and `length` bytes, padded to WATCH_RECORD_ALIGN. */
struct watch_record {
    uint32_t length; /* with its newline */
    uint32_t stream; /* enum watch_stream */
    uint64_t at_ns;  /* monotonic; once it has a gid Unix time */
    uint64_t gid;
};

#define WATCH_RECORD_ALIGN 8

static inline size_t watch_record_bytes(size_t length) {
    size_t whole = sizeof(struct watch_record) + length;
    return (whole + WATCH_RECORD_ALIGN - 1) / WATCH_RECORD_ALIGN * WATCH_RECORD_ALIGN;
}

/* A reactor that has watchers. */
struct watch_home {
    uint32_t shard;
    uint32_t streams;  /* that one of them watches */
    uint64_t position; /* of the first line that has not been sent there */
    uint32_t out;      /* messages on their way */
};

/* A client of this reactor that watches. */
struct watcher {
    struct pipeline *pipeline;
    uint32_t place; /* on the board */
    uint32_t streams;
    uint64_t skipped; /* lines that it has lost since the last one that it got */
};

struct watch {
    uint32_t streams; /* that anybody watches */

    /* The lines, from the oldest one that somebody has not got. Positions count the bytes since the
     * first watcher came; `base` is that of bytes[0]. NULL when nobody watches. */
    char *bytes;
    size_t capacity;
    size_t length;
    uint64_t base;
    uint64_t numbered; /* before this position all have a gid */

    struct watch_home homes[WATCHERS_MAX]; /* this reactor among them, if it has watchers */
    uint32_t home_count;

    struct watcher watchers[WATCHERS_MAX];
    uint32_t watcher_count;
};

static inline uint64_t watch_position_end(const struct watch *watch) {
    return watch->base + watch->length;
}

/* Makes the buffer, or frees it with what is in it. */
void watch_open(struct shard *shard);
void watch_close(struct shard *shard);

/* A place of WATCH_LINE_BYTES_MAX for a line, which ends there with a newline and watch_end(); NULL
 * when nobody watches the stream, or the buffer is full. */
char *watch_begin(struct shard *shard, enum watch_stream stream);
void watch_end(struct shard *shard, const char *end);

#endif
