/* The clock: times to live, dates and what is left of them, on a clock that the test moves, at the
 * edges of ticks and seconds. */
#include "core/base/clock.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <time.h>

#include "core/base/container.h"

#define START_NS ((uint64_t)7 * CLOCK_SECOND_NS + 123456789)

/* Boot time and Unix time go together here: a suspend is nothing to what is tested. */
struct moved_clock {
    struct clock clock;
    uint64_t since_start_ns;
    int64_t start_unix_ns;
};

static uint64_t moved_boot_ns(const struct clock *clock) {
    return START_NS + container_of(clock, const struct moved_clock, clock)->since_start_ns;
}

static int64_t moved_unix_ns(const struct clock *clock) {
    const struct moved_clock *moved = container_of(clock, const struct moved_clock, clock);
    return moved->start_unix_ns + (int64_t)moved->since_start_ns;
}

static const struct moved_clock moved_start = {
    .clock = {.boot_ns = moved_boot_ns, .unix_ns = moved_unix_ns},
    .start_unix_ns = (int64_t)1800000000 * (int64_t)CLOCK_SECOND_NS + 987654321,
};

static uint32_t tick_of(const struct moved_clock *moved) {
    return clock_tick((int64_t)(clock_boot_ns(&moved->clock) - START_NS));
}

/* Places within a tick and a second: their ends, what is next to them, and some between. */
static const uint64_t edges_ns[] = {0,         1,          50000000,   99999999,  100000000,
                                    100000001, 500000000,  899999999,  900000000, 900000001,
                                    999999999, 1000000000, 1000000001, 1234567890};

#define EDGES (sizeof(edges_ns) / sizeof(*edges_ns))

/* How long the item is seen that is set now. */
static uint64_t life_ns(const struct moved_clock *set, int64_t exptime) {
    struct moved_clock moved = *set;
    uint32_t expires = clock_expires(&set->clock, exptime, tick_of(set), 0);
    moved.since_start_ns = (expires - CLOCK_FIRST_TICK) * CLOCK_TICK_NS;
    cr_assert(eq(u32, tick_of(&moved), expires));
    cr_assert(lt(u64, set->since_start_ns, moved.since_start_ns));
    return moved.since_start_ns - set->since_start_ns;
}

Test(clock, an_item_is_seen_for_n_seconds_and_less_than_a_tenth_more) {
    const int64_t seconds[] = {1, 2, 3, 59, 3600, CLOCK_RELATIVE_SECONDS_MAX};
    for (size_t i = 0; i < EDGES; i++) {
        for (size_t j = 0; j < sizeof(seconds) / sizeof(*seconds); j++) {
            struct moved_clock set = moved_start;
            set.since_start_ns = edges_ns[i];
            uint64_t wanted_ns = (uint64_t)seconds[j] * CLOCK_SECOND_NS;
            uint64_t seen_ns = life_ns(&set, seconds[j]);
            cr_assert(seen_ns > wanted_ns && seen_ns <= wanted_ns + CLOCK_TICK_NS,
                      "%ld s set at %lu ns: seen for %lu ns", (long)seconds[j],
                      (unsigned long)edges_ns[i], (unsigned long)seen_ns);
        }
    }
}

/* A date has come at its first moment: an item is seen until then, and less than two ticks more. */
Test(clock, a_date_is_the_wall_clocks) {
    for (size_t i = 0; i < EDGES; i++) {
        struct moved_clock set = moved_start;
        set.since_start_ns = edges_ns[i];
        int64_t now_ns = set.clock.unix_ns(&set.clock);
        int64_t next_s = now_ns / (int64_t)CLOCK_SECOND_NS + 1;
        for (int64_t date = next_s; date < next_s + 3; date++) {
            int64_t wanted_ns = date * (int64_t)CLOCK_SECOND_NS - now_ns;
            int64_t late_ns = (int64_t)life_ns(&set, date) - wanted_ns;
            cr_assert(late_ns >= 0 && late_ns <= 2 * (int64_t)CLOCK_TICK_NS, "%ld ns late",
                      (long)late_ns);
        }
        uint32_t past = clock_expires(&set.clock, next_s - 1, tick_of(&set), 0);
        cr_assert(eq(u32, past, 1), "this second's date has come");
    }
}

Test(clock, never_past_and_beyond) {
    const struct clock *clock = &moved_start.clock;
    const uint32_t now = 1000;
    cr_assert(eq(u32, clock_expires(clock, 0, now, 0), 0));
    cr_assert(eq(u32, clock_expires(clock, -1, now, 0), 1));
    cr_assert(eq(u32, clock_expires(clock, INT64_MIN, now, 0), 1));
    cr_assert(eq(u32, clock_expires(clock, 2592001, now, 0), 1), "31 January 1970 is past");
    cr_assert(eq(u32, clock_expires(clock, INT64_MAX, now, 0), UINT32_MAX));
    cr_assert(eq(u32, clock_expires(clock, 100, UINT32_MAX - 1001, 0), UINT32_MAX));
    cr_assert(eq(u32, clock_expires(clock, 100, UINT32_MAX - 1002, 0), UINT32_MAX - 1));
    /* Any date that text can tell, from a server that starts now on. */
    uint32_t last = clock_expires(&clock_system, INT32_MAX, CLOCK_FIRST_TICK, 0);
    cr_assert(last < UINT32_MAX, "2038 is told apart from what is beyond");
    cr_assert(eq(u32, clock_expires(clock, 1800000100, now, 100), 1), "debugtime has moved it");
}

