#include "core/server/fit.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/io/uring.h"
#include "core/mesh/mesh.h"
#include "core/mesh/message.h"
#include "core/net/memory.h"
#include "core/net/udp.h"
#include "core/server/cgroup.h"
#include "core/server/config_parse.h"
#include "core/server/engine.h"
#include "core/server/http.h"
#include "core/server/resources.h"
#include "core/server/sandbox.h"
#include "core/shard/shard.h"

#define MIB ((uint64_t)1 << 20)

#define FIT_REASON_BYTES 160
#define FIT_TEXT_BYTES 256

/* Telling what was lowered. */

/* Returns the end of the text. */
static char *fit_add(char *text, const char *flag, uint64_t now, uint64_t before) {
    if (now == before) {
        return text;
    }
    return text + sprintf(text, ", %s %llu instead of %llu", flag, (unsigned long long)now,
                          (unsigned long long)before);
}

static void fit_tell(const char *reason, const struct config *now, const struct config *before) {
    char text[FIT_TEXT_BYTES] = "";
    char *end = fit_add(text, "-m", now->memory_bytes / MIB, before->memory_bytes / MIB);
    end = fit_add(end, "-I", now->item_bytes_max, before->item_bytes_max);
    end = fit_add(end, "-t", now->cores, before->cores);
    fit_add(end, "-c", now->connections_max, before->connections_max);
    if (*text) {
        log_line("%s:%s", reason, text + strlen(","));
    }
}

/* Memory. */

/* Of the memory there is, where -m asks for more than that: the rest is for connections, messages
 * and the kernel's own. */
#define FIT_MEMORY_EIGHTHS 7

static void fit_tell_memory(uint64_t memory, int refused) {
    if (refused) {
        log_line("sysinfo(2) is refused here, as by a sandbox: %s; %s", strerror(-refused),
                 memory ? "/proc/meminfo is read instead"
                        : "-m is not compared with the memory there is");
    }
}

static bool fit_memory(struct config *config) {
    int refused;
    uint64_t memory = resources_memory_bytes(&refused);
    fit_tell_memory(memory, refused);
    if (memory == 0 || config->memory_bytes <= memory) {
        return true;
    }
    const struct config before = *config;
    char reason[FIT_REASON_BYTES];
    config->memory_bytes = memory / 8 * FIT_MEMORY_EIGHTHS / MIB * MIB;
    config_fit_shards(config);
    if (config->cores == 0) {
        log_line("there are %llu MB of memory, too little for one core",
                 (unsigned long long)(memory / MIB));
        return false;
    }
    snprintf(reason, sizeof(reason), "there are %llu MB of memory",
             (unsigned long long)(memory / MIB));
    fit_tell(reason, config, &before);
    return true;
}

/* Descriptors. */

/* That are neither a listener nor a reactor's ring nor a connection's: for signals, the process
 * that waits for a daemon, a connection that is refused, and files while they are read or written.
 */
#define FIT_DESCRIPTORS_SPARE 6

/* Of the thread that asks the system's SASL, beside one for each reactor: what it sleeps on and
 * ends by, its connection to saslauthd or LDAP, and a file or two. */
#define FIT_DESCRIPTORS_SASL 5

/* Of the thread of HTTP, beside its listeners: what it and reactor 0 sleep on, and a file. */
#define FIT_DESCRIPTORS_METRICS 4

/* Addresses of a name, and how many more it may have in the worst case. */
#define FIT_ADDRESSES_PER_NAME 2
#define FIT_ADDRESSES_PER_NAME_MAX ((uint64_t)8)

/* So that a flood of HTTP takes none that the cache's connections need. */
static uint64_t fit_metrics_descriptors(const struct config *config) {
    uint64_t listeners = FIT_ADDRESSES_PER_NAME * (uint64_t)config->metrics.count;
    return listeners > 0 ? listeners * HTTP_DESCRIPTORS_MAX + FIT_DESCRIPTORS_METRICS : 0;
}

/* All but those of reactors and connections. Without an address there are two of this machine. */
static uint64_t fit_other_descriptors(const struct config *config) {
    uint64_t names = config->address_count > 0 ? config->address_count : 1;
    uint64_t sockets = FIT_ADDRESSES_PER_NAME * names * (config->udp_port ? 2 : 1);
    uint64_t sasl = config->system_sasl ? config->cores + FIT_DESCRIPTORS_SASL : 0;
    return resources_open_descriptors() + sockets + sasl + fit_metrics_descriptors(config) +
           FIT_DESCRIPTORS_SPARE;
}

