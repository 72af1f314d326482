/* segment: the log that holds the items, a row of segments of one size. Private to the store.
 *
 *   base                                                        headers, a dense array of 32 bytes
 *   |  0 (never used) |   1   |   2   |   3   | ...             each, so that what a look-up asks
 *                     |items-> free|                            of a segment is in the cache
 *
 * A location names an item: its distance from base in units of 4 bytes. As no segment has number
 * 0, location 0 names nothing. Segments in use stand in two queues, each from its oldest to its
 * newest: a small one of new items, and the main one of items that were read (evict.c). Items are
 * appended to open segments, one for each enum segment_end. A segment without live items is free at
 * once.
 *
 * A free segment is warm (its pages are resident and count against the memory bound; only a few
 * are) or cold (never touched, or given back to the kernel). memory.c decides when a cold one may
 * be taken.
 *
 * In logs above SEGMENTS_HUGE_ABOVE bytes the segments that share a huge page are a block. The
 * segments of a cold block become warm together, in one huge page. Where there is memory for a
 * single segment only, it comes in small pages; so does a segment that was given back while others
 * of its block were not. In both cases the count of resident bytes is the most that can be
 * resident.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/item.h"

#include <assert.h>

#define SEGMENT_BYTES_MIN ((size_t)16 << 10)
#define SEGMENT_BYTES_MAX ((size_t)1 << 20)

/* The number of segments of a store: this to twice this, more above 512 MiB, fewer below 4 MiB.
 * With so many, eviction by segments hits nearly as often as eviction by items; with 64 the hit
 * ratio was measured to be 0.015 lower. */
#define SEGMENTS_PER_MEMORY 256

/* The least warm_max of a log, and the part of its memory that is it in larger ones. Where large
 * values take the place of others, whole segments become free and are taken again all the time, and
 * each that was given back meanwhile has to be cleared by the kernel. */
#define SEGMENTS_WARM_MIN 4
#define SEGMENTS_PER_WARM 32

/* Bytes of memory from which on segments come in huge pages: in smaller stores a block would be
 * more than 1/32 of the memory. */
#define SEGMENTS_HUGE_ABOVE ((size_t)64 << 20)

/* The most segments that one search, for a victim or a sparse one, looks at. */
#define SEGMENT_LOOKS_MAX 256

/* A segment is sparse, and worth cleaning, while fewer than this many sixteenths of its used bytes
 * are alive: cleaning a fuller one copies more than three bytes for each that it frees. Where
 * nothing may be evicted, cleaning is the only way and the greater value holds. */
#define SEGMENT_SPARSE_SIXTEENTHS 12
#define SEGMENT_SPARSE_SIXTEENTHS_MAX 15

enum segment_queue_name { SEGMENT_SMALL, SEGMENT_MAIN, SEGMENT_QUEUES };

/* The ends at which records are appended; each has at most one open segment. New and promoted items
 * go to the newest end of their queue; cleaning gathers items in the middle of a queue, where they
 * lay. Extents of large values have ends of their own, for two reasons. They arrive slowly and are
 * pinned meanwhile: among other items, a slow upload would leave a pinned extent in every segment
 * that is filled while it lasts. And large records leave less space unused among themselves. */
enum segment_end {
    SEGMENT_NEW_SMALL,
    SEGMENT_NEW_MAIN,
    SEGMENT_EXTENTS,
    SEGMENT_EXTENTS_MAIN,
    SEGMENT_GATHER_SMALL,
    SEGMENT_GATHER_MAIN,
    SEGMENT_ENDS
};

/* No log lives to open so many segments: what an image has beyond is damage. */
#define SEGMENT_SEQUENCE_END ((uint64_t)1 << 62)

struct segment {
    uint64_t sequence; /* order of opening, for the flush watermark; 0 while it is free */
    uint32_t live_bytes;
    uint32_t used_bytes;
    uint32_t older;     /* neighbours in the queue, 0 at its ends */
    uint32_t newer;     /* also the link of the lists of free segments */
    uint32_t opened;    /* time; all items here were stored then or later */
    uint32_t pins : 24; /* while not 0 the segment is neither evicted nor freed */
    uint32_t queue : 1; /* enum segment_queue_name */
    /* It is appended to, so it is neither sparse nor evicted; when its last item dies it is
     * filled from its start again instead of being freed. */
    uint32_t open : 1;
    uint32_t sparse : 1; /* see SEGMENT_SPARSE_SIXTEENTHS */
    uint32_t held : 1;   /* it is being emptied, and is not freed before that ends */
    uint32_t cold : 1;   /* free, and none of its pages are resident */
    uint32_t end : 3;    /* enum segment_end at which it was opened */
};

