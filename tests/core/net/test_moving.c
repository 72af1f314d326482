/* To which reactors connections move, by the loads of all. */
#include "core/net/moving.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define REACTORS_MAX 16

/* Loads and idle processors in thousandths. */
struct row {
    const char *what;
    uint32_t count;
    uint32_t loads[REACTORS_MAX];
    uint32_t idle;
    uint32_t to[REACTORS_MAX]; /* 1 + where each gives its connections to; 0: nowhere */
};

static struct moving_plan choose(const struct row *row, uint32_t id, bool may_spread) {
    struct moving_view view = {
        .id = id, .count = row->count, .idle = row->idle, .may_spread = may_spread};
    for (uint32_t i = 0; i < row->count; i++) {
        view.loads[i] = row->loads[i];
    }
    return moving_choose(&view);
}

static void expect(const struct row *row, bool may_spread) {
    for (uint32_t id = 0; id < row->count; id++) {
        uint32_t wanted = row->to[id] > 0 ? row->to[id] - 1 : SHARD_NONE;
        struct moving_plan plan = choose(row, id, may_spread);
        cr_assert(eq(u32, plan.to, wanted), "%s, reactor %u", row->what, id);
        cr_assert(plan.to == SHARD_NONE || plan.share <= MOVING_EVERYTHING);
    }
}

Test(moving, gathers_what_few_can_do) {
    static const struct row rows[] = {
        {"nobody works", 2, {0, 0}, 2000, {0, 0}},
        {"one works", 2, {100, 0}, 1900, {0, 0}},
        {"one works, the other hardly", 2, {100, 19}, 1900, {0, 0}},
        {"two have little to do", 2, {100, 150}, 1700, {0, 1}},
        {"the first does nothing", 3, {0, 100, 150}, 2700, {0, 0, 2}},
        {"two have more to do", 2, {300, 250}, 1400, {0, 0}},
        {"many have little to do",
         8,
         {70, 70, 70, 70, 70, 70, 70, 70},
         7000,
         {0, 0, 1, 2, 1, 2, 1, 2}},
        {"the system doesn't tell", 2, {100, 150}, MOVING_UNKNOWN, {0, 1}},
        {"it doesn't tell, and there is much to do", 2, {700, 700}, MOVING_UNKNOWN, {0, 0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        expect(&rows[i], true);
        expect(&rows[i], false);
    }
}

/* Measured on two processors that 50 connections of a client share with the server. */
Test(moving, gathers_where_processors_are_short) {
    static const struct row rows[] = {
        {"get", 2, {430, 420}, 450, {0, 1}},
        {"get, 8 in flight", 2, {510, 510}, 350, {0, 1}},
        {"50-key get", 2, {660, 650}, 240, {0, 1}},
        {"gathered: get", 2, {970, 0}, 60, {0, 0}},
        {"gathered: get, 8 in flight", 2, {990, 0}, 200, {0, 0}},
        {"gathered: 50-key get", 2, {990, 0}, 450, {0, 0}},
        {"more reactors than processors",
         8,
         {130, 120, 130, 120, 130, 120, 130, 120},
         200,
         {0, 1, 1, 1, 1, 1, 1, 1}},
        {"two processors to themselves", 2, {990, 980}, 20, {0, 0}},
        {"16 to themselves, but for the system's part",
         16,
         {980, 990, 980, 990, 980, 990, 980, 990, 980, 990, 980, 990, 980, 990, 980, 990},
         0,
         {0}},
        {"two of four are taken", 4, {500, 500, 500, 500}, 0, {0, 0, 1, 2}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        expect(&rows[i], true);
    }
    struct moving_plan plan = choose(&rows[0], 1, true);
    cr_assert(plan.for_want);
    cr_assert(eq(u32, plan.share, MOVING_EVERYTHING));
}

Test(moving, spreads_what_is_too_much_for_one) {
    static const struct row to_sleeping = {"one idles", 2, {950, 0}, 950, {2, 0}};
    static const struct row rows[] = {
        {"the first that sleeps", 4, {950, 900, 0, 0}, 2100, {3, 3, 0, 0}},
        {"no processor is left", 2, {950, 0}, 700, {0, 0}},
        {"there is room", 2, {790, 0}, 1200, {0, 0}},
    };
    expect(&to_sleeping, true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        expect(&rows[i], true);
    }
    cr_assert(eq(u32, choose(&to_sleeping, 0, true).share, MOVING_EVERYTHING / 2));
    cr_assert(eq(u32, choose(&to_sleeping, 0, false).to, SHARD_NONE));
}

/* Those that work share what there is to do; that needs no other processor. */
Test(moving, levels_what_is_uneven) {
    static const struct row row = {"uneven", 3, {900, 300, 390}, 1400, {2, 0, 0}};
    expect(&row, true);
    expect(&row, false);
    cr_assert(eq(u32, choose(&row, 0, false).share, 600 * MOVING_EVERYTHING / 1800));
}

/* Whatever is decided, nobody gives to itself, or to one that gives all away. */
Test(moving, never_in_a_circle) {
    for (uint32_t number = 0; number < 20000; number++) {
        struct row row = {.count = 1 + number % 5, .idle = number * 7919 % 4000};
        uint32_t left = number * 2654435761u;
        for (uint32_t i = 0; i < row.count; i++) {
            left = left * 1664525u + 1013904223u;
            row.loads[i] = (left >> 16) % 1001;
        }
        for (uint32_t id = 0; id < row.count; id++) {
            struct moving_plan plan = choose(&row, id, number % 2);
            cr_assert(plan.to != id);
            if (plan.to != SHARD_NONE) {
                cr_assert(plan.to < row.count);
                struct moving_plan there = choose(&row, plan.to, number % 2);
                cr_assert(there.to == SHARD_NONE || there.share < MOVING_EVERYTHING);
            }
        }
    }
}
