/* copies: a reactor's read-only copies of items that other shards own, of keys that it asks for
 * again and again; in a bounded space of its own.
 *
 *     a get of another's key ─▶ copies_find(), fresh ─▶ answered here, without a message
 *                                     │ none, out of date, or the owner is to be told of hits
 *                                     ▼
 *     copies_note() ─▶ the request to the owner, which perhaps asks for a copy ─▶ copies_add()
 *
 * Whether a copy is up to date is told by the word of its slot in the owner's table
 * (core/mesh/versions.h), and by its own expiry time. What is owed to order on one connection is
 * seen to by core/pipeline/copied.h.
 *
 * The space is a log that is written round and round; the oldest copies make way for new ones, but
 * one in the older quarters moves to the newest end when it is hit. A table finds them by hash.
 *
 *   log    | copy, key, value | copy, key, value | … | free | … |    `tail` oldest, `head` newest
 * end table  buckets of 4 entries of 8 bytes: | tag 32 | place in the log 32 |    0: empty
 *
 * Which keys are asked for often enough is known by a sketch over a sample of the gets
 * (core/stats/frequency.h). A key whose copies go out of date before they have been hit often
 * enough to have been worth their while, since many of its accesses are writes, has to be asked for
 * many times more before it is copied again.
 *
 * Thread: the reactor that holds them.
 */
#ifndef CORE_SHARD_COPIES_H
#define CORE_SHARD_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mesh/versions.h"
#include "core/stats/frequency.h"
#include "proto/request.h"

/* Of the memory of a shard copies have a hundredth, the tables of versions and of frequencies
 * included; where that is less than COPIES_BYTES_MIN there are none. */
#define COPIES_PART 100
#define COPIES_BYTES_MIN ((uint64_t)16 * 1024)

/* The longest value that is copied, in bytes; and no copy takes more than 1/COPIES_LOG_PART of the
 * log: see copies_value_bytes_max(). */
#define COPIES_VALUE_BYTES_MAX 8192
#define COPIES_LOG_PART 16

/* Of the gets of others' keys one of COPIES_SAMPLE on average is counted; a key that was counted
 * COPIES_ASKED times lately is copied. With rows of COPIES_ROW_MAX counters that is about one that
 * has an eight-thousandth of the gets. */
#define COPIES_SAMPLE 16
#define COPIES_ASKED 8
#define COPIES_ROW_MAX 65536u

/* Hits after which the owner is told of them; and time, for fewer, with the next get. */
#define COPIES_HITS_MAX 64
#define COPIES_TICKS_MAX 50

/* A copy is worth its while with COPIES_WORTH / shards hits, and COPIES_WORTH_MIN at least: where a
 * tenth of all accesses are writes one of two reactors sees 4.5 reads between two of them. */
#define COPIES_WORTH 32
#define COPIES_WORTH_MIN 4
#define COPIES_PUNISHED 120

struct copy {
    uint32_t bytes; /* of the log, with key and value; of a gap, too */
    bool live;      /* false: a gap, or dropped */
    uint8_t key_length;
    uint64_t position;
    uint64_t hash;
    const version_word *at;
    uint64_t word;
    uint64_t cas;
    uint32_t expires; /* tick; 0: never */
    uint32_t client_flags;
    uint32_t value_length;
    uint32_t hits;    /* of which the owner has not been told */
    uint32_t life;    /* hits in all */
    uint32_t told_at; /* the tick when the owner last heard of it */
    char key[];       /* and the value */
};

#define COPIES_WAYS 4

/* Bytes of the filter for a bucket, and at most: it is looked at for each request, and should stay
 * in the nearest cache. A byte that has come to COPIES_FILTER_MAX stays so. */
#define COPIES_FILTER_BYTES 8
#define COPIES_FILTER_BYTES_MAX ((uint32_t)16 * 1024)
#define COPIES_FILTER_MAX UINT8_MAX

struct copies_bucket {
    uint64_t entries[COPIES_WAYS];
};

struct copies {
    uint32_t countdown; /* gets until the next one that is counted */
    uint32_t count;
    /* How many copies there are by bits of the hash, up to COPIES_FILTER_MAX: mostly none, so that
     * the others cost one look. Without copies one byte, 0. */
    uint8_t *filter;
    uint32_t filter_mask;
    uint8_t no_filter;
    struct copies_bucket *buckets; /* NULL: there are no copies */
    uint32_t mask;                 /* buckets - 1 */
    /* COPIES_SAMPLE and so on, which tests make smaller. */
    uint32_t sample;
    uint32_t asked_from;
    uint32_t worth; /* hits */
    uint32_t hits_max;
    char *log;
    uint64_t log_bytes;
    uint64_t head; /* positions, which only grow; modulo log_bytes they are places */
    uint64_t tail;
    uint64_t bytes; /* of live copies */
    uint64_t random;
    struct frequency asked;
    uint64_t memory_bytes; /* all that it has, the owner's table of versions included */
    /* Of that table, which keeps its size; 0: there are never any copies. */
    uint64_t versions_bytes;
};

