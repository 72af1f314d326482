/* store: the items of one shard.
 *
 * A log of fixed-size segments holds the items, an index of one-cache-line buckets finds them.
 * Memory is bounded by config.memory_bytes: segments, index and bookkeeping together.
 *
 * One thread: a store belongs to one reactor and no other thread touches it. Nothing here reads a
 * clock, does I/O or keeps globals; `now` and the hash function are parameters, so that every
 * behaviour can be tested without waiting.
 *
 * Times are ticks, of whatever length the caller likes, on a scale that starts at 1 or later and
 * never runs backwards. An expiry time of 0 means never; an item with expiry time t is dead from
 * now == t on.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store; /* opaque */

/* Hashes a key: the function that the caller fills struct store_key with. Must return the same
 * value for the same key and seed. */
typedef uint64_t store_hash(const char *key, uint32_t length, uint64_t seed);

struct store_config {
    /* The store calls it, on its own thread, for items that it comes across by itself: when a
     * bucket of the index splits, or a segment is emptied. */
    store_hash *hash;
    uint64_t seed;

    /* The bound on all memory of the store, STORE_MEMORY_BYTES_MIN to STORE_MEMORY_BYTES_MAX. */
    size_t memory_bytes;
    /* The highest bound that store_resize() may set, memory_bytes to STORE_MEMORY_BYTES_MAX. Three
     * times as much address space is reserved, but no memory. */
    size_t memory_bytes_max;
    /* The largest item: header, key and value; at least 1. Never more than a quarter of
     * memory_bytes, nor 1 GiB. */
    size_t item_bytes_max;
    /* When memory is full, writes are refused instead, unless they give back as much memory as they
     * take. Each item takes 8 bytes for an expiry time and flags, whether it has any or not. */
    bool no_eviction;
    /* The size of items doesn't count for eviction, so that it keeps what serves most bytes.
     * Without it, what is large and was not read gives way to several others: most requests are
     * served. */
    bool hits_of_bytes;

    /* This shard's number and the number of shards, below 2^16. CAS values are
     * counter × shards + shard, so that no two shards ever give out the same. */
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
    STORE_NO_MEMORY,   /* no memory could be freed */
    STORE_NON_NUMERIC, /* incr or decr of a value that is no number */
    STORE_BUSY,        /* store_upload_begin() only: retry when an upload has ended */
};

enum store_mode {
    STORE_SET,
    STORE_ADD,
    STORE_REPLACE,
    STORE_APPEND,  /* client_flags and expires are ignored: the item keeps its own */
    STORE_PREPEND, /* likewise */
};

/* A key, in the caller's memory for the length of the call. */
struct store_key {
    const char *bytes;
    uint32_t length; /* 1 to 250 */
    /* config.hash() of the key. Bits 0 to 31 choose the bucket, 32 to 47 are the tag; bits 48 to 63
     * are left to the caller, who chooses the shard by them. */
    uint64_t hash;
};

/* The state of an item: bits of store_item.state. */
enum store_state {
    STORE_WON = 1 << 0,        /* this call won the item: its caller is to store a new value */
    STORE_BINARY_KEY = 1 << 4, /* the key came as base64 and is shown as such */
    STORE_STALE = 1 << 5,      /* marked stale by store_delete(), or stored as stale */
    STORE_TOKEN_SENT = 1 << 6, /* an earlier call has won it */
    STORE_FETCHED = 1 << 7,    /* read since it was stored */
};

/* What is stored under a key. Pointers are valid until the next call that changes this store. */
struct store_item {
    const char *value; /* NULL: the value is large */
    /* The handle of a large value, for store_lease() and store_lease_read(); 0: it is not large.
     * Valid as long as `value` would be, or while it is leased. */
    uint64_t large;
    uint32_t value_length; /* bytes */
    uint32_t client_flags;
    uint32_t expires;
    uint64_t cas;

