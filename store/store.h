/* store: the items of one shard.
 *
 * A log of fixed-size segments holds the items, an index of one-cache-line buckets finds them.
 * Memory is bounded by config.memory_bytes: segments, index and bookkeeping together.
 *
 * One thread: a store belongs to one reactor and no other thread touches it. Nothing here reads a
 * clock, does I/O or keeps globals; `now` and the hash function are parameters, so that every
 * behaviour can be tested without waiting.
 *
 * Times are whole seconds on the store's own scale, which starts at 1 or later and never runs
 * backwards. An expiry time of 0 means never; an item with expiry time t is dead from now == t on.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store; /* opaque */

/* The hash of a key as struct store_key has it; the same for the same seed. */
typedef uint64_t store_hash(const char *key, uint32_t length, uint64_t seed);

struct store_config {
    /* The store calls it, on its own thread, where it meets an item whose key nobody has asked
     * for. */
    store_hash *hash;
    uint64_t seed;
    /* The bound on everything; STORE_MEMORY_BYTES_MIN to 2^46. */
    size_t memory_bytes;
    /* store_resize() may go up to this; three times as much address space is reserved for it, and
     * nothing else. memory_bytes to 2^46. */
    size_t memory_bytes_max;
    /* Key, value and header of one item, at least 1; a quarter of memory_bytes, and 1 GiB, bound it
     * as well. */
    size_t item_bytes_max;
    bool no_eviction; /* when memory is full, writes are refused instead */
    /* This shard's number and the number of shards, below 2^16: CAS values are
     * counter × shards + shard. */
    uint32_t shard;
    uint32_t shards;
    bool no_cas; /* all CAS values are 0 */
};

#define STORE_MEMORY_BYTES_MIN ((size_t)1 << 20)
#define STORE_MEMORY_BYTES_MAX ((size_t)1 << 46) /* what a location in the index can name */

enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,
    STORE_EXISTS,      /* the CAS differs */
    STORE_NOT_STORED,  /* the condition of add, replace, append or prepend does not hold */
    STORE_TOO_LARGE,   /* larger than any item may be */
    STORE_NO_MEMORY,   /* no room could be made */
    STORE_NON_NUMERIC, /* incr or decr of a value that is no number */
    STORE_BUSY,        /* store_upload_begin() only: to be tried again when an upload has ended */
};

enum store_mode {
    STORE_SET,
    STORE_ADD,
    STORE_REPLACE,
    STORE_APPEND,  /* client_flags and expires are ignored: the item keeps its own */
    STORE_PREPEND, /* likewise */
};

/* hash is config.hash() of the key. Bits 0..31 choose the bucket, 32..47 are the tag; the rest
 * is the caller's (it chooses the shard by 48..63). */
struct store_key {
    const char *bytes;
    uint32_t length; /* 1 to 250 */
    uint64_t hash;
};

/* How an item stands: store_item.state. */
enum store_state {
    STORE_WON = 1 << 0,        /* by this call: the caller is to renew it */
    STORE_BINARY_KEY = 1 << 4, /* it was made so */
    STORE_STALE = 1 << 5,      /* it was marked so by a store_removal, or stored so */
    STORE_TOKEN_SENT = 1 << 6, /* somebody has won it before */
    STORE_FETCHED = 1 << 7,    /* it was read since it was stored */
};

/* What is stored under a key. value is lent until the next call that changes this store. That of a
 * large item is NULL: it is read with store_lease_read(), which until the next call that changes
 * this store, or under a lease, takes what `large` says. */
struct store_item {
    const char *value;
    uint64_t large; /* 0: value is all there */
    uint32_t value_length;
    uint32_t client_flags;
    uint32_t expires;
    uint64_t cas;

    /* Filled in by all but store_get() and store_touch(), which are the hot ones. As they were
     * before the call; for an item that it makes 0, but access is now, and STORE_BINARY_KEY and
     * STORE_WON are said of it, too. */
    uint32_t expires_before;
    uint32_t access; /* when it was read last, or stored */
    uint8_t state;   /* enum store_state bits */
    bool created;    /* by this call, for a key that was missing */

