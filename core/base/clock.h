/* clock: the time, and time as the store counts it.
 *
 * What needs the time is handed a clock: the system's in the server, one that a test moves in a
 * simulation. A reactor reads the monotonic one once a turn.
 */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdint.h>

/* Store time begins here, so that 1 is always past and 0 can mean never. */
#define CLOCK_FIRST_SECOND 2

/* A relative expiry time is at most this long; a larger number is an absolute Unix time
 * (protocol.txt, "Expiration times"). */
#define CLOCK_RELATIVE_SECONDS_MAX ((int64_t)60 * 60 * 24 * 30)

/* Two readings of one source of time. Any thread may read the system's. */
struct clock {
    uint64_t (*monotonic_ns)(const struct clock *clock);
    int64_t (*unix_s)(const struct clock *clock);
};

extern const struct clock clock_system;

static inline uint64_t clock_monotonic_ns(const struct clock *clock) {
    return clock->monotonic_ns(clock);
}

/* Seconds on the store's scale at monotonic time now_ns, of a server that started at start_ns. */
static inline uint32_t clock_store_seconds(uint64_t now_ns, uint64_t start_ns) {
    return (uint32_t)((now_ns - start_ns) / 1000000000u) + CLOCK_FIRST_SECOND;
}

/* Unix time in seconds, plus offset_s. */
static inline int64_t clock_unix(const struct clock *clock, int64_t offset_s) {
    return clock->unix_s(clock) + offset_s;
}

/* A client's expiry time on the store's scale: 0 (never) stays 0; a negative one, or one in the
 * past, becomes 1, which is always past. offset_s: seconds that debugtime has moved the clock by.
 */
uint32_t clock_expires_some(const struct clock *clock, int64_t exptime, uint32_t now,
                            int64_t offset_s);
static inline uint32_t clock_expires(const struct clock *clock, int64_t exptime, uint32_t now,
                                     int64_t offset_s) {
    return exptime == 0 ? 0 : clock_expires_some(clock, exptime, now, offset_s);
}

#endif