    /* The state before the call; set by all but store_get() and store_touch(), the hot ones. For an
     * item that the call created these are 0, except access (now), STORE_BINARY_KEY and
     * STORE_WON. */
    uint32_t expires_before;
    uint32_t access; /* when it was last read or stored */
    uint8_t state;   /* enum store_state bits */
    bool created;    /* by this call: the key was missing */

    /* Set by store_peek() and store_scan(). The memory that it takes, with its extents and its slot
     * in the index. */
    uint32_t bytes;
};

/* What store_read() does besides reading: the flags of memcached's mg. */
struct store_read {
    bool no_bump; /* access time, `fetched` and eviction order stay as they are */
    bool touch;   /* sets `expires`, if the key is there */
    uint32_t expires;
    bool vivify; /* creates a missing item, empty, with vivify_expires, and wins it */
    uint32_t vivify_expires;
    /* Wins an item that expires before recache_expires, unless its token was sent. With
     * recache_after_touch the time that touch sets is compared, else the old one. */
    bool recache;
    uint32_t recache_expires;
    bool recache_after_touch;
    bool set_cas; /* an item that is created gets new_cas */
    uint64_t new_cas;
    bool binary_key; /* an item that is created gets STORE_BINARY_KEY */
};

struct store_write {
    enum store_mode mode;
    /* Stores only if the item's CAS is `cas`, else STORE_EXISTS. A missing key is STORE_NOT_FOUND
     * for set and replace, STORE_NOT_STORED for append and prepend; add stores it all the same. */
    bool compare_cas;
    /* With compare_cas, for set and replace: a cas below the item's, but not 0, stores too. The
     * item is stale then, and keeps its expiry time and whether its token was sent. Any other write
     * makes it fresh. */
    bool stale_if_older;
    /* For append and prepend: a missing key is stored, with create_expires, even with
     * compare_cas. */
    bool create;
    bool set_cas;    /* the new CAS is new_cas, all 64 bits of it */
    bool binary_key; /* a new item gets STORE_BINARY_KEY; append and prepend keep what it has */
    uint64_t cas;
    uint64_t new_cas;
    const char *value; /* value_length bytes, not within this store */
    uint32_t value_length;
    uint32_t client_flags;
    uint32_t expires;
    uint32_t create_expires;
};

struct store_delta {
    uint64_t delta;
    bool decrement;   /* stops at 0; an increment wraps at 2^64 */
    bool compare_cas; /* as in struct store_write */
    uint64_t cas;
    bool create; /* a missing key is stored with initial and expires, even with compare_cas */
    uint64_t initial;
    uint32_t expires;
    bool touch; /* an item that is there gets touch_expires */
    uint32_t touch_expires;
    bool set_cas;
    uint64_t new_cas;
    bool binary_key; /* an item that is created gets STORE_BINARY_KEY */
};

/* Without mark_stale and empty the item is removed. */
struct store_removal {
    bool compare_cas;
    uint64_t cas;
    bool mark_stale; /* it stays, stale, its token not sent, with a new CAS */
    /* It stays without its value: client_flags and expires (never, without touch) replace the old
     * ones. It is fresh and keeps its CAS, unless mark_stale is set too. */
    bool empty;
    bool touch; /* with mark_stale or empty: sets expires */
    uint32_t expires;
    uint32_t client_flags;
    bool set_cas; /* an item that stays gets new_cas */
    uint64_t new_cas;
};

/* Of one of the two queues of S3-FIFO: the small one, of new items, and the main one, of items that
 * were read after they were stored. */
struct store_queue_stats {
    /* Since the store was created, or store_stats_reset(). */
    uint64_t hits;
    uint64_t evictions; /* live items dropped to free memory */
    uint64_t evicted_unfetched;
    uint64_t moved_items; /* items that were hit, and moved to the main queue's newest end */

    /* Now. */
    uint64_t items;
    uint64_t item_bytes;
    uint64_t segments;
    uint64_t oldest_time; /* when the oldest segment was opened; 0: no item. Take the least */
};

/* Counters, and sizes as they are now. The values of all shards are added up, except for
 * segment_bytes, evicted_idle, prefixes and oldest_time, whose comments say what to take instead.
 */
