/* What the files of the store share among themselves. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store/index.h"
#include "store/segment.h"
#include "store/store.h"

/* The index takes a segment's memory only while more than these are in use. */
#define STORE_SEGMENTS_MIN 4
#define STORE_MEMORY_BYTES_MAX ((size_t)1 << 46)

/* The fields that a get reads stand together at the front. */
struct store {
    struct index index;
    struct segment_log log;
    uint32_t now;
    uint32_t flush_at;       /* a flush that is still to come, or 0 */
    uint64_t flush_sequence; /* items in segments with a lower sequence are gone */
    uint64_t cas_counter;
    struct store_config config;
    size_t page_bytes;
    size_t fixed_bytes; /* bookkeeping that doesn't change: this struct, the segments' headers */
    uint64_t items;
    uint64_t item_bytes;
    uint64_t items_stored;
    uint64_t evictions;
    uint64_t evicted_unfetched;
    uint64_t expired;
    uint64_t expired_unfetched;
};

/* The outcome of a look-up. */
struct store_found {
    struct item *item; /* NULL: not there */
    uint64_t location;
    struct index_ref ref;
};

/* An item about to be made. bits holds its shape. */
struct store_draft {
    const struct store_key *key;
    uint32_t value_length;
    uint32_t client_flags;
    uint32_t expires;
    uint8_t bits;
};

/* store.c: each operation begins with this: it takes the time and carries out a flush that has
 * come due. */
void store_begin(struct store *store, uint32_t now);
/* Looks up a live item; an item met dead is dropped. */
void store_find(struct store *store, const struct store_key *key, struct store_found *found);
/* What the caller sees of an item. */
void store_show(struct item *item, struct store_item *shown);
bool store_is_flushed(const struct store *store, uint64_t location);
bool store_is_expired(const struct store *store, const struct item *item);
/* Takes an item out of the index and lets its bytes die. */
void store_unlink(struct store *store, const struct store_found *found);
uint64_t store_cas_next(struct store *store);
void store_mark_fetched(struct store *store, struct item *item);

/* place.c: where new items go. */
uint32_t store_draft_bytes(const struct store_draft *draft);
bool store_is_too_large(const struct store *store, uint32_t key_length, uint64_t value_length);
uint8_t store_shape(uint32_t client_flags, uint32_t expires);
bool store_fits_in_place(const struct store *store, const struct store_found *found,
                         const struct store_draft *draft);
/* A new item, header and key filled in but not linked, or NULL when no room can be made. The
 * item found before, if any, stays where it is; found is kept true. */
struct item *store_allocate(struct store *store, const struct store_draft *draft,
                            struct store_found *found, uint64_t *location);
/* The new item takes the place of the one found, or its own. */
void store_link(struct store *store, const struct store_key *key, const struct store_found *found,
                struct item *item, uint64_t location);

/* room.c: who gets the memory. */
size_t store_memory_bytes(const struct store *store);
/* The open segment gets room for that many bytes. false: impossible. */
bool store_room_for_item(struct store *store, uint32_t bytes);
/* The index may grow by what one operation can need, and is brought one step nearer to its proper
 * size. false: impossible. Ends what was found before. */
bool store_room_for_index(struct store *store);
/* Likewise, but only shrinks or grows when that takes no memory from others. */
void store_tend_index(struct store *store);

/* check.c, for tests: stops the program when the store is not what it should be. */
void store_check_memory(const struct store *store);
void store_check(const struct store *store);

#endif
