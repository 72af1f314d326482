/* priority: precedence of a requester that needs much of a store's leases or uploads.
 *
 * A bulk request (store_is_bulk()) would starve while small ones come and go. So a refused one
 * takes precedence: all other requesters are refused until it has been served. The memory that it
 * waits for may be held by a slow client, so precedence lasts for PRIORITY_NS; when it was not
 * served in that time, no requester has precedence for as long again.
 */
#ifndef CORE_SHARD_PRIORITY_H
#define CORE_SHARD_PRIORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long precedence lasts. A fast client receives several hundred MiB in that time. */
#define PRIORITY_NS ((uint64_t)100000000)

struct priority {
    const void *requester; /* that has precedence; only compared. NULL: none has */
    uint64_t begun_ns;
};

/* False while another requester has precedence. */
static inline bool priority_allows(const struct priority *priority, const void *requester,
                                   uint64_t now_ns) {
    return !priority->requester || priority->requester == requester ||
           now_ns - priority->begun_ns >= PRIORITY_NS;
}

/* Gives a refused requester precedence, unless another has it, or has had it in the last
 * 2 * PRIORITY_NS. */
static inline void priority_take(struct priority *priority, const void *requester,
                                 uint64_t now_ns) {
    if (!priority->requester || now_ns - priority->begun_ns >= 2 * PRIORITY_NS) {
        *priority = (struct priority){.requester = requester, .begun_ns = now_ns};
    }
}

/* Ends the precedence of a requester that has been served. */
static inline void priority_end(struct priority *priority, const void *requester) {
    if (priority->requester == requester) {
        priority->requester = NULL;
    }
}

#endif