struct segment_queue {
    uint32_t oldest;
    uint32_t newest;
    uint32_t segments;
    uint32_t sparse; /* of these, the sparse segments */
};

_Static_assert(sizeof(struct segment) == 32, "two headers to a cache line");

/* Where the pages of a log in a file are. All zero: it is in no file. */
struct segment_file {
    bool used;
    bool refused; /* the file system had no page left at the last attempt */
    int fd;
    uint64_t headers_offset; /* in the file */
    uint64_t base_offset;    /* of location 0, likewise */
    uint32_t *touched;       /* segment_log.touched, as the image has it */
};

struct segment_log {
    char *base;
    struct segment *segments; /* by number, block_segments to segments_max */
    size_t segment_bytes;
    size_t headers_bytes; /* resident: the headers up to `touched`, in whole pages */
    size_t page_bytes;
    uint64_t used_bytes; /* summed over all segments in use */
    uint32_t unit_shift; /* location >> unit_shift is the segment's number */
    uint32_t segments_max;
    uint32_t segments_used;
    uint32_t block_segments;     /* a power of two; 1: huge pages are not used */
    uint32_t touched;            /* the highest number whose header was ever written */
    uint32_t open[SEGMENT_ENDS]; /* numbers; 0: none */
    struct segment_queue queues[SEGMENT_QUEUES];
    uint32_t pinned; /* segments with pins */
    uint32_t warm;   /* the first of the list of warm segments; 0: none */
    uint32_t cold;   /* the same of the cold ones */
    uint32_t warm_count;
    uint32_t sparse_sixteenths; /* SEGMENT_SPARSE_SIXTEENTHS or _MAX */
    uint32_t warm_max;          /* free segments above this number are given back */
    uint64_t sequence_next;
    struct segment_file file;
};

/* The size of a segment follows from memory_bytes. Reserves addresses for the segments that
 * memory_bytes_max can hold. Returns 0 or -ENOMEM; after a failure there is nothing to finish. */
int segment_log_init(struct segment_log *log, size_t memory_bytes, size_t memory_bytes_max,
                     size_t page_bytes);
void segment_log_finish(struct segment_log *log);

/* What the log takes in a file, and where: the size and number of its segments are set, as by
 * segment_log_init(), its pages are not. */
void segment_log_lay_out(struct segment_log *log, size_t memory_bytes, size_t memory_bytes_max,
                         size_t page_bytes);
size_t segment_reserved_bytes(const struct segment_log *log);
/* Of the headers up to this number, in whole pages. */
static inline size_t segment_headers_bytes(const struct segment_log *log, uint32_t last) {
    size_t bytes = ((size_t)last + 1) * sizeof(struct segment);
    return (bytes + log->page_bytes - 1) / log->page_bytes * log->page_bytes;
}

/* Takes a warm segment. Returns its number, or 0 when there is none. */
uint32_t segment_take_warm(struct segment_log *log);
/* Takes a cold segment, likewise; 0 also when its pages can't be reserved in the file. With
 * may_take_block, if all others of its block are cold, these become warm. */
uint32_t segment_take_cold(struct segment_log *log, bool may_take_block);

/* Makes the next wholly cold block warm, if there is one, and touches it: the kernel clears a huge
 * page at its first touch, which takes longer than an operation may. */
void segment_warm_ahead(struct segment_log *log);

/* Gives the pages of a warm segment back to the kernel; false when there is none. */
bool segment_cool(struct segment_log *log);

/* For opening an image. A segment that the file says is in use takes its place, as the newest of
 * its queue; it is sealed and counts nothing live, the caller adds what is. */
void segment_adopt(struct segment_log *log, uint32_t number);
/* When that is known: it is open again, if it was and no other is at its end; free, if it is dead.
 */
void segment_adopt_end(struct segment_log *log, uint32_t number, bool may_open);

/* For opening an image: makes sure that a row of segments in use has its pages. Returns 0 or an
 * error of the file. */
int segment_reserve_used(struct segment_log *log, uint32_t number, uint32_t count);

/* For opening an image: gives the pages of segments back; and adds one, without pages, to the cold
 * ones. */
void segment_release_pages(struct segment_log *log, uint32_t number, uint32_t count);
void segment_cold_add(struct segment_log *log, uint32_t number);
/* Adds a segment, with its pages, to the warm ones. */
void segment_warm_add(struct segment_log *log, uint32_t number);