Test(clock, what_is_left_counts_down_from_n) {
    const uint32_t set = 1000;
    for (uint32_t n = 1; n <= 3; n++) {
        uint32_t expires = clock_expires(&moved_start.clock, n, set, 0);
        for (uint32_t now = set; now < expires; now++) {
            uint32_t passed_s = (now - set) / CLOCK_TICKS_PER_SECOND;
            uint32_t wanted = passed_s < n ? n - passed_s : 1;
            cr_assert(eq(u32, clock_seconds_left(expires, now), wanted));
        }
        cr_assert(eq(u32, clock_seconds_left(expires, expires), 0));
        cr_assert(eq(u32, clock_seconds_left(expires, expires + 1), 0));
    }
    cr_assert(eq(u32, clock_seconds_left(1, set), 0));
}

/* What R says agrees with what t says. */
Test(clock, sooner_than_r_is_what_t_tells) {
    const struct clock *clock = &moved_start.clock;
    const uint32_t set = 1000;
    uint32_t expires = clock_expires(clock, 30, set, 0);
    for (uint32_t now = set; now < expires; now++) {
        for (int64_t r = 1; r < 40; r++) {
            bool is_sooner = expires < clock_expires_sooner(clock, r, now, 0);
            cr_assert(eq(int, is_sooner, clock_seconds_left(expires, now) < r));
        }
    }
    cr_assert(eq(u32, clock_expires_sooner(clock, 0, set, 0), 0));
    cr_assert(eq(u32, clock_expires_sooner(clock, -1, set, 0), 1));
}

Test(clock, a_date_reads_as_it_was_given) {
    for (size_t i = 0; i < EDGES; i++) {
        for (size_t j = 0; j < EDGES; j++) {
            struct moved_clock moved = moved_start;
            moved.since_start_ns = edges_ns[i];
            uint32_t expires = clock_expires(&moved.clock, 1800000100, tick_of(&moved), 0);
            moved.since_start_ns += edges_ns[j];
            int64_t tick_0_ns = clock_unix_of_tick_0(&moved.clock, START_NS);
            cr_assert(eq(i64, clock_unix_of_tick(tick_0_ns, expires), 1800000100));
        }
    }
}

Test(clock, ticks_begin_after_what_means_past_and_end) {
    cr_assert(eq(u32, clock_tick(0), CLOCK_FIRST_TICK));
    cr_assert(eq(u32, clock_tick(-5), CLOCK_FIRST_TICK));
    cr_assert(eq(u32, clock_tick(99999999), CLOCK_FIRST_TICK));
    cr_assert(eq(u32, clock_tick(100000000), CLOCK_FIRST_TICK + 1));
    cr_assert(eq(u32, clock_tick(INT64_MAX), CLOCK_LAST_TICK), "not back to the first");
    cr_assert(eq(u32, clock_server_seconds(0), 2));
    cr_assert(eq(u32, clock_server_seconds(999999999), 2));
    cr_assert(eq(u32, clock_server_seconds(3000000000), 5));
}

static int64_t seconds_of(clockid_t id) {
    struct timespec time;
    clock_gettime(id, &time);
    return (int64_t)time.tv_sec;
}

/* The system's clocks are what they are called: each tells a time between two looks at that clock,
 * however long this process waits for a processor in between. */
Test(clock, sources) {
    int64_t before = seconds_of(CLOCK_BOOTTIME);
    int64_t told = (int64_t)(clock_boot_ns(&clock_system) / CLOCK_SECOND_NS);
    cr_assert(le(i64, before, told));
    cr_assert(le(i64, told, seconds_of(CLOCK_BOOTTIME)));
    before = seconds_of(CLOCK_MONOTONIC);
    told = (int64_t)(clock_monotonic_ns(&clock_system) / CLOCK_SECOND_NS);
    cr_assert(le(i64, before, told));
    cr_assert(le(i64, told, seconds_of(CLOCK_MONOTONIC)));
    before = seconds_of(CLOCK_REALTIME);
    told = clock_unix(&clock_system, 0);
    cr_assert(le(i64, before - 1, told));
    cr_assert(le(i64, told, seconds_of(CLOCK_REALTIME) + 1));
    told = clock_unix(&clock_system, 10);
    cr_assert(le(i64, before + 9, told));
    cr_assert(le(i64, told, seconds_of(CLOCK_REALTIME) + 11));
}
