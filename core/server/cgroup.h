/* cgroup: the limit on memory of the control groups that this process is in (cgroups(7)). Thread:
 * the main one, before the others start. */
#ifndef CORE_SERVER_CGROUP_H
#define CORE_SERVER_CGROUP_H

#include <stdint.h>

/* The process's own groups, and where their files lie. */
#define CGROUP_GROUPS "/proc/self/cgroup"
#define CGROUP_ROOT "/sys/fs/cgroup"

/* The least limit in bytes of its group and of those above it: memory.max of version 2, and
 * memory.limit_in_bytes of version 1. UINT64_MAX: there is none, or none that can be read. groups
 * and root: the two paths above. */
uint64_t cgroup_memory_limit(const char *groups, const char *root);

#endif