struct store_stats {
    /* Since the store was created, or store_stats_reset(). */
    uint64_t items_stored; /* items created, and new versions of items */
    uint64_t evictions;    /* live items dropped to free memory */
    uint64_t evicted_unfetched;
    uint64_t evicted_expiring; /* of these, items with an expiry time */
    uint64_t evicted_idle;     /* ticks since the last of these was read: take the greatest */
    uint64_t segments_evicted; /* segments emptied to free memory */
    uint64_t segments_dropped; /* of these, within one operation, so that no read item was kept */
    uint64_t segments_cleaned; /* segments whose live items were gathered in another */
    uint64_t cleaned_items;    /* the items that were gathered */
    uint64_t cleaned_bytes;
    uint64_t moved_bytes; /* copied by eviction, to the main queue */
    uint64_t ghost_hits;  /* new items whose key was evicted unread a short time ago */
    uint64_t turned_away; /* evicted unread, and too large to count when the key comes back */
    uint64_t expired;     /* expired items dropped */
    uint64_t expired_unfetched;
    uint64_t flushed;         /* flushed items dropped */
    uint64_t flushed_prefix;  /* of these, by their prefix */
    uint64_t met_expired;     /* of `expired`, those dropped by an operation on their key */
    uint64_t met_flushed;     /* the same of `flushed` */
    uint64_t crawl_checked;   /* items that store_crawl() has looked at */
    uint64_t crawl_reclaimed; /* and dropped; they count as expired or flushed, too */
    uint64_t out_of_memory;   /* operations for which no memory could be freed */

    /* Now. */
    uint64_t prefixes; /* rules of store_flush_prefix(), in force or to come: take the greatest */
    uint64_t items;
    uint64_t item_bytes; /* of these: headers, keys, values */
    uint64_t dead_bytes; /* of items overwritten, removed, dropped or flushed, not freed yet */
    uint64_t memory_bytes_max; /* the bound: config.memory_bytes, or as set by store_resize() */
    uint64_t memory_bytes;     /* in use for segments, index, ghosts and bookkeeping */
    uint64_t index_bytes;      /* of these, of the index */
    uint64_t index_buckets;    /* primary buckets of the index, without overflow buckets */
    uint64_t ghost_bytes;      /* of the memory in use, of the ghosts */
    uint64_t segment_bytes; /* the size of one segment; the same in shards of one configuration */
    uint64_t segments;      /* in use */
    uint64_t segments_free; /* that may still be taken */
    uint64_t oldest_time;   /* the lesser one of both queues */
    struct store_queue_stats small;
    struct store_queue_stats main;
    uint64_t uploads;               /* under way */
    uint64_t upload_reserved_bytes; /* their whole values */
    uint64_t leases;
    uint64_t leased_bytes; /* large values with at least one lease */
    uint64_t pinned_bytes; /* segments that can't be evicted because of uploads and leases */
};

/* Creates a store. Reserves address space; memory is touched only as it fills. Returns 0 and sets
 * *store; -ENOMEM; or -EINVAL when config is out of its bounds. The caller ends it with
 * store_destroy(), which accepts NULL. */
int store_create(struct store **store, const struct store_config *config);
void store_destroy(struct store *store);

/* The longest value that an item with a key of key_length can have here, in bytes; the same with
 * and without client flags and expiry time. */
uint32_t store_value_length_max(const struct store *store, uint32_t key_length);

/* The longest value that store_write() keeps in one piece, in bytes: it comes back as item.value.
 * Longer values, and all that come by an upload, are large; so is a shorter one that replaces a
 * large one where there is no memory beside that (no_eviction). Less for longer keys; at least
 * 1.7 KiB. */
uint32_t store_inline_max(const struct store *store, uint32_t key_length);

/* Hints for a batch of keys: first the bucket of each, then, once those have arrived, the item that
 * it probably names. They change nothing, and what they prefetch may be out of date when the
 * operation looks it up. */
void store_prefetch_bucket(const struct store *store, uint64_t hash);
void store_prefetch_item(const struct store *store, uint64_t hash);

