/* history: what is known of a key that one client writes and all read, so that no answer may be
 * older than one that was given to anybody before it was asked for, nor than an earlier one on its
 * connection. The writer numbers its writes 1, 2, 3 …; a value is its number. As they take effect
 * in this order, "linearizable" comes down to a floor, the latest of these that is known to have
 * come: 2n, when write n has taken effect; 2n + 1, when what it had stored is gone again.
 */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include "world.h"

#define HISTORY_WRITES_MAX 4096

enum history_write { HISTORY_NOTHING, HISTORY_SET, HISTORY_DELETED };

struct history {
    uint32_t sent; /* the number of the last write */
    uint32_t floor;
    uint8_t writes[HISTORY_WRITES_MAX];   /* enum history_write, by number */
    uint32_t gone_at[HISTORY_WRITES_MAX]; /* the tick from which on it has expired; 0: not known */
    /* Items may go without their writer: evicted, expired, flushed. */
    bool may_vanish;
};

/* One request, from when it was sent on. */
struct asked {
    uint32_t floor;       /* of the key then */
    uint32_t oldest_tick; /* that any reactor may have had then */
};

/* A read has found a value, or nothing; connection_floor is of the key on its connection. Both
 * floors are moved on. */
void history_saw(const struct world *world, struct history *history, const struct asked *asked,
                 uint32_t *connection_floor, uint32_t number);
void history_missed(const struct world *world, struct history *history, const struct asked *asked,
                    uint32_t *connection_floor);

/* A write has been answered; and a flush of all. */
void history_wrote(const struct world *world, struct history *history, uint32_t *connection_floor,
                   uint32_t number);
void history_flushed(const struct world *world, struct history *history, const struct asked *asked,
                     uint32_t *connection_floor);

#endif
