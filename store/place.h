/* place: where a new item, or a new version of one, goes in the log. Private to the store.
 *
 * A write describes the item in a draft, gets a place for it, writes the value there and commits:
 *
 *   store_place() or store_allocate()  ─▶  value or list of extents  ─▶  store_commit()
 */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "store/lookup.h"

/* An item about to be stored. */
struct store_draft {
    const struct store_key *key;
    uint64_t cas;
    uint32_t value_length;
    uint32_t extents; /* of a large value; 0: an inline one */
    uint32_t client_flags;
    uint32_t expires;
    uint8_t bits;  /* enum item_bits, all but ITEM_LINKED */
    bool inherits; /* the old version's extents are not released: the draft keeps them */
};

/* The bits of the optional fields that these values need (part of ITEM_SHAPE). */
uint8_t store_optional_bits(uint32_t client_flags, uint32_t expires, uint64_t cas);

/* The CAS value of an item that changes: new_cas with set_cas, else the next of the counter; 0
 * where the store has none. */
uint64_t store_next_cas(struct store *store, bool set_cas, uint64_t new_cas);

/* A new place for the draft, with the key written there. Returns NULL when there is no memory. The
 * item found, if any, stays as it is until the draft is committed. */
struct item *store_allocate(struct store *store, const struct store_draft *draft,
                            const struct store_found *found, uint64_t *location);

/* The same, but takes the place of the item found where the draft fits exactly. Header and value
 * there are still the old ones. */
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