/* Reads an item, and counts as a read. STORE_OK and *item, or STORE_NOT_FOUND. */
enum store_status store_get(struct store *store, const struct store_key *key, uint32_t now,
                            struct store_item *item);

/* Sets the expiry time of an item and returns it in *item, as store_get() does. Its CAS stays.
 * STORE_OK, STORE_NOT_FOUND, or STORE_NO_MEMORY: an item stored without an expiry time has no field
 * for one and is copied. */
enum store_status store_touch(struct store *store, const struct store_key *key, uint32_t expires,
                              uint32_t now, struct store_item *item);

/* Stores as write->mode says. With STORE_OK, *cas is the item's new CAS. A failed write leaves the
 * old item as it was, but STORE_TOO_LARGE and STORE_NO_MEMORY of a STORE_SET without compare_cas
 * remove it, since its value is out of date. A value that no item may have is STORE_TOO_LARGE
 * whatever else holds, as in memcached; one that only append or prepend would make too long is
 * STORE_NOT_STORED. A value above store_inline_max() is copied within the call, however long it is:
 * a caller that can't afford that uses an upload. */
enum store_status store_write(struct store *store, const struct store_key *key,
                              const struct store_write *write, uint32_t now, uint64_t *cas);

/* An upload is a value that comes in parts and is not an item yet. The memory it holds is not
 * evicted, so the caller that begins an upload must end or cancel it. All uploads together reserve
 * at most a quarter of the memory bound; one alone may be larger. */

/* How an upload may end: by which modes of struct store_write. */
enum store_upload_end {
    STORE_UPLOAD_STORES, /* any but append and prepend */
    STORE_UPLOAD_JOINS,  /* any */
    /* STORE_SET without compare_cas. Where nothing may be evicted and memory is short, it takes the
     * memory of the item under the key, which is gone then, if its value is large and no shorter;
     * the others are received beyond the memory bound in such a case, one at a time. */
    STORE_UPLOAD_SETS,
};

/* Begins an upload. value_length is that of the whole value, at least 1. STORE_OK and *upload,
 * never 0; STORE_BUSY when other uploads, or leases, hold too much, or a lease the memory to be
 * taken; STORE_TOO_LARGE as store_write(); STORE_NO_MEMORY. The item under the key is not touched,
 * even where a failed store_write() would remove it, but for STORE_UPLOAD_SETS. */
enum store_status store_upload_begin(struct store *store, const struct store_key *key,
                                     uint32_t value_length, enum store_upload_end end, uint32_t now,
                                     uint64_t *upload);

/* Copies the next bytes of the value, value_length of store_upload_begin() in all. STORE_OK, or
 * STORE_NO_MEMORY, after which the upload can only be cancelled. */
enum store_status store_upload_add(struct store *store, uint64_t upload, const char *bytes,
                                   uint32_t length, uint32_t now);

/* Gives out a window for the next bytes of the value: sets *where and returns its length in bytes,
 * or 0 when there is no memory. The caller fills it before it ends the upload; another thread may
 * do so if it learned of the window by a message. Must not be called when store_upload_add() has
 * left the last extent partly filled; the whole window counts as received. */
uint32_t store_upload_window(struct store *store, uint64_t upload, uint32_t now, char **where);

/* Stores the complete value, with the statuses and consequences of store_write(). key is that of
 * store_upload_begin(), write->value_length that of the whole value, write->value is not used. The
 * upload is gone, whatever the status. Copies nothing of the value, but for append and prepend the
 * two extents that meet. */
enum store_status store_upload_end(struct store *store, uint64_t upload,
                                   const struct store_key *key, const struct store_write *write,
                                   uint32_t now, uint64_t *cas);

/* Ends an upload without storing anything. */
void store_upload_cancel(struct store *store, uint64_t upload);

/* A lease keeps a large value readable and unchanged, whatever becomes of its key. `large` is
 * item.large of a look-up since which this store has not changed. Returns false when all leases
 * would keep more than a quarter of the memory bound, or uploads and leases pin half of it: retry
 * when some have ended. When there is no other lease it is granted. A value may be leased any
 * number of times and counts once. Every lease granted is ended once. */
