/* load_cpu: the CPU time of a process, as the scheduler counts it. */
#ifndef BENCH_LOAD_CPU_H
#define BENCH_LOAD_CPU_H

#include <stdint.h>

/* Of all threads. */
struct cpu_time {
    uint64_t running_ns;
    uint64_t waiting_ns; /* ready to run, while something else ran */
};

/* Ends the program with a line on stderr when there is no such process. */
struct cpu_time load_cpu_of(uint32_t pid);

#endif
