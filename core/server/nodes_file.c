#include "core/server/nodes_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/server/server.h"

/* A file with the longest list and as much of comments. */
#define FILE_BYTES_MAX ((ssize_t)4 * NODES_TEXT_BYTES_MAX)

/* A problem with the file's name. */
#define PROBLEM_BYTES (NODES_PROBLEM_BYTES + 256)

/* Returns the number of bytes, or -errno; sets the Unix time of the file's last change. */
static ssize_t nodes_file_load(const char *path, char text[FILE_BYTES_MAX + 1],
                               int64_t *changed_s) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    ssize_t length = 0, got = 0;
    if (file < 0) {
        return -errno;
    }
    do {
        got = read(file, text + length, (size_t)(FILE_BYTES_MAX + 1 - length));
        length += got > 0 ? got : 0;
    } while (got > 0);
    if (got < 0 || fstat(file, &about) != 0) {
        length = -errno;
    } else {
        *changed_s = about.st_mtim.tv_sec;
    }
    close(file);
    return length;
}

/* What takes the place of `old` (NULL: nothing), or NULL with what is wrong. */
static struct nodes *nodes_file_make(const char *path, const struct nodes *old,
                                     char problem[PROBLEM_BYTES]) {
    char text[FILE_BYTES_MAX + 1], what[NODES_PROBLEM_BYTES] = "it is too long";
    int64_t changed_s = 0;
    struct nodes *nodes = NULL;
    ssize_t length = nodes_file_load(path, text, &changed_s);
    if (length < 0) {
        snprintf(what, sizeof(what), "%s", strerror((int)-length));
    } else if (length <= FILE_BYTES_MAX) {
        nodes = nodes_read(text, (size_t)length, nodes_next_version(0, changed_s), what);
    }
    if (nodes && old && nodes->version <= old->version) {
        uint32_t version = nodes_next_version(old->version, changed_s);
        struct nodes *low = nodes;
        nodes = nodes_renumber(low, nodes_are_same(low, old) ? old->version : version);
        nodes_free(low);
        snprintf(what, sizeof(what), "no memory");
    }
    if (!nodes) {
        snprintf(problem, PROBLEM_BYTES, "-o nodes=%s: %s", path, what);
    }
    return nodes;
}

bool nodes_file_read(struct server *server) {
    char problem[PROBLEM_BYTES];
    if (!server->config->nodes_file) {
        return true;
    }
    server->nodes = nodes_file_make(server->config->nodes_file, NULL, problem);
    if (!server->nodes) {
        log_line("%s", problem);
    }
    return server->nodes;
}

void nodes_file_publish(struct server *server) {
    if (!server->nodes) {
        return;
    }
    atomic_store_explicit(&server->cluster_facts.version, server->nodes->version,
                          memory_order_relaxed);
    atomic_store_explicit(&server->cluster_facts.nodes, server->nodes->count, memory_order_relaxed);
    for (uint32_t i = 0; i < server->config->cores; i++) {
        struct nodes *copy = nodes_copy(server->nodes);
        if (copy) {
            shard_renew_nodes(server->shards[i], copy);
        }
    }
}

void nodes_file_reload(struct server *server, struct log *log) {
    char problem[PROBLEM_BYTES];
    if (!server->nodes) {
        return;
    }
    struct nodes *newer = nodes_file_make(server->config->nodes_file, server->nodes, problem);
    if (!newer) {
        log_add(log, LOG_NO_CONNECTION, "%s; the list of servers stays as it was", problem);
        return;
    }
    nodes_free(server->nodes);
    server->nodes = newer;
    nodes_file_publish(server);
    log_add(log, LOG_NO_CONNECTION, "%u servers read again from %s, version %u", newer->count,
            server->config->nodes_file, newer->version);
}
