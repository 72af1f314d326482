#include "core/base/clock.h"

uint32_t clock_expires_some(int64_t exptime, uint32_t now, int64_t offset_s) {
    if (exptime < 0) {
        return 1;
    }
    int64_t seconds_left = exptime;
    if (exptime > CLOCK_RELATIVE_SECONDS_MAX) {
        seconds_left = exptime - clock_unix(offset_s);
    }
    if (seconds_left <= 0) {
        return 1;
    }
    return seconds_left < (int64_t)(UINT32_MAX - now) ? now + (uint32_t)seconds_left : UINT32_MAX;
}
