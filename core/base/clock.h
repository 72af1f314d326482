/* clock: the time, and time as the store counts it.
 *
 * What needs the time is handed a clock: the system's in the server, one that a test moves in a
 * simulation. Three sources, for three uses:
 *
 *   monotonic  time-outs of connections and timers. It stands still while the system is suspended,
 *              so that clients who could not be served then are not dropped for it.
 *   boot time  times to live: an item ages through a suspend.
 *   Unix time  dates that clients send, and what people read.
 *
 * The store counts ticks of a tenth of a second from the start of the server. An item with a time
 * to live of n seconds that is set within a tick expires n seconds after the end of that tick: it
 * is seen for n seconds and for less than a tenth more. 32 bits of ticks last for 13.6 years, then
 * the time stands still; a date beyond that is as late as can be told.
 */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND_NS ((uint64_t)1000000000)
#define CLOCK_TICKS_PER_SECOND 10
#define CLOCK_TICK_NS (CLOCK_SECOND_NS / CLOCK_TICKS_PER_SECOND)

/* Ticks, and seconds of the server, begin here, so that 1 is always past and 0 can mean never. */
#define CLOCK_FIRST_TICK 2
#define CLOCK_FIRST_SECOND 2

/* The last tick; nothing expires in it. */
#define CLOCK_LAST_TICK (UINT32_MAX - 1)

/* A relative expiry time is at most this long; a larger number is an absolute Unix time
 * (protocol.txt, "Expiration times"). */
#define CLOCK_RELATIVE_SECONDS_MAX ((int64_t)60 * 60 * 24 * 30)

/* Three sources of time, in nanoseconds. Any thread may read the system's. */
struct clock {
    uint64_t (*monotonic_ns)(const struct clock *clock);
    uint64_t (*boot_ns)(const struct clock *clock);
    int64_t (*unix_ns)(const struct clock *clock);
};

extern const struct clock clock_system;

static inline uint64_t clock_monotonic_ns(const struct clock *clock) {
    return clock->monotonic_ns(clock);
}

static inline uint64_t clock_boot_ns(const struct clock *clock) {
    return clock->boot_ns(clock);
}

/* Unix time in seconds, plus offset_s. */
int64_t clock_unix(const struct clock *clock, int64_t offset_s);

/* Seconds of the server, so long after its start, of monotonic time. */
static inline uint32_t clock_server_seconds(uint64_t since_start_ns) {
    return (uint32_t)(since_start_ns / CLOCK_SECOND_NS) + CLOCK_FIRST_SECOND;
}

/* The tick at a time since the start of the server, of boot time; at most CLOCK_LAST_TICK. */
uint32_t clock_tick(int64_t since_start_ns);

/* A tick, moved by debugtime by so many seconds. */
static inline uint32_t clock_tick_moved(uint32_t tick, int64_t offset_s) {
    int64_t moved = (int64_t)tick + offset_s * CLOCK_TICKS_PER_SECOND;
    if (moved < CLOCK_FIRST_TICK) {
        return CLOCK_FIRST_TICK;
    }
    return moved < CLOCK_LAST_TICK ? (uint32_t)moved : CLOCK_LAST_TICK;
}

/* The whole seconds from one tick to a later one. */
static inline uint32_t clock_seconds_since(uint32_t then, uint32_t now) {
    return (now - then) / CLOCK_TICKS_PER_SECOND;
}

/* The seconds that an item is still to live, rounded up as they were rounded when it was set: n at
 * first, and 1 in its last second; 0 when it has expired. */
static inline uint32_t clock_seconds_left(uint32_t expires, uint32_t now) {
    if (expires <= now + 1) {
        return expires > now;
    }
    return (expires - now - 2) / CLOCK_TICKS_PER_SECOND + 1;
}

/* A client's expiry time on the store's scale, where the tick is `now`: 0 (never) stays 0; a
 * negative one, or one in the past, becomes 1, which is always past. offset_s: seconds that
 * debugtime has moved the clock by. */
uint32_t clock_expires_some(const struct clock *clock, int64_t exptime, uint32_t now,
                            int64_t offset_s);
static inline uint32_t clock_expires(const struct clock *clock, int64_t exptime, uint32_t now,
                                     int64_t offset_s) {
    return exptime == 0 ? 0 : clock_expires_some(clock, exptime, now, offset_s);
}

/* What expires before this tick has fewer seconds left than `exptime` says, as clock_seconds_left()
 * tells them: for the flag R of the meta protocol. */
uint32_t clock_expires_sooner(const struct clock *clock, int64_t exptime, uint32_t now,
                              int64_t offset_s);

/* The Unix time, in nanoseconds, of tick 0 of a server that started at boot time start_ns. */
int64_t clock_unix_of_tick_0(const struct clock *clock, uint64_t start_ns);
/* The Unix time of a tick, in seconds: the nearest, so that a date reads as it was given. */
int64_t clock_unix_of_tick(int64_t tick_0_ns, uint32_t tick);

#endif
