#include "store/index.h"

#include "store/pages.h"

#include <assert.h>
#include <errno.h>

/* Entries per primary bucket, in halves. The gap keeps the index from splitting and merging the
 * same bucket over and over. */
#define INDEX_GROW_ABOVE_HALVES 11
#define INDEX_SHRINK_BELOW_HALVES 10

/* The name of a bucket, as index_bucket.previous has it: a primary bucket's number, an overflow
 * bucket's number with INDEX_OVERFLOW_BIT, or INDEX_ANCHOR. */
#define INDEX_OVERFLOW_BIT ((uint32_t)1 << 31)
#define INDEX_ANCHOR (INDEX_OVERFLOW_BIT - 1)
#define INDEX_PRIMARIES_MAX (INDEX_OVERFLOW_BIT - 2)

/* Sets the number of buckets in a range. Pages no longer used are given back, except one, so that a
 * count that goes up and down a little costs no system calls. */
static void index_range_resize(struct index *index, struct index_range *range, uint32_t count) {
    assert(range->buckets);
    size_t page = index->page_bytes;
    size_t bytes = pages_round_up((size_t)count * sizeof(struct index_bucket), page);
    assert(bytes <= index->range_bytes);
    range->count = count;
    if (bytes > range->resident_bytes) {
        range->resident_bytes = bytes;
    }
    if (range->resident_bytes > bytes + page) {
        pages_release((char *)range->buckets + bytes + page, range->resident_bytes - bytes - page);
        range->resident_bytes = bytes + page;
    }
}

static bool index_reserve(struct index *index, struct index_range *range) {
    range->buckets = pages_reserve(index->range_bytes);
    if (range->buckets && index->page_bytes == PAGES_HUGE_BYTES) {
        pages_make_huge(range->buckets, index->range_bytes);
    }
    return range->buckets;
}

int index_init(struct index *index, const struct store_config *config, const char *items,
               size_t page_bytes) {
    *index = (struct index){
        .items = items, .hash = config->hash, .seed = config->seed, .page_bytes = page_bytes};
    if (config->memory_bytes >= INDEX_HUGE_FROM) {
        index->page_bytes = pages_huge_bytes(page_bytes);
    }
    index->range_bytes = pages_round_up(config->memory_bytes_max, index->page_bytes);
    if (!index_reserve(index, &index->primary)) {
        return -ENOMEM;
    }
    if (!index_reserve(index, &index->overflow)) {
        pages_free(index->primary.buckets, index->range_bytes);
        return -ENOMEM;
    }
    index_range_resize(index, &index->primary, INDEX_PRIMARIES_MIN);
    index->mask = INDEX_PRIMARIES_MIN - 1;
    return 0;
}

void index_presize(struct index *index, uint64_t entries) {
    assert(index->entries == 0);
    uint64_t count = entries * 2 / INDEX_GROW_ABOVE_HALVES + 1;
    uint64_t most = index->range_bytes / sizeof(struct index_bucket);
    if (count > most) {
        count = most;
    }
    if (count < INDEX_PRIMARIES_MIN) {
        count = INDEX_PRIMARIES_MIN;
    }
    if (count > INDEX_PRIMARIES_MAX) {
        count = INDEX_PRIMARIES_MAX;
    }
    index_range_resize(index, &index->primary, (uint32_t)count);
    index->mask = UINT32_MAX >> __builtin_clz((uint32_t)count - 1);
}

void index_finish(struct index *index) {
    pages_free(index->overflow.buckets, index->range_bytes);
    pages_free(index->primary.buckets, index->range_bytes);
}

static uint32_t index_filled(const struct index_bucket *bucket) {
    uint32_t filled = 0;
    while (filled < INDEX_SLOTS && bucket->slots[filled] != 0) {
        filled++;
    }
    return filled;
}

/* The bucket of a name. */
static struct index_bucket *index_named(struct index *index, uint32_t name) {
    if (name == INDEX_ANCHOR) {
        return &index->anchor;
    }
    if (name & INDEX_OVERFLOW_BIT) {
        return &index->overflow.buckets[name & ~INDEX_OVERFLOW_BIT];
    }
    return &index->primary.buckets[name];
}

