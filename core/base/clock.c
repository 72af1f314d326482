#include "core/base/clock.h"

#include <time.h>

static uint64_t system_monotonic_ns(const struct clock *clock) {
    struct timespec time;
    (void)clock;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int64_t system_unix_s(const struct clock *clock) {
    (void)clock;
    return (int64_t)time(NULL);
}

const struct clock clock_system = {.monotonic_ns = system_monotonic_ns, .unix_s = system_unix_s};

uint32_t clock_expires_some(const struct clock *clock, int64_t exptime, uint32_t now,
                            int64_t offset_s) {
    if (exptime < 0) {
        return 1;
    }
    int64_t seconds_left = exptime;
    if (exptime > CLOCK_RELATIVE_SECONDS_MAX) {
        seconds_left = exptime - clock_unix(clock, offset_s);
    }
    if (seconds_left <= 0) {
        return 1;
    }
    return seconds_left < (int64_t)(UINT32_MAX - now) ? now + (uint32_t)seconds_left : UINT32_MAX;
}