    /* Filled in by store_peek() and store_scan(). */
    uint32_t bytes; /* what it takes in memory, extents and its slot in the index included */
};

struct store_read {
    bool no_bump; /* neither access time nor `fetched` nor the eviction order notice this */
    bool touch;   /* sets expires of an item that is there */
    uint32_t expires;
    bool vivify; /* a missing item is made, empty, with vivify_expires; it is won */
    uint32_t vivify_expires;
    bool recache; /* an item that expires, and before this time, is won unless its token was sent */
    uint32_t recache_expires;
    bool recache_after_touch; /* that is judged by the time that touch sets, not by the old one */
    bool set_cas;             /* of an item that is made */
    uint64_t new_cas;
    bool binary_key; /* likewise */
};

struct store_write {
    enum store_mode mode;
    bool compare_cas;    /* with it: STORE_NOT_FOUND when the key is missing (append and prepend say
                         STORE_NOT_STORED all the same), STORE_EXISTS when cas differs */
    bool stale_if_older; /* with compare_cas, set and replace: a cas below the item's, but not 0,
                         stores; the item is stale then and keeps its expiry time and whether its
                         token was sent. Any other write makes it fresh. */
    bool create;         /* append, prepend: a missing item is made, with create_expires, whatever
                         compare_cas says */
    bool set_cas;        /* the new CAS is new_cas, all 64 bits of it */
    bool binary_key;     /* of an item that is made; append and prepend keep what it is */
    uint64_t cas;
    uint64_t new_cas;
    const char *value;
    uint32_t value_length;
    uint32_t client_flags;
    uint32_t expires;
    uint32_t create_expires;
};

struct store_delta {
    uint64_t delta;
    bool decrement;   /* stops at 0; an increment wraps at 2^64 */
    bool compare_cas; /* as in store_write */
    uint64_t cas;
    bool create; /* a missing item is created with initial and expires, compare_cas or not */
    uint64_t initial;
    uint32_t expires;
    bool touch; /* an item that is there gets touch_expires */
    uint32_t touch_expires;
    bool set_cas;
    uint64_t new_cas;
    bool binary_key; /* of an item that is made */
};

struct store_removal {
    bool compare_cas;
    uint64_t cas;
    bool mark_stale; /* instead of removing: it is stale from now on, its token unsent, and it has a
                     new CAS */
    bool touch;      /* with mark_stale or empty: sets expires */
    uint32_t expires;
    bool empty; /* instead of removing: the value is dropped; client_flags and expires (without
                touch: never) replace the old ones. It is fresh, unless marked, and keeps its CAS */
    uint32_t client_flags;
    bool set_cas; /* the new CAS of an item that stays, marked or emptied */
    uint64_t new_cas;
};

/* Of one of the two queues: the small one of what is new, the main one of what was read since. */
struct store_queue_stats {
    /* Since the store was made, or store_stats_reset(). */
    uint64_t hits;
    uint64_t evictions; /* live items dropped to make room */
    uint64_t evicted_unfetched;
    uint64_t moved_items; /* items that were hit and moved to the main queue's newest end instead */

    /* Now. */
    uint64_t items;
    uint64_t item_bytes;
    uint64_t segments;
    uint64_t oldest_time; /* when the oldest segment was opened; 0: no item. Take the least */
};

/* What the store counts, and sizes as they are now. Those of all shards are summed, but for
 * segment_bytes, evicted_idle and oldest_time, which say how. */
