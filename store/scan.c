/* Cursor iteration over all items, in slices: scan and crawl.
 *
 * It goes through the index, not the segments, since an item that is written moves from segment to
 * segment while its key, and so its hash, stays. The order is that of the hashes with bits 0 to 31
 * reversed (as in Redis's SCAN). In linear hashing the entries of a bucket share their low bits. So
 * in this order every bucket is one unbroken range; splitting cuts a range in two and merging joins
 * two, but neither moves an item past the cursor. The rest of the hash tells the items of a bucket
 * apart:
 *
 *   position:  | hash 0..31 reversed 32 | hash 32..63 |
 *
 * The cursor is the first position that has not been visited.
 */
#include "store/lifetime.h"
#include "store/lookup.h"
#include "store/memory.h"

static uint32_t scan_reverse(uint32_t x) {
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(x);
}

static uint64_t scan_position(const struct store *store, struct item *item) {
    uint64_t hash = index_hash(&store->index, item);
    return (uint64_t)scan_reverse((uint32_t)hash) << 32 | hash >> 32;
}

/* Bits 0 to 31 of the hash. */
static uint32_t scan_hash(uint64_t position) {
    return scan_reverse((uint32_t)(position >> 32));
}

static struct index_bucket *scan_bucket(const struct store *store, uint64_t position) {
    return index_primary(&store->index, scan_hash(position));
}

/* The first position after the bucket of this one (after half of it, if the bucket is still to be
 * split in this round of doubling); 0 after the last. */
static uint64_t scan_bucket_end(const struct store *store, uint64_t position) {
    int bits = __builtin_popcount(store->index.mask);
    return (position | UINT64_MAX >> bits) + 1;
}

/* Advances *position to the next one in this bucket that holds items. Returns how many it holds; 0:
 * there is none. */
static uint32_t scan_next_items(const struct store *store, uint64_t *position) {
    uint64_t least = UINT64_MAX;
    uint32_t count = 0;
    for (const struct index_bucket *bucket = scan_bucket(store, *position); bucket;
         bucket = index_next(&store->index, bucket)) {
        for (uint32_t i = 0; i < INDEX_SLOTS && bucket->slots[i] != 0; i++) {
            uint64_t location = index_location(bucket->slots[i]);
            uint64_t at = scan_position(store, segment_item(&store->log, location));
            if (at < *position || at > least) {
                continue;
            }
            count = at == least ? count + 1 : 1;
            least = at;
        }
    }
    if (count != 0) {
        *position = least;
    }
    return count;
}

/* Finds one of the items at a position, after skipping `others`. */
static void scan_find(const struct store *store, uint64_t position, uint32_t others,
                      struct store_found *found) {
    struct index_ref *ref = &found->ref;
    ref->primary = scan_bucket(store, position);
    for (ref->bucket = ref->primary; ref->bucket;
         ref->bucket = index_next(&store->index, ref->bucket)) {
        for (ref->slot = 0; ref->slot < INDEX_SLOTS; ref->slot++) {
            uint64_t slot = ref->bucket->slots[ref->slot];
            if (slot == 0) {
                break;
            }
            found->location = index_location(slot);
            found->item = segment_item(&store->log, found->location);
            if (scan_position(store, found->item) == position && others-- == 0) {
                return;
            }
        }
    }
    assert(!"the item was counted");
}

/* Advances to the next bucket and prefetches its items. Returns false after the last bucket. */
static bool scan_next_bucket(const struct store *store, uint64_t *cursor) {
    *cursor = scan_bucket_end(store, *cursor);
    if (*cursor == 0) {
        return false;
    }
    index_prefetch_items(&store->index, scan_bucket(store, *cursor));
    return true;
}

static bool scan_show(const struct store *store, const struct store_found *found,
                      store_visit *visit, void *context) {
    struct item *item = found->item;
    if (store_is_flushed(store, found->location) || store_is_expired(store, item)) {
        return true;
    }
    struct store_entry entry = {.key = item_key(item), .key_length = item->key_length};
    store_show_all(store, item, &entry.item);
    return visit(context, &entry);
}

/* Advances past the items at position; past the bucket when count is 0. Returns false at the end.
 */
static bool scan_advance(const struct store *store, uint64_t *cursor, uint64_t position,
                         uint32_t count) {
    if (count == 0) {
        return scan_next_bucket(store, cursor);
    }
    *cursor = position + 1;
    return *cursor != 0;
}

bool store_scan(struct store *store, uint64_t *cursor, uint32_t items_max, uint32_t now,
                store_visit *visit, void *context) {
    assert(items_max > 0);
    store_begin_operation(store, now);
    if (store->transfer) {
        return true;
    }
    bool more = true;
    for (uint32_t looked = 0; more && looked < items_max;) {
        uint64_t position = *cursor;
        uint32_t count = scan_next_items(store, &position);
        for (uint32_t i = 0; i < count; i++) {
            struct store_found found;
            scan_find(store, position, i, &found);
            if (!scan_show(store, &found, visit, context)) {
                *cursor = position;
                return true;
            }
        }
        more = scan_advance(store, cursor, position, count);
        looked += count + (count == 0);
    }
    return more;
}

/* Drops the dead ones of the items at a position; returns how many. Each lets the index shrink by a
 * step, so the next item is looked up from its bucket again. */
static uint32_t crawl_drop_dead(struct store *store, uint64_t position, uint32_t count) {
    uint32_t live = 0;
    uint64_t hash = position << 32 | scan_hash(position);
    for (uint32_t i = 0; i < count; i++) {
        struct store_found found;
        scan_find(store, position, live, &found);
        if (store_drop_dead(store, &found, hash)) {
            store_maintain_index(store);
            continue;
        }
        store_note_expires(store, item_expires(found.item));
        live++;
    }
    return count - live;
}

bool store_crawl(struct store *store, uint64_t *cursor, uint32_t items_max, uint32_t now,
                 uint64_t *checked, uint64_t *reclaimed) {
    assert(items_max > 0);
    store_begin_operation(store, now);
    if (*cursor == 0) {
        store->expires_soonest = UINT32_MAX;
        store_flush_crawl_begins(store);
    }
    bool more = true;
    for (uint32_t looked = 0; more && looked < items_max;) {
        uint64_t position = *cursor;
        uint32_t count = scan_next_items(store, &position);
        uint32_t dropped = crawl_drop_dead(store, position, count);
        more = scan_advance(store, cursor, position, count);
        looked += count + (count == 0);
        *checked += count;
        *reclaimed += dropped;
        store->counters.crawl_checked += count;
        store->counters.crawl_reclaimed += dropped;
    }
    store->crawl_unfinished = more;
    if (!more) {
        store_flush_crawl_ends(store);
    }
    return more;
}