bool store_lease(struct store *store, uint64_t large);
void store_lease_end(struct store *store, uint64_t large);

/* Reads part of a large value: sets *bytes to its byte `offset`, which must be below its length,
 * and returns how many follow there in one piece. Under a lease any thread may call this if it
 * learned of the lease by a message: what is read does not change. */
uint32_t store_lease_read(const struct store *store, uint64_t large, uint32_t offset,
                          const char **bytes);

/* Whether a value of this length takes more than a quarter of what all leases, or all uploads, may
 * hold: 1/16 of the memory bound. */
bool store_is_bulk(const struct store *store, uint32_t value_length);

/* Removes an item, or marks it stale, or empties it, or both, as memcached's md does. STORE_OK,
 * STORE_NOT_FOUND, with compare_cas STORE_EXISTS; STORE_NO_MEMORY when the item stays but has to be
 * copied. */
enum store_status store_delete(struct store *store, const struct store_key *key,
                               const struct store_removal *removal, uint32_t now);

/* Adds to or subtracts from a decimal number, which a large value never is. A result with fewer
 * digits than the old value is padded with spaces to its length. *number is the new value, *item
 * the item with its new CAS and expiry time. As in memcached: an item whose number gets longer is
 * stored anew, fresh and not fetched; an empty value is STORE_NON_NUMERIC whatever its CAS.
 * STORE_NOT_FOUND, STORE_EXISTS, STORE_NON_NUMERIC, STORE_TOO_LARGE and STORE_NO_MEMORY leave the
 * item as it was. */
enum store_status store_delta(struct store *store, const struct store_key *key,
                              const struct store_delta *delta, uint32_t now, uint64_t *number,
                              struct store_item *item);

/* Reads an item as memcached's mg does, and touches, creates or wins it as asked. A stale item
 * whose token was not sent is won in any case. The token of an item that was won counts as sent
 * until the item is stored or marked stale again. STORE_OK; STORE_NOT_FOUND, also when there is no
 * memory to create the item; STORE_NO_MEMORY when there is none to touch it. */
enum store_status store_read(struct store *store, const struct store_key *key,
                             const struct store_read *read, uint32_t now, struct store_item *item);

/* Shows all of an item; does not count as a read. STORE_OK or STORE_NOT_FOUND. */
enum store_status store_peek(struct store *store, const struct store_key *key, uint32_t now,
                             struct store_item *item);

/* What a look-up would find, which changes nothing: a dead item stays where it is. */
enum store_presence { STORE_PRESENT, STORE_MISSING, STORE_EXPIRED, STORE_FLUSHED };

/* Sets *value_length for one that is present. */
enum store_presence store_look(struct store *store, const struct store_key *key, uint32_t now,
                               uint32_t *value_length);

/* A live item with its key; both may be used until the visit ends. */
struct store_entry {
    const char *key;
    uint32_t key_length;
    struct store_item item;
};

/* Called for each item of a scan; must not change the store. Returns false to refuse the item,
 * which ends the slice before it. */
typedef bool store_visit(void *context, const struct store_entry *entry);

/* One slice of a scan over all live items. *cursor is 0 at the start, then what the last slice left
 * there; it stays valid whatever is done to the store between two slices. An item that is there all
 * the time is visited exactly once, written or not; one that comes or goes meanwhile at most once.
 * A slice looks at no more than items_max (at least 1) items, dead ones included, and buckets of
 * the index. Returns false at the end of the scan, with *cursor 0 again.
 *
 * While items move here from old stores (transfer.h) no slice gets anywhere.
 *
 * Order and cursor follow from the 64 bits of the hash. Two keys with equal hashes, which 10^8
 * items have with a chance of 1 in 3,700, are visited together: they may exceed items_max by one,
 * and when the second is refused both are visited again. */
bool store_scan(struct store *store, uint64_t *cursor, uint32_t items_max, uint32_t now,
                store_visit *visit, void *context);

