#include "core/server/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUP_PATH_BYTES 4096

/* UINT64_MAX where there is no number, as in the "max" of version 2. That of version 1 where there
 * is no limit is higher than any machine's memory. */
static uint64_t cgroup_read_number(const char *path) {
    char text[64] = "", *end;
    FILE *file = fopen(path, "re");
    if (!file) {
        return UINT64_MAX;
    }
    bool read = fgets(text, sizeof(text), file);
    fclose(file);
    unsigned long long number = strtoull(text, &end, 10);
    return read && end != text ? number : UINT64_MAX;
}

/* The least number in the files of that name in the folder root/path and those above it, the root
 * among them. Changes the path. */
static uint64_t cgroup_least(const char *root, char *path, const char *file) {
    uint64_t least = UINT64_MAX;
    char *last = path + strlen(path);
    while (last) {
        char name[2 * CGROUP_PATH_BYTES];
        *last = '\0';
        snprintf(name, sizeof(name), "%s%s/%s", root, path, file);
        uint64_t number = cgroup_read_number(name);
        least = number < least ? number : least;
        last = strrchr(path, '/');
    }
    return least;
}

/* Whether a line of the groups' file names version 1's group for memory: "4:cpu,memory:/path". */
static bool cgroup_names_memory(const char *controllers) {
    size_t length = strcspn(controllers, ":");
    while (length > 0) {
        size_t word = strcspn(controllers, ",:");
        if (word == strlen("memory") && strncmp(controllers, "memory", word) == 0) {
            return true;
        }
        word += controllers[word] == ',';
        controllers += word;
        length -= word;
    }
    return false;
}

static uint64_t cgroup_limit_of_line(char *line, const char *root) {
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    line[strcspn(line, "\n")] = '\0';
    if (!path) {
        return UINT64_MAX;
    }
    path++;
    if (controllers[1] == ':') {
        return cgroup_least(root, path, "memory.max");
    }
    if (!cgroup_names_memory(controllers + 1)) {
        return UINT64_MAX;
    }
    char memory_root[CGROUP_PATH_BYTES];
    snprintf(memory_root, sizeof(memory_root), "%s/memory", root);
    return cgroup_least(memory_root, path, "memory.limit_in_bytes");
}

uint64_t cgroup_memory_limit(const char *groups, const char *root) {
    uint64_t least = UINT64_MAX;
    char line[CGROUP_PATH_BYTES];
    FILE *file = fopen(groups, "re");
    if (!file) {
        return UINT64_MAX;
    }
    while (fgets(line, sizeof(line), file)) {
        uint64_t limit = cgroup_limit_of_line(line, root);
        least = limit < least ? limit : least;
    }
    fclose(file);
    return least;
}