/* Opens a taken segment at this end, as the newest of its queue. None may be open there. */
void segment_open(struct segment_log *log, enum segment_end end, uint32_t number, uint32_t now);
/* Opens a taken segment at the end that gathers the items of `source`: in the same queue, next to
 * it on the older side, with its age. */
void segment_open_before(struct segment_log *log, uint32_t number, uint32_t source);
/* The gathering segment takes the place and age of a younger source. So its items may pass for
 * younger than they are, but never for older. */
void segment_gather_from(struct segment_log *log, uint32_t source);
/* Closes the open segment of an end, or of all ends, if there is one. */
void segment_seal(struct segment_log *log, enum segment_end end);
void segment_seal_all(struct segment_log *log);
/* Closes all, and fills them with dead bytes, so that a nearly empty one is sparse, and cleaned. */
void segment_seal_all_filled(struct segment_log *log);

/* Appends the record that was written to segment_tail() of the open segment, as far as its length
 * follows from it. Returns its location; its bytes count as alive. */
uint64_t segment_append(struct segment_log *log, enum segment_end end, uint32_t bytes);

/* The `bytes` of the record at location died. Frees the segment with its last live byte. */
void segment_release(struct segment_log *log, uint64_t location, uint32_t bytes);

/* Makes a live record shorter, from `from` bytes to `to`; what lies behind it is dead. */
void segment_cut(struct segment_log *log, uint64_t location, uint32_t from, uint32_t to);

/* Holds a segment that is emptied in slices, so that it is not freed, and used again, in between.
 */
void segment_hold(struct segment_log *log, uint32_t number);
void segment_unhold(struct segment_log *log, uint32_t number);

/* Pins are counted: while a segment has one, its bytes stay where they are, dead or alive. */
void segment_pin(struct segment_log *log, uint32_t number);
void segment_unpin(struct segment_log *log, uint32_t number);

/* The oldest segment of a queue that may be evicted: not open (a gathering one is closed), not
 * pinned nor held. Those that may not go to the newest end. Returns 0 when SEGMENT_LOOKS_MAX were
 * looked at. */
uint32_t segment_victim(struct segment_log *log, enum segment_queue_name name);

/* The next sparse segment of a queue that is neither pinned nor held, looking from *cursor towards
 * the newest, then from the oldest; *cursor is the one behind it, since the segment itself will be
 * gone. With fits it is one whose live bytes all fit into what is left of the segment in which they
 * would be gathered, so that gathering takes no other. Returns 0 when SEGMENT_LOOKS_MAX were looked
 * at. */
uint32_t segment_find_sparse(const struct segment_log *log, enum segment_queue_name name, bool fits,
                             uint32_t *cursor);

static inline struct item *segment_item(const struct segment_log *log, uint64_t location) {
    return (struct item *)(void *)(log->base + location * ITEM_ALIGN);
}

/* The number of the segment in which a location lies. */
static inline uint32_t segment_of(const struct segment_log *log, uint64_t location) {
    return (uint32_t)(location >> log->unit_shift);
}

/* The location of a segment's first record. */
static inline uint64_t segment_first(const struct segment_log *log, uint32_t number) {
    return (uint64_t)number << log->unit_shift;
}

/* The location of the record behind the one at `at`; `until` is the end of the segment's records.
 */
static inline uint64_t segment_next(const struct segment_log *log, uint64_t at, uint64_t until) {
    at += item_bytes(segment_item(log, at)) / ITEM_ALIGN;
    while (at < until && segment_item(log, at)->value_length == ITEM_PAD) {
        at++;
    }
    return at;
}

static inline bool segment_in_file(const struct segment_log *log) {
    return log->file.used;
}

static inline bool segment_in_use(const struct segment *segment) {
    return segment->sequence != 0;
}

/* The end at which cleaning gathers the items of this segment. */
static inline enum segment_end segment_gather_end(const struct segment *source) {
    return source->queue == SEGMENT_SMALL ? SEGMENT_GATHER_SMALL : SEGMENT_GATHER_MAIN;
}

/* The location of the next record at this end, which must have a segment open. What lies there
 * before segment_append() is no part of the log. */
static inline uint64_t segment_tail(const struct segment_log *log, enum segment_end end) {
    uint32_t number = log->open[end];
    return segment_first(log, number) + log->segments[number].used_bytes / ITEM_ALIGN;
}

/* Bytes that can still be appended at this end. */
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

/* Bytes of the segments whose pages are, or may be, resident. */
static inline size_t segment_resident_bytes(const struct segment_log *log) {
    return ((size_t)log->segments_used + log->warm_count) * log->segment_bytes;
}

#endif
