#include "core/base/clock.h"

#include <time.h>

static uint64_t clock_read(clockid_t source) {
    struct timespec time;
    clock_gettime(source, &time);
    return (uint64_t)time.tv_sec * CLOCK_SECOND_NS + (uint64_t)time.tv_nsec;
}

static uint64_t system_monotonic_ns(const struct clock *clock) {
    (void)clock;
    return clock_read(CLOCK_MONOTONIC);
}

static uint64_t system_boot_ns(const struct clock *clock) {
    (void)clock;
    return clock_read(CLOCK_BOOTTIME);
}

static int64_t system_unix_ns(const struct clock *clock) {
    (void)clock;
    return (int64_t)clock_read(CLOCK_REALTIME);
}

const struct clock clock_system = {
    .monotonic_ns = system_monotonic_ns, .boot_ns = system_boot_ns, .unix_ns = system_unix_ns};

int64_t clock_unix(const struct clock *clock, int64_t offset_s) {
    return clock->unix_ns(clock) / (int64_t)CLOCK_SECOND_NS + offset_s;
}

uint32_t clock_tick(int64_t since_start_ns) {
    if (since_start_ns < 0) {
        return CLOCK_FIRST_TICK;
    }
    uint64_t tick = (uint64_t)since_start_ns / CLOCK_TICK_NS + CLOCK_FIRST_TICK;
    return tick < CLOCK_LAST_TICK ? (uint32_t)tick : CLOCK_LAST_TICK;
}

/* Ticks until a Unix time, rounded up; INT64_MAX: more than can be counted. */
static int64_t clock_ticks_until(const struct clock *clock, int64_t unix_s, int64_t offset_s) {
    int64_t now_ns = clock->unix_ns(clock);
    int64_t left_s = unix_s - offset_s - now_ns / (int64_t)CLOCK_SECOND_NS;
    if (left_s > UINT32_MAX / CLOCK_TICKS_PER_SECOND) {
        return INT64_MAX;
    }
    uint64_t passed_ns = (uint64_t)now_ns % CLOCK_SECOND_NS;
    return left_s * CLOCK_TICKS_PER_SECOND - (int64_t)(passed_ns / CLOCK_TICK_NS);
}

uint32_t clock_expires_some(const struct clock *clock, int64_t exptime, uint32_t now,
                            int64_t offset_s) {
    if (exptime < 0) {
        return 1;
    }
    int64_t ticks = exptime > CLOCK_RELATIVE_SECONDS_MAX
                        ? clock_ticks_until(clock, exptime, offset_s)
                        : exptime * CLOCK_TICKS_PER_SECOND;
    if (ticks <= 0) {
        return 1;
    }
    /* One more, since a part of this tick is over. */
    return ticks < (int64_t)(UINT32_MAX - now) ? now + 1 + (uint32_t)ticks : UINT32_MAX;
}

uint32_t clock_expires_sooner(const struct clock *clock, int64_t exptime, uint32_t now,
                              int64_t offset_s) {
    uint32_t expires = clock_expires(clock, exptime, now, offset_s);
    if (expires < CLOCK_TICKS_PER_SECOND) {
        return expires;
    }
    uint32_t sooner = expires - CLOCK_TICKS_PER_SECOND + 1;
    return sooner == now + 2 ? now + 1 : sooner; /* an item in its last tick has 1 second left */
}

int64_t clock_unix_of_tick_0(const struct clock *clock, uint64_t start_ns) {
    int64_t since_start_ns = (int64_t)(clock_boot_ns(clock) - start_ns);
    return clock->unix_ns(clock) - since_start_ns - CLOCK_FIRST_TICK * (int64_t)CLOCK_TICK_NS;
}

int64_t clock_unix_of_tick(int64_t tick_0_ns, uint32_t tick) {
    int64_t second_ns = (int64_t)CLOCK_SECOND_NS;
    return (tick_0_ns + tick * (int64_t)CLOCK_TICK_NS + second_ns / 2) / second_ns;
}
