#include "core/server/reactor.h"

#include <assert.h>
#include <errno.h>

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/base/facts.h"
#include "core/net/connection_list.h"
#include "core/net/connection_move.h"
#include "core/net/sasl_logins.h"
#include "core/net/tls.h"
#include "core/net/udp.h"
#include "core/pipeline/watcher.h"

/* Preparing and freeing. */

static void reactor_open_connection(void *net, int descriptor, enum transport transport) {
    connection_open(net, descriptor, transport);
}

static void reactor_take_connection(void *net, struct connection *connection) {
    connection_arrive(net, connection);
}

static bool reactor_begin_login(void *net, struct pipeline *pipeline,
                                const struct request *request) {
    return sasl_logins_begin(net, pipeline, request);
}

static const char *reactor_refresh_certs(void *context) {
    struct net *net = context;
    return tls_answer_reload(net->tls);
}

static void reactor_pipeline_progressed(void *net, struct pipeline *pipeline) {
    connection_progressed(net, container_of(pipeline, struct connection, pipeline));
}

static void reactor_wake(void *net, uint32_t other) {
    net_wake(net, other);
}

static void reactor_flush_watch_at(void *context, uint64_t at_ns) {
    struct net *net = context;
    struct timer *timer = &container_of(net, struct reactor, net)->watch;
    if (!timer->set || at_ns < timer->due_ns) {
        timer_set(&net->timers, timer, at_ns);
    }
}

static void reactor_watch_lines(void *context, const char *records, size_t length) {
    struct net *net = context;
    watcher_deliver(&net->shard, records, length);
}

static const struct shard_hooks reactor_hooks = {
    .progressed = reactor_pipeline_progressed,
    .open_connection = reactor_open_connection,
    .take_connection = reactor_take_connection,
    .begin_login = reactor_begin_login,
    .refresh_certs = reactor_refresh_certs,
    .list_connections = connection_list,
    .flush_watch_at = reactor_flush_watch_at,
    .watch_lines = reactor_watch_lines,
    .wake = reactor_wake,
};

static struct server_settings reactor_first_settings(const struct config *config) {
    return (struct server_settings){
        .memory_bytes = config->memory_bytes,
        .verbosity = config->verbosity,
        .lru_crawler = !config->no_crawler,
        .lru_crawler_sleep_us = config->crawler_sleep_us,
        .lru_crawler_tocrawl = config->crawler_items_max,
        .detail_enabled = config->detail_enabled,
    };
}

/* Of a shard's memory what copies of other shards' items have. */
static size_t reactor_copies_bytes(const struct config *config) {
    size_t bytes = config->memory_bytes / config->cores / COPIES_PART;
    bool may = config->cores > 1 && !config->no_hot_keys && bytes >= COPIES_BYTES_MIN;
    return may ? bytes : 0;
}

static int reactor_init_shard(struct reactor *reactor, const struct reactor_config *config,
                              struct logins *logins) {
    const struct config *options = config->facts->config;
    struct shard_config shard_config = {
        .id = config->id,
        .count = options->cores,
        .seed = config->seed,
        .memory_bytes = options->memory_bytes / options->cores,
        .memory_bytes_max = config->memory_bytes_max / options->cores,
        .copies_bytes = reactor_copies_bytes(options),
        .store = config->store,
        .settings = reactor_first_settings(options),
        .logins = logins,
        .item_bytes_max = options->item_bytes_max,
        .pipelines_max = options->connections_max + UDP_DATAGRAMS_MAX,
        .mesh = config->mesh,
        .all = config->shards,
        .facts = config->facts,
        .clock = config->clock,
    };
    int error = shard_init(&reactor->net.shard, &shard_config);
    if (error) {
        logins_free(logins);
        reactor->start_failure = "no memory for its part of -m and -c: give less, or raise the "
                                 "limit on addresses (ulimit -v, LimitAS=)";
        return error;
    }
    reactor->net.shard.hooks = &reactor_hooks;
    reactor->net.shard.reactor = &reactor->net;
    return 0;
}

static int reactor_open(struct reactor *reactor, const struct reactor_config *config) {
    struct logins *logins = config->logins ? logins_copy(config->logins) : NULL;
    if (config->logins && !logins) {
        reactor->start_failure = "no memory for the users";
        return -ENOMEM;
    }
    int error = reactor_init_shard(reactor, config, logins);
    if (error) {
        return error;
    }
    error = config->engine->open(&reactor->net.io, config->engine_context);
    if (error) {
        reactor->start_failure = config->engine->advice(error);
        shard_finish(&reactor->net.shard);
    }
    return error;
}

int reactor_init(struct reactor *reactor, const struct reactor_config *config) {
    assert(config->group->count == config->facts->config->cores);
    int error = reactor_open(reactor, config);
    if (error) {
        return error;
    }
    reactor->group = config->group;
    reactor->mesh = config->mesh;
    reactor->metrics = config->metrics;
    reactor->signals = config->signals;
    reactor->signalled = config->signalled;
    reactor->stop_asked = config->stop_asked;
    reactor->context = config->context;
    reactor->net.acceptor = config->acceptor;
    reactor->net.udp = config->udp;
    reactor->net.tls = config->tls;
    reactor->net.sasl = config->sasl;
    net_init(&reactor->net, config->group->peers, &config->group->moving);
    config->group->peers[config->id].io = reactor->net.io;
    return 0;
}

void reactor_close(struct reactor *reactor) {
    struct io *io = reactor->net.io;
    io->engine->close(io);
}

void reactor_finish(struct reactor *reactor) {
    struct net *net = &reactor->net;
    assert(LIST_EMPTY(&net->connections)); /* the group ends with the last of them */
    shard_finish(&net->shard);
}

void reactor_check(const struct reactor *reactor) {
    const struct net *net = &reactor->net;
    const struct connection *connection;
    uint64_t connections = 0, outstanding = 0;
    schedule_check(&net->schedule);
    LIST_FOREACH(connection, &net->connections, all_link) {
        connection_check(connection);
        /* A gather counts as one, however many of its messages are out. */
        outstanding += connection->pipeline.outstanding - !!connection->pipeline.gather;
        connections++;
    }
    assert(net->shard.counters.curr_connections == connections);
    assert(outstanding <= mesh_outstanding(net->shard.port));
}
