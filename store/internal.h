/* internal: struct store. Private to the store; what its files offer each other stands in a header
 * per file. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store/drops.h"
#include "store/ghost.h"
#include "store/image_header.h"
#include "store/index.h"
#include "store/prefixes.h"
#include "store/segment.h"
#include "store/store.h"

struct transfer_view;

/* The counters that store_stats_reset() sets to 0; struct store_stats explains them. */
struct store_counters {
    uint64_t items_stored;
    uint64_t evicted_expiring;
    uint64_t evicted_idle;
    uint64_t segments_evicted;
    uint64_t segments_dropped;
    uint64_t segments_cleaned;
    uint64_t cleaned_items;
    uint64_t cleaned_bytes;
    uint64_t moved_bytes;
    uint64_t ghost_hits;
    uint64_t turned_away;
    struct {
        uint64_t hits;
        uint64_t evictions;
        uint64_t evicted_unfetched;
        uint64_t moved_items;
    } queues[SEGMENT_QUEUES];
    uint64_t expired;
    uint64_t expired_unfetched;
    uint64_t flushed;
    uint64_t flushed_prefix;
    uint64_t met_expired;
    uint64_t met_flushed;
    uint64_t crawl_checked;
    uint64_t crawl_reclaimed;
    uint64_t out_of_memory;
};

/* Why a segment is being emptied, and so what becomes of the live items in it. */
enum emptying {
    EMPTYING_FLUSHED, /* it was flushed: few records, extents of newer items, are alive */
    EMPTYING_CLEAN,   /* it is sparse: its live items are gathered with those of others */
    EMPTYING_EVICT,   /* it is the oldest: items that were hit move to the main queue */
    EMPTYING_DROP,    /* its memory is needed within this operation: all items are dropped */
};

/* The segment that is being emptied, a slice per operation. */
struct store_emptying {
    uint32_t segment; /* its number; 0: none */
    enum emptying how;
    uint64_t at; /* location of the next record to be visited */
};

/* The work of the current operation on that segment, and its limits (evict.h). */
struct store_slice {
    uint32_t free_wanted; /* segments: with so many free the work is done */
    uint32_t items;       /* records visited */
    uint32_t items_max;
    uint32_t moved_bytes;
    uint32_t moved_bytes_max;
    /* The record at hand may not be dropped, and there is no space to move it to. */
    bool blocked;
};

/* A value that is received outside of the log (upload.c), at most one at a time. */
struct store_stage {
    char *bytes; /* allocated; NULL: none */
    uint32_t value_length;
    uint32_t received;
};

/* The fields that a get reads stand together at the front. */
struct store {
    struct index index;
    struct segment_log log;
    struct ghost ghost;
    uint32_t now;    /* the time of the current operation */
    uint32_t due_at; /* when a flush, of all or by a prefix, is due, or 0 */
    /* The earliest expiry time (store_expires_soonest()). While a crawl is unfinished: of the items
     * that it has passed, and of those written since it began. */
    uint32_t expires_soonest;
    bool crawl_unfinished;
    /* No item in a segment of this sequence or a higher one is flushed: it is the highest one of
     * flush_sequence and the rules in force. */
    uint64_t flush_newest;
    uint64_t flush_sequence; /* items in segments with a lower sequence are flushed */
    uint64_t cas_counter;
    uint64_t cas_limit; /* the counter stays below it until store_cas_reserve() */
    struct store_config config;
    size_t page_bytes;
    size_t struct_bytes; /* of this struct, in whole pages, and of the image's header */
    size_t wanted_bytes; /* the bound on memory, as set by store_resize() */
    /* The one that holds: less while the file system is full, or old stores take their part. */
    size_t bound_bytes;
    /* Memory in use never exceeds it. Equal to the bound, or above it for as long as memory is
     * still being freed after store_resize(). */
    size_t ceiling_bytes;
    uint64_t items[SEGMENT_QUEUES];      /* live or expired, but not flushed */
    uint64_t item_bytes[SEGMENT_QUEUES]; /* of these, with extents wherever they lie */
    uint32_t flush_at;                   /* when a flush of all is due, or 0 */
    uint32_t flushed_at;                 /* when the last one was carried out, or 0 */
    uint64_t upload_reserved_bytes;      /* the whole values of all uploads */
    uint64_t upload_bytes;               /* the records of uploads in the log */
    uint64_t leased_bytes;               /* the extents of leased items in the log */
    uint32_t uploads;
    uint32_t leases;
    struct store_stage stage;
    struct store_emptying emptying;
    struct store_slice slice;
    /* The optional fields that every item has: with no_eviction those for the expiry time and the
     * flags, so that a full store can set them. */
    uint8_t item_fields;
    uint32_t large_dropped;    /* turned away, or in their place, modulo 2^32: see evict.h */
    uint32_t written_bytes;    /* by the last operation, to new places in the log */
    uint32_t record_bytes_max; /* store_record_bytes_max() */
    /* Bytes that eviction may still move: each byte freed earns EVICT_MOVED_PER_BYTE, up to
     * bound_bytes. */
    uint64_t credit_bytes;
    uint32_t sparse_cursor[SEGMENT_QUEUES]; /* where the search for a sparse segment goes on */
    struct store_counters counters;
    struct transfer_view *transfer; /* items that are in old stores yet; NULL: none */
    uint32_t refused_at;            /* when the file system had no pages left, or 0 */
    struct image_header *image;     /* where the store survives the process; else NULL */
    store_evicted *evicted;         /* of store_tell_evictions(), with its context */
    void *evicted_context;
    store_dropped *dropped; /* of store_tell_drops(), likewise */
    void *dropped_context;
    struct store_prefixes prefixes; /* pages that are not touched before there is a rule */
};

#endif
