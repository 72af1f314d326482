/* clock: time as the store counts it, read once a turn by the reactor that owns it. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Store time begins here, so that 1 is always past and 0 can mean never. */
#define CLOCK_FIRST_SECOND 2

/* A relative expiry time is at most this long; a larger number is an absolute Unix time
 * (protocol.txt, "Expiration times"). */
#define CLOCK_RELATIVE_SECONDS_MAX ((int64_t)60 * 60 * 24 * 30)

static inline uint64_t clock_monotonic_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Seconds on the store's scale at monotonic time now_ns, of a server that started at start_ns. */
static inline uint32_t clock_store_seconds(uint64_t now_ns, uint64_t start_ns) {
    return (uint32_t)((now_ns - start_ns) / 1000000000u) + CLOCK_FIRST_SECOND;
}

/* Unix time in seconds, moved by offset_s. */
static inline int64_t clock_unix(int64_t offset_s) {
    return (int64_t)time(NULL) + offset_s;
}

/* Turns a client's expiry time into the store's: 0 stays never, a negative or past one becomes 1,
 * which is past. offset_s is what now has been moved by against the true time. */
uint32_t clock_expires_some(int64_t exptime, uint32_t now, int64_t offset_s);
static inline uint32_t clock_expires(int64_t exptime, uint32_t now, int64_t offset_s) {
    return exptime == 0 ? 0 : clock_expires_some(exptime, now, offset_s);
}

#endif