struct store_stats {
    /* Since the store was made, or store_stats_reset(). */
    uint64_t items_stored; /* ever linked or written anew in their place */
    uint64_t evictions;    /* live items dropped to make room */
    uint64_t evicted_unfetched;
    uint64_t evicted_expiring; /* of these, those that had an expiry time */
    uint64_t evicted_idle; /* seconds that the last of these had not been read: take the greatest */
    uint64_t segments_evicted; /* segments emptied to make room */
    uint64_t segments_dropped; /* in need of memory at once, and without regard to what was read */
    uint64_t segments_cleaned; /* segments whose live items were gathered in another */
    uint64_t cleaned_items;
    uint64_t cleaned_bytes; /* copied for that */
    uint64_t moved_bytes;   /* copied from queue to queue */
    uint64_t ghost_hits;    /* items that came back soon after they were evicted unread */
    uint64_t expired;       /* items found past their time and dropped */
    uint64_t expired_unfetched;
    uint64_t flushed;     /* items found flushed and dropped */
    uint64_t met_expired; /* of these both, those that an operation on their key met */
    uint64_t met_flushed;
    uint64_t crawl_checked;   /* what store_crawl() has looked at */
    uint64_t crawl_reclaimed; /* and what it has dropped: expired, which counts above too, or
                                 flushed */
    uint64_t out_of_memory;   /* operations for which no room could be made */

    /* Now. */
    uint64_t items;
    uint64_t item_bytes; /* of these, with headers */
    uint64_t dead_bytes; /* of segments in use: overwritten, removed, expired and found, flushed */
    uint64_t
        memory_bytes_max;   /* the bound: config.memory_bytes, or what store_resize() made of it */
    uint64_t memory_bytes;  /* in use for segments, index and bookkeeping */
    uint64_t index_bytes;   /* of these the index's */
    uint64_t index_buckets; /* that keys are spread over; there are more, behind full ones */
    uint64_t ghost_bytes;   /* and what remembers evicted keys */
    uint64_t segment_bytes; /* size of one segment; the same in shards made alike */
    uint64_t segments;      /* in use */
    uint64_t segments_free; /* may still be taken */
    uint64_t oldest_time;   /* the lesser one of the queues */
    struct store_queue_stats small;
    struct store_queue_stats main;
    uint64_t uploads;               /* under way */
    uint64_t upload_reserved_bytes; /* their values when they are complete */
    uint64_t leases;
    uint64_t leased_bytes; /* of large values under one or more of them */
    uint64_t pinned_bytes; /* segments that can't be evicted because of uploads and leases */
};

/* Makes a store. Reserves address space, touches memory only as it fills. Returns 0 and sets
 * *store, or -ENOMEM, or -EINVAL when config is out of its bounds. The caller ends it with
 * store_destroy(), which accepts NULL. */
int store_create(struct store **store, const struct store_config *config);
void store_destroy(struct store *store);

/* The longest value that an item with a key of key_length can have here, in bytes; the same with
 * and without client flags and expiry time. */
uint32_t store_value_length_max(const struct store *store, uint32_t key_length);

/* The longest value that is kept in one piece: it comes back as item.value, unless it came by an
 * upload. Longer ones are large. Greater for shorter keys; it is at least 1.7 KiB. */
uint32_t store_inline_max(const struct store *store, uint32_t key_length);

/* Hints for a batch: first the bucket of each key, then, once those have arrived, the item that it
 * probably names. They read nothing that a stale hint could break: look-ups happen at execution. */
void store_prefetch_bucket(const struct store *store, uint64_t hash);
void store_prefetch_item(const struct store *store, uint64_t hash);

/* STORE_OK and *item, or STORE_NOT_FOUND. */
enum store_status store_get(struct store *store, const struct store_key *key, uint32_t now,
                            struct store_item *item);

/* Sets the expiry time of an item and returns it in *item, as store_get(). Its CAS stays. May
 * return STORE_NO_MEMORY, too: an item stored without an expiry time has no field for one and is
 * copied. */
enum store_status store_touch(struct store *store, const struct store_key *key, uint32_t expires,
                              uint32_t now, struct store_item *item);

