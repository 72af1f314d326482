/* What the files of the store share among themselves. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store/ghost.h"
#include "store/index.h"
#include "store/segment.h"
#include "store/store.h"

/* What one operation may do to keep them: for each byte that it writes look at four (no item has
 * less than 20), and move three of these. So that keeps up with writing where a quarter is gained.
 * In the long run eviction moves no more either; it may run ahead of that by once what the memory
 * holds. */
#define EVICT_ITEMS_PER_OPERATION 32
#define EVICT_BYTES_PER_ITEM 5
#define EVICT_MOVED_BYTES_MIN ((uint32_t)64 << 10)
#define EVICT_MOVED_PER_BYTE 3

/* The small queue gives way while it has more than so many thousandths of the segments. On real
 * traces 40 to 100 make no difference. */
#define EVICT_SMALL_SHARE 50

/* The ghosts' part of the memory. */
#define STORE_GHOSTS_PER_MEMORY 50
#define STORE_MEMORY_BYTES_MAX ((size_t)1 << 46)

/* At most this part of the memory is reserved by uploads, and leased, and twice as much is pinned;
 * but one upload and one lease may always be. */
#define STORE_UPLOADS_PART 4
#define STORE_LEASES_PART 4
#define STORE_PINNED_PART 2

/* What store_stats_reset() sets to 0; explained in struct store_stats. */
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
    struct {
        uint64_t hits;
        uint64_t evictions;
        uint64_t evicted_unfetched;
        uint64_t moved_items;
    } queues[SEGMENT_QUEUES];
    uint64_t expired;
    uint64_t expired_unfetched;
    uint64_t flushed;
    uint64_t met_expired;
    uint64_t met_flushed;
    uint64_t crawl_checked;
    uint64_t crawl_reclaimed;
    uint64_t out_of_memory;
};

/* A segment that is being emptied, in slices. */
enum emptying {
    EMPTYING_FLUSHED, /* hardly anything lives */
    EMPTYING_CLEAN,   /* what lives is gathered with that of others */
    EMPTYING_EVICT,   /* what was hit moves to the main queue */
    EMPTYING_DROP,    /* in need of its memory at once */
};

struct store_emptying {
    uint32_t segment; /* 0: none */
    enum emptying how;
    uint64_t at; /* the location up to which it is done */
};

/* How much of that the operation has done, and how much it may do. */
struct store_slice {
    uint32_t free_wanted;
    uint32_t items;
    uint32_t items_max;
    uint32_t moved_bytes;
    uint32_t moved_bytes_max;
    bool stuck; /* what is at hand may not be dropped, and has no room elsewhere for now */
};

/* The fields that a get reads stand together at the front. */
struct store {
    struct index index;
    struct segment_log log;
    struct ghost ghost;
    uint32_t now;
    uint32_t flush_at;        /* a flush that is still to come, or 0 */
    uint32_t expires_soonest; /* see store_expires_soonest(); while a crawl is under way only of
                                 what it has passed and what was written since */
    bool crawl_unfinished;
    uint64_t flush_sequence; /* items in segments with a lower sequence are gone */
    uint64_t cas_counter;
    struct store_config config;
    size_t page_bytes;
    size_t struct_bytes;  /* of this struct, in whole pages */
    size_t bound_bytes;   /* what store_resize() has set */
    size_t ceiling_bytes; /* memory in use never exceeds it; it comes down to the bound in slices */
    uint64_t items[SEGMENT_QUEUES];
    uint64_t item_bytes[SEGMENT_QUEUES]; /* with extents, wherever these lie */
    uint32_t flushed_at;                 /* when the last flush was carried out, or 0 */
    uint64_t upload_reserved_bytes;      /* values that are to come, whole */
    uint64_t upload_bytes;               /* of uploads' records in the log */
    uint64_t leased_bytes;               /* of items under a lease, in the log */
    uint32_t uploads;
    uint32_t leases;
    struct store_emptying emptying;
    struct store_slice slice;
    uint32_t written_bytes;    /* by the last operation, to new places */
    uint32_t record_bytes_max; /* of an item without its extents */
    uint64_t credit_bytes;     /* that eviction may move yet */
    uint32_t sparse_cursor[SEGMENT_QUEUES];
    struct store_counters counters;
};

