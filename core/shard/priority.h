/* turn: who goes first for memory of which there is not enough.
 *
 * What needs much of it would starve while what needs little comes and goes. So it takes the turn:
 * all others are refused until it has been served. But what it waits for may be held by somebody
 * slow, for whom not everybody shall wait: a turn lasts for TURN_NS, and if that was in vain, there
 * is none for as long again.
 */
#ifndef CORE_SHARD_PRIORITY_H
#define CORE_SHARD_PRIORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In which a fast client takes several hundred MiB. */
#define TURN_NS ((uint64_t)100000000)

struct turn {
    const void *who; /* only compared; NULL: it is nobody's */
    uint64_t begun_ns;
};

/* Whether it is not somebody else's turn. */
static inline bool turn_allows(const struct turn *turn, const void *who, uint64_t now_ns) {
    return !turn->who || turn->who == who || now_ns - turn->begun_ns >= TURN_NS;
}

/* Takes it, unless it is somebody's or has been of late. */
static inline void turn_take(struct turn *turn, const void *who, uint64_t now_ns) {
    if (!turn->who || now_ns - turn->begun_ns >= 2 * TURN_NS) {
        *turn = (struct turn){.who = who, .begun_ns = now_ns};
    }
}

/* Who has been served needs it no more. */
static inline void turn_end(struct turn *turn, const void *who) {
    if (turn->who == who) {
        turn->who = NULL;
    }
}

#endif