/* Stores as write->mode says; *cas is the item's new CAS with STORE_OK. A failed write leaves the
 * item as it was, but for STORE_TOO_LARGE and STORE_NO_MEMORY of a STORE_SET without compare_cas,
 * which drop it (a stale value would be worse than none). A value that is too large by itself is
 * STORE_TOO_LARGE whatever else holds, as memcached answers; one that append or prepend would make
 * too large is STORE_NOT_STORED. write->value may not point into this store. A value above
 * store_inline_max() is copied within the call, however long it is: whoever can't afford that uses
 * an upload. */
enum store_status store_write(struct store *store, const struct store_key *key,
                              const struct store_write *write, uint32_t now, uint64_t *cas);

/* An upload: a value that comes in parts and is no item yet. Between begin and end it holds memory
 * that nothing takes away from it (all uploads together at most a quarter of the bound, or one that
 * is larger), so that whoever begins it must end or cancel it. */

/* value_length: of the whole, at least 1; joins: it may end as append or prepend, else it must not.
 * STORE_OK and *upload, which is never 0; STORE_BUSY: there are others and they hold too much, or
 * pins do; STORE_TOO_LARGE, as store_write(); STORE_NO_MEMORY: no room could be made. What such a
 * write would do to an item that is there is left to the caller. */
enum store_status store_upload_begin(struct store *store, const struct store_key *key,
                                     uint32_t value_length, bool joins, uint32_t now,
                                     uint64_t *upload);

/* The next bytes of the value; copies them. STORE_OK or STORE_NO_MEMORY, after which the upload can
 * only be cancelled. No more than value_length in all. */
enum store_status store_upload_add(struct store *store, uint64_t upload, const char *bytes,
                                   uint32_t length, uint32_t now);

/* The same in place: where the next bytes of the value belong, and how many lie there in one piece;
 * 0 without memory. The caller writes them before it ends the upload, by whatever thread learns of
 * the place by a message. Not between two calls of store_upload_add(). */
uint32_t store_upload_window(struct store *store, uint64_t upload, uint32_t now, char **where);

/* The value is complete: stores it, as store_write() with the same statuses and consequences.
 * key is the one that it was begun with, write->value_length the whole and write->value unused.
 * The upload is gone, whatever comes of it. Costs no copy of the value, not even for append and
 * prepend, which copy at most the two extents that meet. */
enum store_status store_upload_end(struct store *store, uint64_t upload,
                                   const struct store_key *key, const struct store_write *write,
                                   uint32_t now, uint64_t *cas);

void store_upload_cancel(struct store *store, uint64_t upload);

/* A lease keeps a large value that was just found, unchanged, whatever becomes of its key. large is
 * item.large, and no call that changes this store may lie between. false: all leases together would
 * keep more than a quarter of the bound, or uploads and leases half of it; try again when some have
 * ended. One may always be had when there is no other. The same value may be leased ever so often,
 * and counts once. */
bool store_lease(struct store *store, uint64_t large);

/* Whether a value of that length is more than a quarter of what all leases, or uploads, may hold.
 */
bool store_is_bulk(const struct store *store, uint32_t value_length);
void store_lease_end(struct store *store, uint64_t large);

/* Where the bytes of a large value from offset on lie (offset below its length), and how many
 * there are in one piece. Under a lease any thread may call this, if it learned of the lease by
 * a message: what is read does not change. */
uint32_t store_lease_read(const struct store *store, uint64_t large, uint32_t offset,
                          const char **bytes);

/* Removes an item, or marks it stale, or empties it, as memcached's md; marking and emptying may be
 * combined. STORE_OK, STORE_NOT_FOUND, with compare_cas STORE_EXISTS; where the item stays but has
 * to be copied, STORE_NO_MEMORY. */
enum store_status store_delete(struct store *store, const struct store_key *key,
                               const struct store_removal *removal, uint32_t now);

/* Adds to or subtracts from a decimal number, which a large value never is; a shorter result of
 * a decrement is padded with spaces to the old length. *number is the new value, *item the item
 * with its new CAS and time. A stale item becomes fresh, and `fetched` is forgotten, when the
 * number grows longer than the value was, as in memcached; an empty value is STORE_NON_NUMERIC
 * whatever the CAS. STORE_NOT_FOUND, STORE_EXISTS, STORE_NON_NUMERIC, STORE_TOO_LARGE,
 * STORE_NO_MEMORY leave the item as it was. */
