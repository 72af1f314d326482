/* The answer to `stats cluster`. */
#include "core/stats/cluster.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/stats/metrics_writer.h"
#include "core/stats/writer.h"

#define SECOND_NS ((uint64_t)1000000000)

static uint64_t cluster_load(const _Atomic uint64_t *number) {
    return atomic_load_explicit(number, memory_order_relaxed);
}

static enum cluster_state cluster_state_of(const struct cluster_facts *facts) {
    return (enum cluster_state)atomic_load_explicit(&facts->state, memory_order_relaxed);
}

bool stats_has_cluster(const struct server_facts *facts) {
    return facts->cluster;
}

static uint64_t cluster_age_s(uint64_t then_ns, uint64_t now_ns) {
    return now_ns > then_ns ? (now_ns - then_ns) / SECOND_NS : 0;
}

size_t cluster_figures(const struct stats_sources *sources,
                       struct cluster_figure figures[CLUSTER_FIGURES_MAX]) {
    const struct cluster_facts *facts = sources->facts->cluster;
    struct cluster_figure *at = figures;
    if (!stats_has_cluster(sources->facts)) {
        return 0;
    }
    *at++ = (struct cluster_figure){"version", CLUSTER_GAUGE,
                                    "Version of the list of servers, 0 while none is known.",
                                    cluster_load(&facts->version)};
    *at++ = (struct cluster_figure){"nodes", CLUSTER_GAUGE, "Servers in the list.",
                                    cluster_load(&facts->nodes)};
    if (!sources->facts->config->cluster.name) {
        return (size_t)(at - figures);
    }
    *at++ = (struct cluster_figure){"registered", CLUSTER_GAUGE,
                                    "1 while this server is registered with etcd, else 0.",
                                    cluster_state_of(facts) == CLUSTER_REGISTERED};
    uint64_t heard_ns = cluster_load(&facts->heard_ns);
    if (heard_ns) {
        *at++ = (struct cluster_figure){"etcd_last_word_seconds", CLUSTER_GAUGE,
                                        "Seconds since etcd answered last.",
                                        cluster_age_s(heard_ns, sources->now_ns)};
    }
    *at++ = (struct cluster_figure){"etcd_revision", CLUSTER_GAUGE,
                                    "Revision of etcd's data as of its last answer.",
                                    cluster_load(&facts->revision)};
    *at++ = (struct cluster_figure){"etcd_requests", CLUSTER_COUNT, "Requests to etcd.",
                                    cluster_load(&facts->requests)};
    *at++ = (struct cluster_figure){"etcd_failures", CLUSTER_COUNT, "Requests to etcd that failed.",
                                    cluster_load(&facts->failures)};
    *at++ = (struct cluster_figure){"registrations", CLUSTER_COUNT,
                                    "Times that this server has registered.",
                                    cluster_load(&facts->registrations)};
    *at++ = (struct cluster_figure){"lists_written", CLUSTER_COUNT,
                                    "Lists of servers that this server has written.",
                                    cluster_load(&facts->lists_written)};
    assert(at - figures <= CLUSTER_FIGURES_MAX);
    return (size_t)(at - figures);
}

static void cluster_put_hex(struct stats_writer *writer, const char *name, uint64_t number) {
    char text[17];
    snprintf(text, sizeof(text), "%" PRIx64, number);
    stats_put(writer, name, text);
}

static void cluster_put_etcd(struct stats_writer *writer, const struct stats_sources *sources) {
    static const char *const states[] = {[CLUSTER_CONNECTING] = "connecting",
                                         [CLUSTER_REGISTERED] = "registered",
                                         [CLUSTER_LEAVING] = "leaving"};
    const struct cluster_facts *facts = sources->facts->cluster;
    const struct cluster_config *config = &sources->facts->config->cluster;
    stats_put(writer, "name", config->name);
    stats_put(writer, "advertise", config->node);
    stats_put_number(writer, "ttl", config->ttl_s);
    stats_put(writer, "state", states[cluster_state_of(facts)]);
    cluster_put_hex(writer, "lease", cluster_load(&facts->lease));
    cluster_put_hex(writer, "etcd_cluster_id", cluster_load(&facts->cluster_id));
}

void metrics_put_cluster(struct metrics_writer *writer, const struct metrics_sources *sources) {
    struct cluster_figure figures[CLUSTER_FIGURES_MAX];
    size_t count = cluster_figures(&sources->stats, figures);
    for (size_t i = 0; i < count; i++) {
        const struct cluster_figure *figure = &figures[i];
        bool counts = figure->type == CLUSTER_COUNT;
        char name[METRICS_NAME_BYTES];
        snprintf(name, sizeof(name), "simplecache_cluster_%s%s", figure->name,
                 counts ? "_total" : "");
        metrics_put_head(writer, name, counts ? METRICS_COUNTER : METRICS_GAUGE, figure->sentence);
        metrics_put_number(writer, name, NULL, figure->value);
    }
}

void stats_put_cluster(struct stats_writer *writer, const struct stats_sources *sources) {
    struct cluster_figure figures[CLUSTER_FIGURES_MAX];
    size_t count = cluster_figures(sources, figures), at = 0;
    char name[32], node[NODE_BYTES];
    if (sources->facts->config->cluster.name) {
        cluster_put_etcd(writer, sources);
    } else {
        stats_put(writer, "file", sources->facts->config->nodes_file);
    }
    for (size_t i = 0; i < count; i++) {
        stats_put_number(writer, figures[i].name, figures[i].value);
    }
    for (unsigned i = 0; sources->nodes && nodes_next(sources->nodes, &at, node); i++) {
        snprintf(name, sizeof(name), "node:%u", i);
        stats_put(writer, name, node);
    }
}