/* A reactor has those of its engine, and is of no use without a connection. */
static void fit_share_descriptors(struct config *config, uint64_t left) {
    uint64_t each = engine_descriptors(config);
    if (config->cores > left / (each + 1)) {
        config->cores = (uint32_t)(left / (each + 1));
    }
    left -= config->cores * each;
    if (config->connections_max > left) {
        config->connections_max = (uint32_t)left;
    }
}

static bool fit_descriptors(struct config *config) {
    const struct config before = *config;
    char reason[FIT_REASON_BYTES];
    if (config->connections_max > CONFIG_CONNECTIONS_MAX) {
        config->connections_max = CONFIG_CONNECTIONS_MAX;
    }
    uint64_t others = fit_other_descriptors(config);
    uint64_t each = engine_descriptors(config);
    uint64_t needed = others + config->cores * each + config->connections_max;
    uint64_t allowed =
        resources_raise_descriptors(needed + FIT_ADDRESSES_PER_NAME_MAX * config->address_count);
    if (allowed < others + each + 1) {
        log_line("the limit on descriptors is %llu, and at least %llu are needed: raise it "
                 "(ulimit -n, LimitNOFILE=)",
                 (unsigned long long)allowed, (unsigned long long)others + each + 1);
        return false;
    }
    snprintf(reason, sizeof(reason), "there can't be more connections");
    if (allowed < needed) {
        fit_share_descriptors(config, allowed - others);
        snprintf(reason, sizeof(reason),
                 "the limit on descriptors is %llu (ulimit -n, LimitNOFILE=)",
                 (unsigned long long)allowed);
    }
    fit_tell(reason, config, &before);
    return true;
}

/* Addresses. */

/* For the engine's rings and buffers, what the C library gives out, and the alignment of ranges. */
#define FIT_ADDRESSES_PER_CORE (16 * MIB)

/* Connections below which a lower -c saves nothing that counts. */
#define FIT_CONNECTIONS_MIN 64

/* A store reserves three times its memory, and a little. Above an estimate of all others. */
static uint64_t fit_addresses_needed(const struct config *config) {
    uint64_t messages = SHARD_MESSAGES_MAX + config->connections_max + UDP_DATAGRAMS_MAX;
    uint64_t core = message_pool_bytes(messages) + resources_stack_bytes() + FIT_ADDRESSES_PER_CORE;
    return config->memory_bytes * 3 + config->memory_bytes / 8 + config->cores * core +
           mesh_bytes(config->cores, config->ring_capacity);
}

static bool fit_has_addresses(const struct config *config, uint64_t memory_bytes) {
    struct config tried = *config;
    tried.memory_bytes = memory_bytes;
    return resources_has_addresses(fit_addresses_needed(&tried));
}

/* The most memory from `least`, for which there are addresses, to config.memory_bytes. */
static uint64_t fit_most_memory(const struct config *config, uint64_t least) {
    uint64_t most = config->memory_bytes;
    while (most - least > MIB) {
        uint64_t middle = (least + (most - least) / 2) / MIB * MIB;
        if (fit_has_addresses(config, middle)) {
            least = middle;
        } else {
            most = middle;
        }
    }
    return least;
}

/* First less memory, then fewer cores, then fewer connections. */
static bool fit_find_addresses(struct config *config) {
    while (!fit_has_addresses(config, config_memory_min(config))) {
        if (config->cores > 1) {
            config->cores--;
        } else if (config->connections_max > FIT_CONNECTIONS_MIN) {
            config->connections_max /= 2;
        } else {
            return false;
        }
    }
    config->memory_bytes = fit_most_memory(config, config_memory_min(config));
    return true;
}

static bool fit_addresses(struct config *config) {
    const struct config before = *config;
    uint64_t arenas = config->cores * RESOURCES_ARENA_BYTES;
    if (resources_has_addresses(fit_addresses_needed(config) + arenas)) {
        return true;
    }
    resources_save_addresses();
    if (fit_has_addresses(config, config->memory_bytes)) {
        return true;
    }
    if (!fit_find_addresses(config)) {
        log_line("there are too few addresses even for one core and the least -m: raise the limit "
                 "(ulimit -v, LimitAS=), or set the sysctl vm.overcommit_memory to 0");
        return false;
    }
    fit_tell("addresses are limited (ulimit -v, LimitAS=, vm.overcommit_memory)", config, &before);
    return true;
}

