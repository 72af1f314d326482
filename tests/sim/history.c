#include "history.h"

static uint32_t greater(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static void history_raise(struct history *history, uint32_t *connection_floor, uint32_t floor) {
    history->floor = greater(history->floor, floor);
    *connection_floor = greater(*connection_floor, floor);
}

void history_saw(const struct world *world, struct history *history, const struct asked *asked,
                 uint32_t *connection_floor, uint32_t number) {
    uint32_t least = greater(asked->floor, *connection_floor);
    if (number == 0 || number > history->sent || history->writes[number] != HISTORY_SET) {
        world_fail(world, "%u was never stored", number);
    }
    if (2 * number < least) {
        world_fail(world, "%u was read where %u had been answered%s", number, least / 2,
                   least % 2 != 0 ? ", and then that it is gone" : "");
    }
    uint32_t gone_at = history->gone_at[number];
    if (gone_at != 0 && asked->oldest_tick >= gone_at) {
        world_fail(world, "%u was read in tick %u, expired in tick %u", number, asked->oldest_tick,
                   gone_at);
    }
    history_raise(history, connection_floor, 2 * number);
}

/* When nothing is there, from a floor on. Where items vanish by themselves what was stored last may
 * have. */
static uint32_t history_absent_from(const struct world *world, const struct history *history,
                                    uint32_t floor) {
    uint32_t number = floor / 2;
    if (history->may_vanish) {
        return history->writes[number] == HISTORY_SET ? 2 * number + 1 : floor;
    }
    while (number > 0 && history->writes[number] != HISTORY_DELETED) {
        if (++number > history->sent) {
            world_fail(world, "nothing was read where there is something");
        }
    }
    return 2 * number;
}

void history_missed(const struct world *world, struct history *history, const struct asked *asked,
                    uint32_t *connection_floor) {
    uint32_t least = greater(asked->floor, *connection_floor);
    history_raise(history, connection_floor, history_absent_from(world, history, least));
}

void history_wrote(const struct world *world, struct history *history, uint32_t *connection_floor,
                   uint32_t number) {
    WORLD_CHECK(world, number <= history->sent);
    history_raise(history, connection_floor, 2 * number);
}

void history_flushed(const struct world *world, struct history *history, const struct asked *asked,
                     uint32_t *connection_floor) {
    WORLD_CHECK(world, history->may_vanish);
    history_missed(world, history, asked, connection_floor);
}