/* The outcome of a look-up. */
struct store_found {
    struct item *item; /* NULL: not there */
    uint64_t location;
    struct index_ref ref;
};

/* An item about to be made, or a new version of one. bits are all it has but for ITEM_LINKED. */
struct store_draft {
    const struct store_key *key;
    uint64_t cas;
    uint32_t value_length;
    uint32_t extents; /* of a large value, otherwise 0 */
    uint32_t client_flags;
    uint32_t expires;
    uint8_t bits;
    bool inherits; /* the extents of the item found are the draft's from now on */
};

/* store.c: each operation begins with this: it takes the time and carries out a flush that has
 * come due. */
void store_begin(struct store *store, uint32_t now);
/* Drops an item that is dead, and counts it; false when it lives. */
bool store_drop_dead(struct store *store, const struct store_found *found);
/* Looks up a live item; one met dead is dropped. */
void store_find(struct store *store, const struct store_key *key, struct store_found *found);
/* What the caller sees of an item: what every read tells, the state before the call, and all there
 * is, `bytes` too. */
void store_show(const struct store *store, struct item *item, struct store_item *shown);
static inline void store_show_state(const struct item *item, struct store_item *shown) {
    shown->expires_before = item_expires(item);
    shown->access = item->access;
    shown->state = item->bits & ITEM_STATE;
    shown->created = false;
}
void store_show_all(const struct store *store, struct item *item, struct store_item *shown);
static inline bool store_is_flushed(const struct store *store, uint64_t location) {
    const struct segment_log *log = &store->log;
    return log->segments[segment_of(log, location)].sequence < store->flush_sequence;
}
static inline bool store_is_expired(const struct store *store, const struct item *item) {
    uint32_t expires = item_expires(item);
    return expires != 0 && expires <= store->now;
}
/* Takes an item out of the index and lets its bytes die. */
void store_unlink(struct store *store, const struct store_found *found);
/* An item, which is not flushed, counts for the queue of its head from now on, or no longer. */
void store_count(struct store *store, uint64_t location);
void store_discount(struct store *store, uint64_t location);
static inline enum segment_queue_name store_queue_of(const struct store *store, uint64_t location) {
    return store->log.segments[segment_of(&store->log, location)].queue;
}
/* new_cas where it is set, or the next of the counter. */
uint64_t store_cas(struct store *store, bool set_cas, uint64_t new_cas);
static inline void store_note_expiry(struct store *store, uint32_t expires) {
    if (expires != 0 && expires < store->expires_soonest) {
        store->expires_soonest = expires;
    }
}
/* Gives an item its expiry time; it has a field for that, or 0 is what it is to be. */
static inline void store_date(struct store *store, struct item *item, uint32_t expires) {
    item_set_expires(item, expires);
    store_note_expiry(store, expires);
}
void store_mark_fetched(struct store *store, struct item *item);
/* Likewise, and counts the hit for eviction. found.ref has to be true. */
void store_hit(struct store *store, const struct store_found *found);

/* place.c: where new items go. */
/* With key and header, but without what a large item's extents take beside the value. */
size_t store_item_bytes_max(const struct store *store);
bool store_is_too_large(const struct store *store, uint32_t key_length, uint64_t value_length);
/* The longest item in its place, without its extents. */
uint32_t store_record_bytes_max(const struct store *store);
/* The bits of the optional fields that these need. */
uint8_t store_shape(uint32_t client_flags, uint32_t expires, uint64_t cas);
/* A new place for the draft with the key in it; otherwise as store_place(). */
struct item *store_allocate(struct store *store, const struct store_draft *draft,
                            const struct store_found *found, uint64_t *location);
/* A place for the draft: the one that the item found has, still with its old header and value, or a
 * new one. NULL when no room can be made. The item found, if any, stays where it is; found is kept
 * true. The caller writes the value or list, then calls store_settle(). */
struct item *store_place(struct store *store, const struct store_draft *draft,
                         struct store_found *found, uint64_t *location);
/* The item at location is what the draft says, in the index, and the one found. */
void store_settle(struct store *store, const struct store_draft *draft, struct store_found *found,
                  uint64_t location);
/* Copies the item found, if need be, to a place with the optional fields that bits name, empty.
 * false when no room can be made. */
