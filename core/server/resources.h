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

/* True when `bytes` of addresses can be reserved. There may be a limit on them (ulimit -v), or the
 * kernel may count them as memory (vm.overcommit_memory=2). */
bool resources_has_addresses(uint64_t bytes);

/* The number of reactors without -t: as many as CPUs, but at most one for each 16 MiB of the
 * cache's memory, and at least 1. */
uint32_t resources_default_cores(uint64_t cache_bytes);

/* Raises the soft limit on descriptors to `descriptors`, unless it is higher, and that on locked
 * memory as far as it goes: older kernels count the memory of rings against it. Returns 0, or the
 * hard limit on descriptors when that is too low. */
uint64_t resources_raise_limits(uint64_t descriptors);

/* Raises the limit on core files as far as it goes. False when it stays at 0. */
bool resources_allow_core_files(void);

/* Removes the limit on locked memory; as root, else nothing happens. Reserved addresses count
 * against it, whether they are touched or not. */
void resources_lift_lock_limit(void);

/* Locks each page of the process in memory, from its first use on, so that it is never swapped out.
 * To be called when root has been dropped: root may ignore the limit, and others would then meet it
 * later. Returns 0 or -errno. */
int resources_lock_memory(void);

#endif