static uint32_t index_name_primary(const struct index *index, const struct index_bucket *bucket) {
    return bucket == &index->anchor ? INDEX_ANCHOR : (uint32_t)(bucket - index->primary.buckets);
}

/* Puts a new, empty overflow bucket next to the primary one. */
static struct index_bucket *index_overflow_add(struct index *index, struct index_bucket *primary) {
    uint32_t number = index->overflow.count;
    index_range_resize(index, &index->overflow, number + 1);
    struct index_bucket *added = &index->overflow.buckets[number];
    *added = (struct index_bucket){.next = primary->next};
    added->previous = index_name_primary(index, primary);
    if (added->next != 0) {
        index_next(index, added)->previous = number | INDEX_OVERFLOW_BIT;
    }
    primary->next = number + 1;
    return added;
}

/* Fills a hole with the last overflow bucket, and corrects its number in the buckets before and
 * behind it. */
static void index_overflow_fill(struct index *index, uint32_t hole) {
    uint32_t last = index->overflow.count - 1;
    if (hole != last) {
        struct index_bucket *moved = &index->overflow.buckets[hole];
        *moved = index->overflow.buckets[last];
        index_named(index, moved->previous)->next = hole + 1;
        if (moved->next != 0) {
            index_next(index, moved)->previous = hole | INDEX_OVERFLOW_BIT;
        }
    }
    index_range_resize(index, &index->overflow, last);
}

/* Takes the first overflow bucket, which has become empty, out of the chain. */
static void index_overflow_drop(struct index *index, struct index_bucket *primary) {
    uint32_t number = primary->next - 1;
    primary->next = index->overflow.buckets[number].next;
    if (primary->next != 0) {
        index_next(index, primary)->previous = index_name_primary(index, primary);
    }
    index_overflow_fill(index, number);
}

/* Removes tags that have left the chain from the filter, where the chain is short enough that this
 * reads no further cache line. */
static void index_filter_refresh(const struct index *index, struct index_bucket *primary) {
    const struct index_bucket *first = index_next(index, primary);
    if (!first) {
        primary->filter = 0;
    } else if (first->next == 0) {
        primary->filter = 0;
        for (uint32_t i = 0; i < INDEX_SLOTS && first->slots[i] != 0; i++) {
            primary->filter |= index_filter_bit(first->slots[i] >> INDEX_TAG_SHIFT);
        }
    }
}

static void index_put(struct index *index, struct index_bucket *primary, uint64_t slot) {
    uint32_t filled = index_filled(primary);
    if (filled < INDEX_SLOTS) {
        primary->slots[filled] = slot;
        return;
    }
    struct index_bucket *first = index_next(index, primary);
    filled = !first ? INDEX_SLOTS : index_filled(first);
    if (filled == INDEX_SLOTS) {
        first = index_overflow_add(index, primary);
        filled = 0;
    }
    first->slots[filled] = slot;
    primary->filter |= index_filter_bit(slot >> INDEX_TAG_SHIFT);
}

/* Removes and returns the entry that can go without leaving a hole; 0 when there is none. */
static uint64_t index_pop(struct index *index, struct index_bucket *primary) {
    struct index_bucket *first = index_next(index, primary);
    struct index_bucket *bucket = !first ? primary : first;
    uint32_t filled = index_filled(bucket);
    if (filled == 0) {
        return 0;
    }
    uint64_t slot = bucket->slots[filled - 1];
    bucket->slots[filled - 1] = 0;
    if (first && filled == 1) {
        index_overflow_drop(index, primary);
    }
    return slot;
}

void index_insert(struct index *index, uint64_t hash, uint64_t location) {
    assert(location != 0 && location <= INDEX_LOCATION_MASK);
    index_put(index, index_primary(index, (uint32_t)hash),
              index_tag(hash) << INDEX_TAG_SHIFT | location);
    index->entries++;
}

