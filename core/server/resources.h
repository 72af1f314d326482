/* resources: what this process may use of the machine that it runs on: CPUs, memory, threads, and
 * the limits of getrlimit(2) and of its cgroup. Thread: the main one, before the others start. */
#ifndef CORE_SERVER_RESOURCES_H
#define CORE_SERVER_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

/* CPUs of this process's affinity mask, and not more than its cgroup's CPU quota; at least 1. */
uint32_t resources_cpus(void);

/* Memory in bytes: the machine's, or the cgroup's limit where that is less; 0 where neither can be
 * asked. `refused`, unless NULL, becomes -errno of sysinfo(2) where that call is refused, as by
 * some sandboxes, else 0; the machine's memory is then read from /proc/meminfo. */
uint64_t resources_memory_bytes(int *refused);

/* True when `bytes` of addresses can be reserved. There may be a limit on them (ulimit -v), or the
 * kernel may count them as memory (vm.overcommit_memory=2). */
bool resources_has_addresses(uint64_t bytes);

/* Has the C library give out memory from one range from now on. By default it reserves up to
 * RESOURCES_ARENA_BYTES of addresses for each thread. */
#define RESOURCES_ARENA_BYTES ((uint64_t)128 << 20)
void resources_save_addresses(void);

/* The number of reactors without -t: as many as CPUs, but at most one for each 16 MiB of the
 * cache's memory, and at least 1. */
uint32_t resources_default_cores(uint64_t cache_bytes);

/* Raises the soft limit on locked memory as far as it goes: the memory of rings counts against it.
 * Returns it in bytes; UINT64_MAX: there is none. */
uint64_t resources_raise_lock_limit(void);

/* Raises the soft limit on descriptors to `descriptors`, or as near to that as it goes, unless it
 * is higher. Returns how many there may be then. */
uint64_t resources_raise_descriptors(uint64_t descriptors);

/* Descriptors that are open now. */
uint64_t resources_open_descriptors(void);

/* How many threads can run at a time beside this one: `wanted`, or fewer, and then `error` becomes
 * -errno of the first that could not be started. Starts and ends them. */
uint32_t resources_threads(uint32_t wanted, int *error);

/* Addresses in bytes that the stack of a thread takes. */
uint64_t resources_stack_bytes(void);

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
