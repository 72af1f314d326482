/* priority: who goes first for memory of which there is not enough.
 *
 * What needs much of it would starve while what needs little comes and goes. So it takes the turn:
 * all others are refused until it has been served. But what it waits for may be held by somebody
 * slow, for whom not everybody shall wait: a turn lasts for PRIORITY_NS, and if that was in vain,
 * there is none for as long again.
 */
#ifndef CORE_SHARD_PRIORITY_H
#define CORE_SHARD_PRIORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In which a fast client takes several hundred MiB. */
#define PRIORITY_NS ((uint64_t)100000000)

struct priority {
    const void *requester; /* only compared; NULL: it is nobody's */
    uint64_t begun_ns;
};

/* Whether it is not somebody else's turn. */
static inline bool priority_allows(const struct priority *priority, const void *requester,
                                   uint64_t now_ns) {
    return !priority->requester || priority->requester == requester ||
           now_ns - priority->begun_ns >= PRIORITY_NS;
}

/* Takes it, unless it is somebody's or has been of late. */
static inline void priority_take(struct priority *priority, const void *requester,
                                 uint64_t now_ns) {
    if (!priority->requester || now_ns - priority->begun_ns >= 2 * PRIORITY_NS) {
        *priority = (struct priority){.requester = requester, .begun_ns = now_ns};
    }
}

/* Who has been served needs it no more. */
static inline void priority_end(struct priority *priority, const void *requester) {
    if (priority->requester == requester) {
        priority->requester = NULL;
    }
}

#endif