/* Threads. */

/* The C library knows a way round clone3(2), unless a sandbox refuses it by another error. */
static const char *fit_thread_advice(int error) {
    return error == -EPERM ? "let the sandbox allow clone3(2), or refuse it with ENOSYS"
                           : "raise the limit on them (ulimit -u, LimitNPROC=, TasksMax=)";
}

static bool fit_threads(struct config *config) {
    const struct config before = *config;
    int error;
    char reason[FIT_REASON_BYTES];
    config->cores = resources_threads(config->cores, &error);
    if (config->cores == 0) {
        log_line("no thread can be started: %s; %s", strerror(-error), fit_thread_advice(error));
        return false;
    }
    snprintf(reason, sizeof(reason),
             "no more threads can be started: %s (ulimit -u, LimitNPROC=, TasksMax=)",
             strerror(-error));
    fit_tell(reason, config, &before);
    return true;
}

/* Rings. */

static void fit_tell_rings(const struct config *now, const struct config *before, uint64_t limit) {
    char reason[FIT_REASON_BYTES] = "the system has no more descriptors (fs.file-max)";
    if (now->small_rings) {
        snprintf(
            reason, sizeof(reason),
            "the limit on locked memory is %llu KB (ulimit -l, LimitMEMLOCK=), so rings are small",
            (unsigned long long)(limit / 1024));
    }
    if (now->cores == before->cores) {
        log_line("%s", reason);
    }
    fit_tell(reason, now, before);
}

/* Where not all can be had, those that can are small; if they are fewer still, epoll is taken,
 * where that was left open, or fewer cores. Where rings are refused for other reasons than memory
 * and descriptors, their reactors will say why. */
static bool fit_rings(struct config *config, bool may_fall_back) {
    const struct config before = *config;
    if (config->io == IO_EPOLL) {
        return true;
    }
    int error = 0;
    uint64_t limit = resources_raise_lock_limit();
    uint32_t count = limit < UINT64_MAX ? uring_count(config->cores, false, &error) : config->cores;
    if (error != -ENOMEM && error != -ENFILE) {
        return true;
    }
    if (error == -ENOMEM) {
        config->small_rings = true;
        count = uring_count(config->cores, true, &error);
    }
    if (count < config->cores && may_fall_back) {
        config->small_rings = false;
        engine_fall_back(config, error);
        return fit_descriptors(config);
    }
    if (count == 0) {
        log_line("%s", uring_engine.advice(error));
        return false;
    }
    config->cores = count;
    fit_tell_rings(config, &before, limit);
    return true;
}

/* All together. */

/* Of all datagrams' answers; and of the threads of HTTP and etcd, with what their libraries take
 * for as many requests as there may be at once. */
#define FIT_UDP_BYTES (UDP_DATAGRAMS_MAX * (uint64_t)80 * 1024)
#define FIT_HTTP_BYTES (8 * MIB)
#define FIT_CLUSTER_BYTES (4 * MIB)

uint64_t fit_process_bytes(const struct config *config) {
    uint64_t connection = MEMORY_CONNECTION_BYTES + (config->tls.enabled ? MEMORY_TLS_BYTES : 0);
    return config->memory_bytes + config->cores * MEMORY_CORE_BYTES +
           config->connections_max * connection + (config->udp_port ? FIT_UDP_BYTES : 0) +
           (config->metrics.count > 0 ? FIT_HTTP_BYTES : 0) +
           (config->cluster.name ? FIT_CLUSTER_BYTES : 0);
}

static void fit_tell_limit(const struct config *config) {
    uint64_t most = fit_process_bytes(config);
    uint64_t limit = cgroup_memory_limit(CGROUP_GROUPS, CGROUP_ROOT);
    if (limit < most) {
        log_line(
            "the cgroup's limit on memory is %llu MB, less than the %llu MB that the server may "
            "take (-m, -t, -c): the kernel ends it there",
            (unsigned long long)(limit / MIB), (unsigned long long)fit_mib(most));
    }
}

bool fit_to_machine(struct config *config) {
    assert(config->cores > 0);
    bool may_fall_back = config->io == IO_AUTO;
    sandbox_choose(config);
    bool fits = fit_memory(config) && engine_choose(config) && fit_descriptors(config) &&
                fit_addresses(config) && fit_threads(config) && fit_rings(config, may_fall_back);
    if (fits) {
        fit_tell_limit(config);
    }
    return fits;
}
