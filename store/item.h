/* item: how one item lies in a segment. Private to the store.
 *
 *   0          4          8          12       14  15  16
 *   +----------+----------+----------+--------+---+---+
 *   | value    | last     | CAS      | CAS    |key|bit|
 *   | length   | access   | 0..31    | 32..47 |len|s  |
 *   +----------+-+--------+-----+----+-------++---+---+
 *   | expires    | client flags | CAS 48..63 |  key bytes, value bytes, padding to 4
 *   | if present | if present   | if present |
 *   +------------+--------------+------------+---------------------------------------------------
 *
 * The hash is not kept. Splitting a bucket and evicting a segment start from the item and compute
 * the hash from the key (index_hash()), which costs less than 4 more bytes in every item would.
 * Only meta's E flag makes a CAS longer than 48 bits.
 *
 * A large item is a head that holds a list in the place of the value (bit 31 of the value length
 * marks it). The value lies in extents: records of the log with the same header and a key length of
 * 0. Items and extents are both called records.
 *
 *   head    | header | key | count 4 | bytes 4 | leases 4 | location 8, end 4 | location, end | ...
 *   extent  | header: length, in the place of the CAS bits 0..47 of its head's hash, bits | bytes
 *
 * An extent is linked as long as its item is, or while the upload that brought it is under way.
 * Heads stand in the index, expire and are flushed; extents do not.
 */
#ifndef STORE_ITEM_H
#define STORE_ITEM_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ITEM_ALIGN 4u
#define ITEM_KEY_LENGTH_MAX 250u
#define ITEM_RECORD_BYTES_MIN 20u /* a header and one byte, aligned */
#define ITEM_CAS_BITS 48
#define ITEM_LARGE ((uint32_t)1 << 31) /* a bit of value_length */
#define ITEM_BYTES_MAX (((size_t)1 << 30) - 1)
/* A word that fills the log between two records, where the first one was made shorter. No record
 * begins with it: a value is never that long. */
#define ITEM_PAD UINT32_MAX
#define ITEM_HEAD_HASH_MASK (((uint64_t)1 << ITEM_CAS_BITS) - 1)

/* The values of the optional fields' bits are chosen for item_optional_bytes(), those of the last
 * four for store_show_state(). */
enum item_bits {
    ITEM_LINKED = 1 << 0, /* it is alive: an index entry, a list or an upload names it */
    ITEM_LONG_CAS = 1 << 1,
    ITEM_EXPIRES = 1 << 2,
    ITEM_CLIENT_FLAGS = 1 << 3,
    ITEM_BINARY_KEY = STORE_BINARY_KEY,
    ITEM_STALE = STORE_STALE,
    ITEM_TOKEN_SENT = STORE_TOKEN_SENT,
    ITEM_FETCHED = STORE_FETCHED,
};

#define ITEM_STATE (ITEM_BINARY_KEY | ITEM_STALE | ITEM_TOKEN_SENT | ITEM_FETCHED)

/* The bits that change where the key and the value lie. Where nothing may be evicted, all items
 * have the first two fields, so that a time and flags can be set in a full store. */
#define ITEM_SHAPE (ITEM_EXPIRES | ITEM_CLIENT_FLAGS | ITEM_LONG_CAS)

struct item {
    uint32_t value_length; /* may have ITEM_LARGE set: see item_value_length() */
    uint32_t access;       /* when it was last read or stored */
    uint32_t cas_low;
    uint16_t cas_high;
    uint8_t key_length;
    uint8_t bits;
    char body[];
};

_Static_assert(offsetof(struct item, body) == 16, "the picture above");

/* One extent in a list: its location, and the offset in the value at which it ends. Packed since a
 * key of any length stands before the list. */
struct item_extent {
    uint64_t location;
    uint32_t end;
} __attribute__((packed));

struct item_list {
    uint32_t count;
    uint32_t bytes;       /* of the extents in the log */
    uint32_t leases : 31; /* granted and not ended */
    uint32_t shared : 1;  /* extents were leased by way of an earlier head, and may still be */
    struct item_extent extents[];
} __attribute__((packed));

/* The bytes that the optional fields take. */
static inline uint32_t item_optional_bytes(uint8_t bits) {
    return ((bits & ITEM_EXPIRES) ? 4u : 0u) + ((bits & ITEM_CLIENT_FLAGS) ? 4u : 0u) +
           ((bits & ITEM_LONG_CAS) ? 2u : 0u);
}