bool store_reshape(struct store *store, const struct store_key *key, struct store_found *found,
                   uint8_t bits);
/* Likewise, and sets the expiry time. */
bool store_set_expires(struct store *store, const struct store_key *key, struct store_found *found,
                       uint32_t expires);

/* store_write.c: what is left of a write whose value is in the upload, or with 0 in write->value;
 * the time is taken. A failure leaves the upload to the caller. */
enum store_status store_carry_out(struct store *store, const struct store_key *key,
                                  const struct store_write *write, uint64_t upload, uint64_t *cas);

/* upload.c: an upload whatever is reserved already; 0 when no room can be made. */
uint64_t store_upload_open(struct store *store, const struct store_key *key, uint32_t value_length,
                           bool joins);
/* Makes the draft the item, with the upload's value; with join, before or after the value that the
 * item found has. false when no room can be made, and the upload goes on. */
bool store_upload_place(struct store *store, uint64_t upload, struct store_draft *draft,
                        struct store_found *found, const enum store_mode *join);

/* large.c: what a head and its extents have in common. */
/* The longest part of a value in one extent. */
uint32_t store_extent_length_max(const struct store *store);
/* Extents of so long a value, at most. */
uint32_t store_extents_max(const struct store *store, uint32_t value_length);
/* The bytes of an item die, and those of its extents with them. */
void store_release(struct store *store, uint64_t location);
/* Those of a head alone, or of an extent. */
void store_release_record(struct store *store, uint64_t location);
/* Keeps the extents of an item where they are; they may die meanwhile. */
void store_pin_extents(struct store *store, const struct item_list *list);
void store_unpin_extents(struct store *store, const struct item_list *list);
bool store_is_pinned_full(const struct store *store);
/* The linked head whose list names this extent, dead or alive; false when an upload has it yet. */
bool store_find_owner(const struct store *store, uint64_t extent, struct store_found *found);
/* An extent of the head's has moved. */
void store_list_move(struct item *head, uint64_t from, uint64_t to);

/* room.c: who gets the memory. */
size_t store_memory_bytes(const struct store *store);
/* What any operation may add to it besides a segment. */
size_t store_memory_slack(const struct store *store);
/* May so many segments be taken? */
bool store_has_free(const struct store *store, uint32_t segments);
bool store_memory_has_room(const struct store *store, size_t bytes);
/* Free segments that only cleaning may take: with -M it must always be able to go on. */
uint32_t store_kept_free(const struct store *store);
/* May the index grow by what one operation can need, without that? */
bool store_index_has_room(const struct store *store);
/* The open segment at an end gets room for so many bytes. Evicts nothing; false: there is none. */
bool store_room_at(struct store *store, enum segment_end end, uint32_t bytes);
/* The same for the one that gathers what source holds. */
bool store_room_to_gather(struct store *store, uint32_t source, uint32_t bytes);
/* As store_room_at() for extents, if need be with what only cleaning may take: much becomes free.
 */
bool store_room_to_rescue(struct store *store, uint32_t bytes);
/* The next huge page of segments comes ahead of need, where there is memory for it. */
void store_warm_ahead(struct store *store);
/* So many are kept free ahead of need. */
uint32_t store_free_wanted(const struct store *store);
/* What an operation begins with that may write: a slice of the work of keeping room for it and
 * those to come, the larger the more the last one wrote. Then, if that is possible, there is room
 * for an item, for an extent of so many bytes, and for the index to grow by what one operation can
 * need. Ends what was found before. */
void store_make_room(struct store *store, uint32_t extent_bytes);
/* The index only shrinks or grows when that takes no memory from others. */
void store_tend_index(struct store *store);

/* evict.c: who gives memory up. */
/* A slice of emptying segments while fewer than so many are free, for an operation that writes so
 * many bytes; false when nothing was left to do, or could be done. */
bool store_evict(struct store *store, uint32_t free_wanted, uint32_t bytes);
/* Goes on until so many are free, or a segment is empty: may take time in proportion to a segment.
 * false: there is none. */
bool store_evict_at_once(struct store *store, uint32_t free_wanted);
/* Is this more than the operation may do? */
void store_check_slice(const struct store *store);

/* check.c, for tests: stops the program when the store is not what it should be. */
void store_check_memory(const struct store *store);
void store_check(const struct store *store);

#endif
