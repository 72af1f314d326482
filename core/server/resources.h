/* resources: what this process may use of the machine that it runs on: CPUs, memory, and the limits
 * of getrlimit(2) and of its cgroup. Thread: the main one, before the others start; the first three
 * any. */
#ifndef CORE_SERVER_RESOURCES_H
#define CORE_SERVER_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

/* CPUs of this process's affinity mask, and not more than its cgroup's CPU quota; at least 1. */
uint32_t resources_cpus(void);

/* Memory in bytes: the machine's, or the cgroup's limit where that is less. */
uint64_t resources_memory_bytes(void);

/* Whether so many bytes of addresses can be reserved. There may be a limit to them (ulimit -v), or
 * they may count as if they were memory (vm.overcommit_memory=2). */
bool resources_has_addresses(uint64_t bytes);

/* How many reactors to start where nothing is asked for: the CPUs, but each with 16 MiB of the
 * cache's memory. */
uint32_t resources_default_cores(uint64_t cache_bytes);

/* Makes sure that `descriptors` files can be open at once, raising the soft limit; and raises the
 * soft limit of locked memory, against which some kernels count ring memory. Returns 0, or the
 * hard limit of descriptors when that is too low. */
uint64_t resources_raise_limits(uint64_t descriptors);

/* Raises the limit on core files as far as it goes. False when it stays at 0. */
bool resources_allow_core_files(void);

/* Lifts the limit on locked memory, which root may: address space counts against it, touched or
 * not. */
void resources_lift_lock_limit(void);

/* Keeps what this process has in memory, now or later, from being swapped out: each page from when
 * it is first touched on. To be called once root has been dropped, as its right to ignore the limit
 * goes with it. Returns 0 or -errno. */
int resources_lock_memory(void);

#endif
