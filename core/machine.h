/* machine: what this process may use of the machine it runs on. */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include <stdint.h>

/* CPUs of this process's affinity mask, and not more than its cgroup's CPU quota; at least 1. */
uint32_t machine_cpus(void);

/* Memory in bytes: the machine's, or the cgroup's limit where that is less. */
uint64_t machine_memory_bytes(void);

/* How many reactors to start where nothing is asked for: the CPUs, but each with 16 MiB of the
 * cache's memory. */
uint32_t machine_default_cores(uint64_t cache_bytes);

/* Makes sure that `descriptors` files can be open at once, raising the soft limit; and raises the
 * soft limit of locked memory, against which older kernels count ring memory. Returns 0, or the
 * hard limit of descriptors when that is too low. */
uint64_t machine_raise_limits(uint64_t descriptors);

#endif