/* How a space of so many bytes is used: slots of versions and counters of a row. */
uint32_t copies_versions_slots(uint64_t memory_bytes);

/* Takes memory_bytes, less what the table of versions takes; with 0 there are no copies. shards: of
 * the server. Returns 0 or -ENOMEM. It may not be moved in memory. */
int copies_init(struct copies *copies, uint64_t memory_bytes, uint32_t shards, uint64_t seed);
void copies_finish(struct copies *copies);

/* Goes on with so much memory, the table of versions included, and without the copies that it had;
 * where it is little, or there is none, without any, and memory_bytes is then what that table
 * takes. Nothing changes where it is as much as before, or where there are never any copies. */
void copies_resize(struct copies *copies, uint64_t memory_bytes);

/* Whether there may be copies: they have memory. */
static inline bool copies_have_space(const struct copies *copies) {
    return copies->buckets;
}

/* For tests: counts one of `sample` gets, and so on. */
void copies_tune(struct copies *copies, uint32_t sample, uint32_t asked_from, uint32_t worth,
                 uint32_t hits_max);

/* Whether a request may be answered from a copy: it reads, changes nothing about its item, and asks
 * for nothing that only the owner knows. */
bool copies_may_serve_meta(const struct request *request);
static inline bool copies_may_serve(const struct request *request) {
    return request->op == OP_GET || (request->op == OP_META_GET && copies_may_serve_meta(request));
}

/* Whether there may be a copy of a key with this hash. */
static inline bool copies_may_have(const struct copies *copies, uint64_t hash) {
    return __builtin_expect(copies->filter[(uint32_t)(hash >> 24) & copies->filter_mask] > 0,
                            false);
}

/* The copy of a key, whether it is up to date or not; NULL: there is none. */
struct copy *copies_find(const struct copies *copies, const struct request *request, uint64_t hash);

/* Prefetch what copies_find() looks at where copies_may_have() is true: the bucket, and when that
 * has come, the copy. */
static inline void copies_prefetch_bucket(const struct copies *copies, uint64_t hash) {
    __builtin_prefetch(&copies->buckets[(uint32_t)hash & copies->mask]);
}
void copies_prefetch(const struct copies *copies, uint64_t hash);

/* And what is needed when the request is counted closely. */
static inline void copies_prefetch_count(const struct copies *copies, uint64_t hash) {
    if (copies->buckets) {
        frequency_prefetch(&copies->asked, hash);
    }
}

/* Whether it may answer a get at this tick: it is up to date. */
static inline bool copy_is_fresh(const struct copy *copy, uint32_t tick) {
    return version_is(copy->at, copy->word) && (copy->expires == 0 || copy->expires > tick);
}

/* Whether the owner is to be told of its hits by the next get. */
static inline bool copies_is_due(const struct copies *copies, const struct copy *copy,
                                 uint32_t tick) {
    return copy->hits >= copies->hits_max ||
           (copy->hits > 0 && tick - copy->told_at >= COPIES_TICKS_MAX);
}

static inline const char *copy_value(const struct copy *copy) {
    return copy->key + copy->key_length;
}

/* Counts a hit, after which the copy may lie elsewhere: what is to be read of it comes before. */
void copies_hit(struct copies *copies, struct copy *copy);

/* What goes with a get to the owner of its key. */
struct copy_note {
    uint32_t hits;
    bool asks;     /* for a copy */
    bool stale;    /* the copy that was there was out of date, and has been dropped */
    uint64_t word; /* of the copy that is there; 0: none */
};

/* Counts a request for a key of another shard, and returns whether copies concern it: there may be
 * one of its key, or it is to be counted closely. If so, and it goes to the owner, copies_note() is
 * to be called, and else copies_count_not(). */
static inline bool copies_concern(struct copies *copies, uint64_t hash) {
    return __builtin_expect(--copies->countdown == 0, false) || copies_may_have(copies, hash);
}
static inline void copies_count_not(struct copies *copies) {
    copies->countdown++;
}
struct copy_note copies_note(struct copies *copies, const struct request *request, uint64_t hash,
                             uint32_t tick);

/* The longest value of which a copy is kept, with a key of that length; above 0, but 0 where there
 * are no copies. */
uint16_t copies_value_bytes_max(const struct copies *copies, uint32_t key_length);

/* Keeps a copy of what a request for it was answered with, if it is not too large; one of the same
 * key makes way. at: the word that grant->word is of. */
struct copy_source {
    const struct request *request;
    uint64_t hash;
    const struct result *result;
    struct version_grant grant;
    const version_word *at;
    uint32_t tick;
};
void copies_add(struct copies *copies, const struct copy_source *source);

/* Fails an assertion when log and table contradict each other. For tests. */
void copies_check(const struct copies *copies);

#endif
