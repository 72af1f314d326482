#include "store/ghost.h"

#include "store/pages.h"

#include <errno.h>
#include <string.h>

int ghost_init(struct ghost *ghost, size_t range_bytes, size_t page_bytes) {
    *ghost = (struct ghost){.page_bytes = page_bytes};
    ghost->range_bytes = pages_round_up(range_bytes, page_bytes);
    ghost->buckets = pages_reserve(ghost->range_bytes);
    return !ghost->buckets ? -ENOMEM : 0;
}

void ghost_finish(struct ghost *ghost) {
    pages_free(ghost->buckets, ghost->range_bytes);
}

static size_t ghost_bytes(const struct ghost *ghost, uint32_t count) {
    return pages_round_up((size_t)count * sizeof(struct ghost_bucket), ghost->page_bytes);
}

/* A bucket is split by copying it: both halves keep all its tags, and the ones that belong to the
 * other half are pushed out in time. */
static void ghost_grow(struct ghost *ghost) {
    uint32_t added = ghost->count;
    if (added > ghost->mask) {
        ghost->mask = ghost->mask * 2 + 1;
    }
    ghost->buckets[added] = ghost->buckets[added & (ghost->mask >> 1)];
    ghost->count++;
    if (ghost_bytes(ghost, ghost->count) > ghost->resident_bytes) {
        ghost->resident_bytes = ghost_bytes(ghost, ghost->count);
    }
}

/* One page more than needed stays resident, so that a count that goes up and down a little costs no
 * system calls. */
static void ghost_shrink(struct ghost *ghost) {
    ghost->count--;
    if (ghost->count - 1 == ghost->mask >> 1) {
        ghost->mask >>= 1;
    }
    size_t bytes = ghost_bytes(ghost, ghost->count) + ghost->page_bytes;
    if (ghost->resident_bytes <= bytes) {
        return;
    }
    pages_release((char *)ghost->buckets + bytes, ghost->resident_bytes - bytes);
    ghost->resident_bytes = bytes;
}

void ghost_step(struct ghost *ghost, uint64_t tags) {
    uint64_t wanted = (tags + GHOST_TAGS - 1) / GHOST_TAGS;
    uint64_t max = ghost->range_bytes / sizeof(struct ghost_bucket);
    if (max > GHOST_BUCKETS_MAX) {
        max = GHOST_BUCKETS_MAX;
    }
    if (wanted > max) {
        wanted = max;
    }
    if (ghost->count < wanted) {
        ghost_grow(ghost);
    } else if (ghost->count > wanted && ghost->count > 1) {
        ghost_shrink(ghost);
    }
}

void ghost_add(struct ghost *ghost, uint32_t hash, uint16_t tag) {
    if (ghost->count == 0) {
        return;
    }
    uint16_t *tags = ghost_bucket(ghost, hash)->tags;
    memmove(tags + 1, tags, sizeof(uint16_t) * (GHOST_TAGS - 1));
    tags[0] = tag;
}

bool ghost_take(struct ghost *ghost, uint32_t hash, uint16_t tag) {
    if (ghost->count == 0) {
        return false;
    }
    uint16_t *tags = ghost_bucket(ghost, hash)->tags;
    uint32_t match = 0;
    for (uint32_t i = 0; i < GHOST_TAGS; i++) {
        match |= (uint32_t)(tags[i] == tag) << i;
    }
    if (match == 0) {
        return false;
    }
    uint32_t at = (uint32_t)__builtin_ctz(match);
    memmove(tags + at, tags + at + 1, sizeof(uint16_t) * (GHOST_TAGS - 1 - at));
    tags[GHOST_TAGS - 1] = 0;
    return true;
}
