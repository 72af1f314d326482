/* segment: the log that holds the items, a row of segments of one size. Private to the store.
 *
 *   base                                                        headers, a dense array of 32 bytes
 *   |  0 (never used) |   1   |   2   |   3   | ...             each, so that what a look-up asks
 *                     |items-> free|                            of a segment is in the cache
 *
 * A location names an item: its distance from base in units of 4 bytes. As no segment has number
 * 0, location 0 names nothing. Segments in use stand in two queues, each from its oldest to its
 * newest: a small one of what is new, and the main one of what was asked for since (evict.c). Items
 * are appended to open segments, at so many ends. A segment without live items is free at once.
 *
 * Free segments are warm (their pages are resident and count against the memory bound; a few) or
 * cold (never touched, or given back to the kernel). Who may take a cold one is decided in room.c.
 *
 * Above SEGMENTS_HUGE_ABOVE as many segments as a huge page holds are a block. Of a block that is
 * cold all become warm together, in a huge page; where there is memory for one only, they come
 * one by one, in small pages, and so does again what is given back while others of its block are
 * not. Either way what counts as resident is what may be.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/item.h"

#include <assert.h>

#define SEGMENT_BYTES_MIN ((size_t)16 << 10)
#define SEGMENT_BYTES_MAX ((size_t)1 << 20)

/* So many, or up to twice as many, make eviction nearly as fine as one by items: with 64 it was
 * measured to cost 0.015 of the hit ratio. It is a power of two, and above 256 MiB there are
 * more. */
#define SEGMENTS_PER_MEMORY 256

#define SEGMENTS_WARM_MIN 4 /* see warm_max */

/* In smaller shards a block would be more than a thirty-second of the memory. */
#define SEGMENTS_HUGE_ABOVE ((size_t)64 << 20)

/* Segments that one search for a victim or a sparse one looks at. */
#define SEGMENT_LOOKS_MAX 256

/* With fewer of its sixteenths alive, so far as it was filled, a segment is sparse: cleaning one
 * that is fuller copies more than three bytes for each that it gains. Where nothing may be
 * evicted there is no other way. */
#define SEGMENT_SPARSE_SIXTEENTHS 12
#define SEGMENT_SPARSE_SIXTEENTHS_MAX 15

enum segment_queue_name { SEGMENT_SMALL, SEGMENT_MAIN, SEGMENT_QUEUES };

/* Who appends to an open segment: what is new or moved there goes to the newest end of a queue;
 * cleaning gathers items in the middle of one, where they lay. Extents of large values have ends of
 * their own: they come in slowly and are pinned meanwhile (a slow upload would otherwise leave a
 * pinned extent in each of as many segments as other writers fill while it lasts), and as large as
 * they are they leave less room unused among themselves. */
enum segment_end {
    SEGMENT_NEW_SMALL,
    SEGMENT_NEW_MAIN,
    SEGMENT_EXTENTS,
    SEGMENT_EXTENTS_MAIN,
    SEGMENT_GATHER_SMALL,
    SEGMENT_GATHER_MAIN,
    SEGMENT_ENDS
};

struct segment {
    uint64_t sequence; /* order of opening, for the flush watermark; 0 while it is free */
    uint32_t live_bytes;
    uint32_t used_bytes;
    uint32_t older;     /* neighbours in the queue, 0 at its ends */
    uint32_t newer;     /* links the lists of free segments, too */
    uint32_t opened;    /* when; nothing was put here before */
    uint32_t pins : 27; /* while not 0 it is neither evicted nor freed */
    uint32_t queue : 1;
    uint32_t open : 1;   /* appended to: neither sparse nor evicted; freed it starts anew */
    uint32_t sparse : 1; /* so much of it is dead that cleaning is worth it */
    uint32_t held : 1;   /* it is being emptied, and not freed before that is over */
    uint32_t cold : 1;   /* free, and nothing of it is resident */
};

struct segment_queue {
    uint32_t oldest;
    uint32_t newest;
    uint32_t segments;
    uint32_t sparse; /* segments */
};

_Static_assert(sizeof(struct segment) == 32, "two headers to a cache line");

struct segment_log {
    char *base;
    struct segment *segments; /* by number, block_segments to segments_max */
    size_t segment_bytes;
    size_t headers_bytes; /* of the headers up to `touched`, in whole pages */
    size_t page_bytes;
    uint64_t used_bytes; /* of all segments in use */
    uint32_t unit_shift; /* location >> unit_shift is the segment's number */
    uint32_t segments_max;
    uint32_t segments_used;
    uint32_t block_segments;     /* a power of two; 1: huge pages are not used */
    uint32_t touched;            /* numbers up to here have headers */
    uint32_t open[SEGMENT_ENDS]; /* 0: none */
    struct segment_queue queues[SEGMENT_QUEUES];
    uint32_t pinned; /* segments with pins */
    uint32_t warm;   /* heads of the lists of free segments */
    uint32_t cold;
    uint32_t warm_count;
    uint32_t sparse_sixteenths; /* SEGMENT_SPARSE_SIXTEENTHS, unless the store changes it */
    uint32_t warm_max; /* so many stay resident for the next use, at least SEGMENTS_WARM_MIN */
    uint64_t sequence_next;
};

