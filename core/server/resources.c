#include "core/server/resources.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "core/server/cgroup.h"

#define CACHE_BYTES_PER_CORE_MIN ((uint64_t)16 << 20)

/* Reads a file of the cgroup (version 2) that this process is in, whose path /proc/self/cgroup
 * gives as "0::/path". False where there is none. */
static bool resources_read_cgroup(const char *file, char *text, int size) {
    char path[4096] = "", line[4096];
    FILE *groups = fopen("/proc/self/cgroup", "re");
    if (!groups) {
        return false;
    }
    while (fgets(line, sizeof(line), groups)) {
        if (strncmp(line, "0::", 3) == 0) {
            snprintf(path, sizeof(path), "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
        }
    }
    fclose(groups);
    char name[sizeof(path) + 64];
    snprintf(name, sizeof(name), "/sys/fs/cgroup%s/%s", path, file);
    FILE *limits = fopen(name, "re");
    if (!limits) {
        return false;
    }
    bool read = fgets(text, size, limits);
    fclose(limits);
    return read;
}

/* cpu.max holds "quota period" in microseconds, or "max period". */
static uint32_t resources_cgroup_cpus(uint32_t cpus) {
    char text[128];
    unsigned long quota, period;
    if (!resources_read_cgroup("cpu.max", text, sizeof(text)) ||
        sscanf(text, "%lu %lu", &quota, &period) != 2 || period == 0) {
        return cpus;
    }
    unsigned long whole = (quota + period - 1) / period;
    return whole < cpus ? (uint32_t)whole : cpus;
}

uint32_t resources_cpus(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                             : (int)sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t cpus = resources_cgroup_cpus(count > 0 ? (uint32_t)count : 1);
    return cpus > 0 ? cpus : 1;
}

/* 0 where it isn't told. */
static uint64_t resources_meminfo_bytes(void) {
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file) {
        return 0;
    }
    while (kib == 0 && fgets(line, sizeof(line), file)) {
        sscanf(line, "MemTotal: %llu kB", &kib);
    }
    fclose(file);
    return (uint64_t)kib * 1024;
}

uint64_t resources_memory_bytes(int *refused) {
    struct sysinfo info;
    int error = sysinfo(&info) == 0 ? 0 : -errno;
    uint64_t bytes =
        error ? resources_meminfo_bytes() : (uint64_t)info.totalram * (uint64_t)info.mem_unit;
    if (refused) {
        *refused = error;
    }
    uint64_t limit = cgroup_memory_limit(CGROUP_GROUPS, CGROUP_ROOT);
    return limit < bytes || (bytes == 0 && limit < UINT64_MAX) ? limit : bytes;
}

bool resources_has_addresses(uint64_t bytes) {
    void *addresses = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (addresses == MAP_FAILED) {
        return false;
    }
    munmap(addresses, bytes);
    return true;
}

void resources_save_addresses(void) {
    mallopt(M_ARENA_MAX, 1);
}

uint32_t resources_default_cores(uint64_t cache_bytes) {
    uint64_t cores = cache_bytes / CACHE_BYTES_PER_CORE_MIN;
    uint32_t cpus = resources_cpus();
    if (cores > cpus) {
        cores = cpus;
    }
    return cores > 0 ? (uint32_t)cores : 1;
}

uint64_t resources_raise_lock_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return UINT64_MAX;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

uint64_t resources_raise_descriptors(uint64_t descriptors) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return descriptors; /* it can't be asked: more will be known when they have run out */
    }
    if (limit.rlim_cur >= descriptors) {
        return limit.rlim_cur;
    }
    struct rlimit raised = {.rlim_cur = descriptors, .rlim_max = limit.rlim_max};
    if (raised.rlim_max < descriptors) {
        raised.rlim_max = descriptors; /* allowed to root alone */
    }
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        return descriptors;
    }
    raised.rlim_cur = raised.rlim_max = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

/* Without /proc the standard streams alone are known. */
uint64_t resources_open_descriptors(void) {
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) {
        return STDERR_FILENO + 1;
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count - 1; /* the folder itself */
}

/* Waits for the main thread to unlock it. */
static void *resources_wait_at(void *gate) {
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

uint32_t resources_threads(uint32_t wanted, int *error) {
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *threads = calloc(wanted, sizeof(*threads));
    uint32_t started = 0;
    *error = threads ? 0 : -ENOMEM;
    pthread_mutex_lock(&gate);
    while (threads && started < wanted && !*error) {
        *error = -pthread_create(&threads[started], NULL, resources_wait_at, &gate);
        started += !*error;
    }
    pthread_mutex_unlock(&gate);
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
    return started;
}

uint64_t resources_stack_bytes(void) {
    pthread_attr_t attributes;
    size_t bytes = 0;
    pthread_attr_init(&attributes);
    pthread_attr_getstacksize(&attributes, &bytes);
    pthread_attr_destroy(&attributes);
    return bytes;
}

bool resources_allow_core_files(void) {
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_CORE, &limit) == 0) {
        return true;
    }
    if (getrlimit(RLIMIT_CORE, &limit) != 0) {
        return false;
    }
    limit.rlim_cur = limit.rlim_max;
    return limit.rlim_max > 0 && setrlimit(RLIMIT_CORE, &limit) == 0;
}

void resources_lift_lock_limit(void) {
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &limit);
}

int resources_lock_memory(void) {
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0 ? 0 : -errno;
}
