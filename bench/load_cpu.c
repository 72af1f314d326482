#include "bench/load_cpu.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void add_thread(struct cpu_time *time, const char *path) {
    uint64_t running_ns, waiting_ns;
    FILE *file = fopen(path, "r");
    if (!file) {
        return; /* the thread has ended */
    }
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &running_ns, &waiting_ns) == 2) {
        time->running_ns += running_ns;
        time->waiting_ns += waiting_ns;
    }
    fclose(file);
}

struct cpu_time load_cpu_of(uint32_t pid) {
    struct cpu_time time = {0};
    char path[64 + sizeof((struct dirent *)NULL)->d_name];
    snprintf(path, sizeof(path), "/proc/%u/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) {
        fprintf(stderr, "load: --server-pid: there is no process %u\n", pid);
        exit(EXIT_FAILURE);
    }
    for (struct dirent *task; (task = readdir(tasks));) {
        snprintf(path, sizeof(path), "/proc/%u/task/%s/schedstat", pid, task->d_name);
        if (task->d_name[0] != '.') {
            add_thread(&time, path);
        }
    }
    closedir(tasks);
    return time;
}