enum store_status store_delta(struct store *store, const struct store_key *key,
                              const struct store_delta *delta, uint32_t now, uint64_t *number,
                              struct store_item *item);

/* memcached's mg: reads, and as asked for touches, makes or wins an item. A stale item whose token
 * was not sent is won, whatever is asked for. What is won has its token sent from then on, until it
 * is stored or marked stale anew. STORE_OK, STORE_NOT_FOUND; STORE_NO_MEMORY when an item had to be
 * made or copied. */
enum store_status store_read(struct store *store, const struct store_key *key,
                             const struct store_read *read, uint32_t now, struct store_item *item);

/* What is known of an item; nothing notices this. STORE_OK or STORE_NOT_FOUND. */
enum store_status store_peek(struct store *store, const struct store_key *key, uint32_t now,
                             struct store_item *item);

/* A scan over all items in slices. *cursor is 0 at the start, then whatever the last call left
 * there; it stays good whatever is done to the store between two calls. An item that is there all
 * the time is seen exactly once, unwritten or written ever so often; one that comes or goes
 * meanwhile at most once. (Order and cursor follow from the 64 bits of the hash. Should those of
 * two keys be equal, which 10^8 items have a chance of 1 in 3,700 for, the two go together: they
 * may exceed items_max by one, and are seen again when visit refuses the second.)
 *
 * Calls visit for what lives, and ends early, before an item that visit refuses by returning
 * false. Items looked at, dead ones too, and buckets of the index finished are no more than
 * items_max, at least 1. Returns false when the scan is at its end, with *cursor 0 again. visit
 * may not change the store. */
struct store_entry {
    const char *key;
    uint32_t key_length;
    struct store_item item;
};
typedef bool store_visit(void *context, const struct store_entry *entry);
bool store_scan(struct store *store, uint64_t *cursor, uint32_t items_max, uint32_t now,
                store_visit *visit, void *context);

/* One slice of a scan that drops what has expired or was flushed; *cursor and items_max as above.
 * Adds to *checked and *reclaimed. Returns false at the end. */
bool store_crawl(struct store *store, uint64_t *cursor, uint32_t items_max, uint32_t now,
                 uint64_t *checked, uint64_t *reclaimed);

/* No item expires before this, so no crawl is worth its while before; UINT32_MAX: none ever
 * does; 0: it is at once, since all was flushed, or the last crawl was not finished. */
uint32_t store_expires_soonest(const struct store *store);

/* Sets the bound on memory, between STORE_MEMORY_BYTES_MIN and config.memory_bytes_max: 0 or
 * -EINVAL. A bound too low for the largest item, eight segments and the bookkeeping is raised to
 * that, as store_stats() tells. Segments keep their size, and with it the largest item. Above
 * the bound, memory is freed by store_maintain(); until then writes evict for themselves, and the
 * memory in use never grows, but for a few pages. What is pinned by uploads and leases is freed
 * when they end. */
int store_resize(struct store *store, size_t memory_bytes);

/* A slice of the work that waits to be done: after store_resize(), evicting and giving memory
 * back to the system; in a large store, touching the next huge page. Bounded as any other
 * operation. Returns true while there is more that can be done. */
bool store_maintain(struct store *store, uint32_t now);

/* Sets the counters (not the sizes) of store_stats() to 0. */
void store_stats_reset(struct store *store);

/* Everything stored before the moment `at` is gone from then on; at <= now means at once, and what
 * is stored after the call, in the same second, survives. A later call replaces one that has not
 * come due. O(1). */
void store_flush(struct store *store, uint32_t at, uint32_t now);

void store_stats(const struct store *store, struct store_stats *stats);

/* How many items there are; expired ones that nobody has met count. */
uint64_t store_items(const struct store *store);

#endif
