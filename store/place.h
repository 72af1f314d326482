/* place: where a new item, or a new version of one, goes in the log. Private to the store.
 *
 * A write describes the item in a draft, gets a place for it, writes the value there and commits:
 *
 *   store_place() or store_allocate()  ─▶  value or list of extents  ─▶  store_commit()
 */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "store/lookup.h"
#include "store/order.h"

/* An item about to be stored. */
struct store_draft {
    const struct store_key *key;
    uint64_t cas;
    uint32_t value_length;
    uint32_t extents; /* of a large value; 0: an inline one */
    uint32_t client_flags;
    uint32_t expires;
    uint8_t bits;       /* enum item_bits, all but ITEM_LINKED */
    bool inherits;      /* the old version's extents are not released: the draft keeps them */
    bool index_is_full; /* a new key is added without a step of the index, which may take a page */
};

/* The bytes behind the key: of the value, or of the list. Before it is committed a record has this
 * as its value length, so that its own length can be read from it. */
static inline uint32_t store_draft_payload(const struct store_draft *draft) {
    return draft->extents != 0 ? item_list_bytes(draft->extents) : draft->value_length;
}

/* The bytes that the item, or its head, will take. */
static inline uint32_t store_draft_bytes(const struct store_draft *draft) {
    return (uint32_t)item_bytes_of(draft->bits, draft->key->length, store_draft_payload(draft));
}

/* The bits of the optional fields that an item with these values has (part of ITEM_SHAPE). */
static inline uint8_t store_optional_bits(const struct store *store, uint32_t client_flags,
                                          uint32_t expires, uint64_t cas) {
    return (uint8_t)(store->item_fields | (expires != 0 ? ITEM_EXPIRES : 0) |
                     (client_flags != 0 ? ITEM_CLIENT_FLAGS : 0) |
                     (cas >> ITEM_CAS_BITS != 0 ? ITEM_LONG_CAS : 0));
}

/* The CAS value of an item that changes: new_cas with set_cas, else the next of the counter; 0
 * where the store has none. */
uint64_t store_next_cas(struct store *store, bool set_cas, uint64_t new_cas);

/* Makes sure that the counter's value, or the one at which it starts again, may be used. */
void store_cas_reserve(struct store *store);

/* An item that is changed where it lies, by more than one store, does not count as alive for a
 * process that opens the image, if this one is killed meanwhile. */
static inline void store_change_begin(struct item *item) {
    item->bits &= (uint8_t)~ITEM_LINKED;
    store_order();
}

/* The item is complete, with these bits. */
static inline void store_change_end(struct item *item, uint8_t bits) {
    store_order();
    item->bits = bits | ITEM_LINKED;
    store_order();
}

/* The same for a record whose length changes, or what its length is read from: it has `bytes` until
 * the end. Then its length can be read again, and it is not linked, or complete. */
void store_rewrite_begin(struct store *store, uint64_t location, uint32_t bytes);
void store_rewrite_end(struct store *store);

/* A new place for the draft, with the key written there; the item found, if any, stays as it is
 * until the draft is committed. Where there is no memory an inline draft that does not inherit
 * takes the place of the item found, if it is no longer. Else returns NULL, and counts that. */
struct item *store_allocate(struct store *store, const struct store_draft *draft,
                            const struct store_found *found, uint64_t *location);

/* The same at this end: SEGMENT_NEW_SMALL or SEGMENT_NEW_MAIN. */
struct item *store_allocate_at(struct store *store, const struct store_draft *draft,
                               const struct store_found *found, enum segment_end end,
                               uint64_t *location);

/* As store_allocate(), but takes the place of the item found where the draft fits exactly, memory
 * or not: header and value there are still the old ones then. */
struct item *store_place(struct store *store, const struct store_draft *draft,
                         struct store_found *found, uint64_t *location);

/* Writes the draft's header at location and links it in the index instead of the item found, which
 * is released unless it was there. found names the new item afterwards. */
void store_commit(struct store *store, const struct store_draft *draft, struct store_found *found,
                  uint64_t location);

/* Makes sure that the item found has the optional fields that bits name (ITEM_SHAPE), and if need
 * be copies it to a place with empty ones. Returns false when there is no memory; nothing has
 * changed then. */
bool store_add_fields(struct store *store, const struct store_key *key, struct store_found *found,
                      uint8_t bits);
/* The same for the expiry time, which it sets; 0 needs no field. */
bool store_set_expires(struct store *store, const struct store_key *key, struct store_found *found,
                       uint32_t expires);

#endif
