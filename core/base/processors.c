#include "core/base/processors.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"

/* Longer than a line of one processor; others are longer, and come behind. */
#define LINE_BYTES 512

uint64_t processors_used_ns(void) {
    struct timespec time = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * CLOCK_SECOND_NS + (uint64_t)time.tv_nsec;
}

/* Adds what a line such as "cpu3 user nice system idle iowait …" says, if the processor is among
 * those allowed. The first line, of all together, has no number. */
static void processors_add(const char *line, const cpu_set_t *allowed, uint64_t *clicks) {
    unsigned number;
    unsigned long long nice, idle, waiting;
    if (sscanf(line, "cpu%u %*u %llu %*u %llu %llu", &number, &nice, &idle, &waiting) == 4 &&
        number < CPU_SETSIZE && CPU_ISSET(number, allowed)) {
        *clicks += nice + idle + waiting;
    }
}

bool processors_idle_ns(uint64_t *idle_ns) {
    char line[LINE_BYTES];
    cpu_set_t allowed;
    uint64_t clicks = 0;
    long clicks_per_s = sysconf(_SC_CLK_TCK);
    FILE *file = fopen("/proc/stat", "re");
    if (!file) {
        return false;
    }
    bool known = clicks_per_s > 0 && sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
    while (known && fgets(line, sizeof(line), file) && strncmp(line, "cpu", 3) == 0) {
        processors_add(line, &allowed, &clicks);
    }
    fclose(file);
    *idle_ns = clicks_per_s > 0 ? clicks * (CLOCK_SECOND_NS / (uint64_t)clicks_per_s) : 0;
    return known && clicks > 0;
}