bool index_has_space(const struct index *index, uint64_t hash) {
    const struct index_bucket *primary = index_primary(index, (uint32_t)hash);
    const struct index_bucket *first = index_next(index, primary);
    size_t bytes = ((size_t)index->overflow.count + 1) * sizeof(*first);
    return index_filled(primary) < INDEX_SLOTS || (first && index_filled(first) < INDEX_SLOTS) ||
           bytes <= index->overflow.resident_bytes;
}

void index_remove(struct index *index, struct index_ref ref) {
    uint64_t *hole = &ref.bucket->slots[ref.slot];
    assert(*hole != 0);
    const struct index_bucket *first = index_next(index, ref.primary);
    const struct index_bucket *giver = !first ? ref.primary : first;
    /* Read before popping: the pop may move the bucket that has the hole. */
    uint64_t filler = giver->slots[index_filled(giver) - 1];
    *hole = filler;
    index_pop(index, ref.primary);
    index_filter_refresh(index, ref.primary);
    index->entries--;
}

struct index_ref index_find_location(const struct index *index, uint32_t hash, uint64_t location) {
    struct index_ref ref = {.primary = index_primary(index, hash)};
    for (ref.bucket = ref.primary; ref.bucket; ref.bucket = index_next(index, ref.bucket)) {
        for (ref.slot = 0; ref.slot < INDEX_SLOTS; ref.slot++) {
            if (index_location(ref.bucket->slots[ref.slot]) == location) {
                return ref;
            }
        }
    }
    return (struct index_ref){0};
}

static struct item *index_item(const struct index *index, uint64_t slot) {
    return (struct item *)(void *)(index->items + index_location(slot) * ITEM_ALIGN);
}

void index_prefetch_items(const struct index *index, const struct index_bucket *primary) {
    for (const struct index_bucket *bucket = primary; bucket; bucket = index_next(index, bucket)) {
        for (uint32_t i = 0; i < INDEX_SLOTS && bucket->slots[i] != 0; i++) {
            __builtin_prefetch(index_item(index, bucket->slots[i]));
        }
    }
}

/* Moves a whole chain to the anchor, from where its entries are distributed. */
static void index_to_anchor(struct index *index, struct index_bucket *primary) {
    index->anchor = *primary;
    *primary = (struct index_bucket){0};
    struct index_bucket *first = index_next(index, &index->anchor);
    if (first) {
        first->previous = INDEX_ANCHOR;
    }
}

static void index_split(struct index *index) {
    uint32_t added = index->primary.count;
    if (added > index->mask) {
        index->mask = index->mask * 2 + 1;
    }
    struct index_bucket *source = &index->primary.buckets[added & (index->mask >> 1)];
    index_prefetch_items(index, source);
    index_range_resize(index, &index->primary, added + 1);
    index->primary.buckets[added] = (struct index_bucket){0};
    index_to_anchor(index, source);
    uint64_t slot;
    while ((slot = index_pop(index, &index->anchor)) != 0) {
        uint64_t hash = index_hash(index, index_item(index, slot));
        index_put(index, index_primary(index, (uint32_t)hash), slot);
    }
}

static void index_merge(struct index *index) {
    uint32_t last = index->primary.count - 1;
    struct index_bucket *from = &index->primary.buckets[last];
    struct index_bucket *to = &index->primary.buckets[last & (index->mask >> 1)];
    uint64_t slot;
    while ((slot = index_pop(index, from)) != 0) {
        index_put(index, to, slot);
    }
    index_range_resize(index, &index->primary, last);
    if (last - 1 == index->mask >> 1) {
        index->mask >>= 1;
    }
}

bool index_is_dense(const struct index *index) {
    return index->entries * 2 > (uint64_t)index->primary.count * INDEX_GROW_ABOVE_HALVES;
}

void index_step(struct index *index) {
    uint64_t count = index->primary.count;
    if (index_is_dense(index)) {
        if (count < INDEX_PRIMARIES_MAX) {
            index_split(index);
        }
    } else if (index->entries * 2 < count * INDEX_SHRINK_BELOW_HALVES &&
               count > INDEX_PRIMARIES_MIN) {
        index_merge(index);
    }
}