/* The size of a segment follows from memory_bytes. Reserves addresses for as many as
 * memory_bytes_max can hold. 0 or -ENOMEM; after a failure there is nothing to finish. */
int segment_log_init(struct segment_log *log, size_t memory_bytes, size_t memory_bytes_max,
                     size_t page_bytes);
void segment_log_finish(struct segment_log *log);

/* A free segment, or 0. */
uint32_t segment_take_warm(struct segment_log *log);
/* With all others of its block, which become warm, if there is room for that and all are cold. */
uint32_t segment_take_cold(struct segment_log *log, bool may_take_block);

/* The next cold block, if there is one, becomes warm, and touched: the kernel clears a huge page at
 * its first touch, which takes longer than an operation may. */
void segment_warm_ahead(struct segment_log *log);

/* Gives the pages of a warm segment back to the kernel; false when there is none. */
bool segment_cool(struct segment_log *log);

/* Makes a taken segment the open one at this end, the newest of the queue. None may be open
 * there. */
void segment_open(struct segment_log *log, enum segment_end end, uint32_t number, uint32_t now);
/* Makes a taken segment the open one that gathers what source holds, in its queue right before it,
 * as old as it is. */
void segment_open_before(struct segment_log *log, uint32_t number, uint32_t source);
/* The one that gathers moves on to a younger source: what it holds may seem younger, but not
 * older. */
void segment_gather_from(struct segment_log *log, uint32_t source);
/* Nothing more is appended to the open segment, if there is one. */
void segment_seal(struct segment_log *log, enum segment_end end);
void segment_seal_all(struct segment_log *log);

/* Appends bytes to the open segment, which must have room for them; the location. */
uint64_t segment_append(struct segment_log *log, enum segment_end end, uint32_t bytes);

/* Bytes of an item at location died. Frees the segment with its last live byte. */
void segment_release(struct segment_log *log, uint64_t location, uint32_t bytes);

/* Whoever empties a segment in slices holds it, so that it stays while nothing lives in it any
 * more. */
void segment_hold(struct segment_log *log, uint32_t number);
void segment_unhold(struct segment_log *log, uint32_t number);

/* A pinned segment stays where it is, dead or alive, until its last pin goes. */
void segment_pin(struct segment_log *log, uint32_t number);
void segment_unpin(struct segment_log *log, uint32_t number);

/* The oldest segment of a queue that may be evicted: not open to what is new, not pinned
 * nor held. 0 when
 * none is found: those that are met go to the newest end, and only so many are looked at. */
uint32_t segment_victim(struct segment_log *log, enum segment_queue_name name);

/* The next sparse segment of a queue, neither pinned nor held, from the one behind *cursor on
 * and round, which remembers how far that was. 0 when none is found among so many looked at. */
uint32_t segment_find_sparse(const struct segment_log *log, enum segment_queue_name name,
                             uint32_t *cursor);

static inline struct item *segment_item(const struct segment_log *log, uint64_t location) {
    return (struct item *)(void *)(log->base + location * ITEM_ALIGN);
}

static inline uint32_t segment_of(const struct segment_log *log, uint64_t location) {
    return (uint32_t)(location >> log->unit_shift);
}

static inline uint64_t segment_first(const struct segment_log *log, uint32_t number) {
    return (uint64_t)number << log->unit_shift;
}

static inline bool segment_in_use(const struct segment *segment) {
    return segment->sequence != 0;
}

static inline enum segment_end segment_gather_end(const struct segment *source) {
    return source->queue == SEGMENT_SMALL ? SEGMENT_GATHER_SMALL : SEGMENT_GATHER_MAIN;
}

static inline uint32_t segment_space(const struct segment_log *log, enum segment_end end) {
    uint32_t open = log->open[end];
    return open == 0 ? 0 : (uint32_t)log->segment_bytes - log->segments[open].used_bytes;
}

static inline bool segment_has_space(const struct segment_log *log, enum segment_end end,
                                     uint32_t bytes) {
    return bytes <= segment_space(log, end);
}

static inline size_t segment_block_bytes(const struct segment_log *log) {
    return log->block_segments * log->segment_bytes;
}

/* Segments whose pages are, or may be, resident. */
static inline size_t segment_resident_bytes(const struct segment_log *log) {
    return ((size_t)log->segments_used + log->warm_count) * log->segment_bytes;
}

#endif