/* One slice of a crawl: a scan that drops expired and flushed items; *cursor, items_max and the
 * result as above; one crawl at a time. One that ends has dropped all that is covered by the rules
 * of store_flush_prefix() that were in force when it began: they are gone then. Adds the items
 * looked at to *checked, and those dropped to *reclaimed. */
bool store_crawl(struct store *store, uint64_t *cursor, uint32_t items_max, uint32_t now,
                 uint64_t *checked, uint64_t *reclaimed);

/* Called for each live item that is dropped to free memory, before it is; must not use the store.
 */
typedef void store_evicted(void *context, const struct store_entry *entry);

/* Has a function called from now on; NULL: none, as at first. */
void store_tell_evictions(struct store *store, store_evicted *evicted, void *context);

/* When the next crawl is worth its while: no item expires before that time, and since the last one
 * nothing was flushed before it. UINT32_MAX: no item has an expiry time. 0: at once, since the last
 * crawl has not reached its end. store_flushes_prefixes() is to be asked besides. */
uint32_t store_expires_soonest(const struct store *store);

/* Whether memory is left for what is stored next, that of flushed items included, so that nothing
 * alive will be dropped soon. */
bool store_has_room(const struct store *store);

/* Sets the bound on memory, STORE_MEMORY_BYTES_MIN to config.memory_bytes_max bytes. Returns 0 or
 * -EINVAL. A bound too low for the largest item, eight segments and the bookkeeping is raised to
 * that; store_stats() tells the result. Segments keep their size, and so does the largest item.
 * Memory above a lower bound is freed by store_maintain(); until that is done writes evict for
 * themselves, and the memory in use never grows by more than a few pages. What uploads and leases
 * pin is freed when they end. */
int store_resize(struct store *store, size_t memory_bytes);

/* One slice of background work: keeps segments free ahead of need; after store_resize() evicts and
 * gives memory back to the system; in a large store touches the next huge page. Bounded as any
 * other operation. Returns true while there is more that can be done. */
bool store_maintain(struct store *store, uint32_t now);

/* Everything stored before the time `at` is gone from then on. With at <= now that is at once, and
 * items stored after the call, even in the same tick, stay. A call replaces an earlier one that
 * has not come due. O(1): the items are dropped later. */
void store_flush(struct store *store, uint32_t at, uint32_t now);

/* The same for items whose keys begin with the prefix, of 1 to 250 bytes. Each call adds a rule,
 * which is in force, from its time on, until a crawl (store_crawl()) has dropped what it covers;
 * meanwhile those items count as expired ones do. It replaces a rule with the same prefix that is
 * to come, and, if it is in force at once, those in force whose prefixes begin with its own. False,
 * with nothing changed, when there are STORE_PREFIXES_MAX others. */
#define STORE_PREFIXES_MAX 64
bool store_flush_prefix(struct store *store, const char *prefix, uint32_t length, uint32_t at,
                        uint32_t now);

/* Whether a rule is in force: then a crawl is to be begun, and to run to its end. */
bool store_flushes_prefixes(const struct store *store);

/* The number of rules, in force or to come. */
uint32_t store_prefixes(const struct store *store);

void store_stats(const struct store *store, struct store_stats *stats);

/* Segments in use by age: classes[i] of them are younger than bounds[i] ticks (which rise), the
 * last of count + 1 classes are older than all. Of more than STORE_AGES_SAMPLES segments it looks
 * at about so many, and counts each for several: the time that it takes is bounded. */
#define STORE_AGES_SAMPLES 1024
struct store_ages {
    const uint32_t *bounds;
    uint32_t count;
    uint64_t *small; /* classes of the small queue and of the main one; added to */
    uint64_t *main;
};
void store_count_ages(const struct store *store, uint32_t now, const struct store_ages *ages);

/* Sets the counters (not the sizes) of store_stats() to 0. */
void store_stats_reset(struct store *store);

/* The number of items; expired ones that were not dropped yet count. */
uint64_t store_items(const struct store *store);

#endif