static inline uint64_t item_bytes_of(uint8_t bits, uint32_t key_length, uint32_t value_length) {
    uint64_t bytes = offsetof(struct item, body) + item_optional_bytes(bits) +
                     (uint64_t)key_length + value_length;
    return (bytes + ITEM_ALIGN - 1) & ~(uint64_t)(ITEM_ALIGN - 1);
}

static inline bool item_is_large(const struct item *item) {
    return item->value_length & ITEM_LARGE;
}

static inline bool item_is_extent(const struct item *item) {
    return item->key_length == 0;
}

static inline uint32_t item_value_length(const struct item *item) {
    return item->value_length & ~ITEM_LARGE;
}

/* The list of a large item. */
static inline const struct item_list *item_list_read(const struct item *item) {
    return (const void *)(item->body + item_optional_bytes(item->bits) + item->key_length);
}

static inline struct item_list *item_list(struct item *item) {
    return (void *)(item->body + item_optional_bytes(item->bits) + item->key_length);
}

static inline uint32_t item_list_bytes(uint32_t count) {
    return (uint32_t)(sizeof(struct item_list) + count * sizeof(struct item_extent));
}

/* The bytes behind the key: of the value, or of the list. */
static inline uint32_t item_payload_bytes(const struct item *item) {
    return item_is_large(item) ? item_list_bytes(item_list_read(item)->count) : item->value_length;
}

/* The bytes that a record takes in its segment. */
static inline uint32_t item_bytes(const struct item *item) {
    return (uint32_t)item_bytes_of(item->bits, item->key_length, item_payload_bytes(item));
}

/* The same with those of its extents. */
static inline uint32_t item_bytes_whole(const struct item *item) {
    return item_bytes(item) + (item_is_large(item) ? item_list_read(item)->bytes : 0);
}

static inline uint32_t item_extent_bytes(uint32_t length) {
    return (uint32_t)item_bytes_of(0, 0, length);
}

static inline char *item_key(struct item *item) {
    return item->body + item_optional_bytes(item->bits);
}

static inline char *item_value(struct item *item) {
    return item_key(item) + item->key_length;
}

/* Where the top bits of a long CAS lie. */
static inline char *item_cas_top(struct item *item) {
    return item->body + item_optional_bytes(item->bits & (ITEM_EXPIRES | ITEM_CLIENT_FLAGS));
}

static inline uint64_t item_cas(struct item *item) {
    uint64_t cas = (uint64_t)item->cas_high << 32 | item->cas_low;
    if (item->bits & ITEM_LONG_CAS) {
        uint16_t top;
        memcpy(&top, item_cas_top(item), sizeof(top));
        cas |= (uint64_t)top << ITEM_CAS_BITS;
    }
    return cas;
}

/* The item must have the field ITEM_LONG_CAS if cas has more than 48 bits. */
static inline void item_set_cas(struct item *item, uint64_t cas) {
    item->cas_low = (uint32_t)cas;
    item->cas_high = (uint16_t)(cas >> 32);
    uint16_t top = (uint16_t)(cas >> ITEM_CAS_BITS);
    if (item->bits & ITEM_LONG_CAS) {
        memcpy(item_cas_top(item), &top, sizeof(top));
    }
}

/* Bits 0 to 47 of the hash of the head's key, which an extent has in the place of a CAS. */
static inline uint64_t item_head_hash(const struct item *extent) {
    return (uint64_t)extent->cas_high << 32 | extent->cas_low;
}

static inline uint32_t item_expires(const struct item *item) {
    uint32_t expires = 0;
    if (item->bits & ITEM_EXPIRES) {
        memcpy(&expires, item->body, sizeof(expires));
    }
    return expires;
}

static inline void item_set_expires(struct item *item, uint32_t expires) {
    if (item->bits & ITEM_EXPIRES) {
        memcpy(item->body, &expires, sizeof(expires));
    }
}

static inline uint32_t item_client_flags(const struct item *item) {
    uint32_t flags = 0;
    if (item->bits & ITEM_CLIENT_FLAGS) {
        memcpy(&flags, item->body + item_optional_bytes(item->bits & ITEM_EXPIRES), sizeof(flags));
    }
    return flags;
}

static inline void item_set_client_flags(struct item *item, uint32_t flags) {
    if (item->bits & ITEM_CLIENT_FLAGS) {
        memcpy(item->body + item_optional_bytes(item->bits & ITEM_EXPIRES), &flags, sizeof(flags));
    }
}

static inline bool item_has_key(struct item *item, const char *key, uint32_t key_length) {
    return item->key_length == key_length && memcmp(item_key(item), key, key_length) == 0;
}

#endif
