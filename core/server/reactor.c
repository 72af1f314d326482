#include "core/server/reactor.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/net/acceptor.h"
#include "core/net/connection_list.h"
#include "core/net/timeouts.h"
#include "core/net/udp.h"
#include "core/pipeline/exchange.h"
#include "core/server/server.h"
#include "core/server/signals.h"
#include "core/shard/scan.h"

/* Connections that have been refused a lease ask for it again this often, so many at a time. */
#define BEG_NS 1000000u
#define BEG_CONNECTIONS_MAX 64

/* While stopping, reactors look at the state of the server this often. */
#define STOP_POLL_NS 10000000u

static void on_connection(void *context, int descriptor) {
    connection_open(context, descriptor);
}

static void on_progress(void *context, struct pipeline *pipeline) {
    _Static_assert(offsetof(struct connection, pipeline) == 0, "one is the other's address");
    connection_progressed(context, (struct connection *)pipeline);
}

static const struct shard_hooks reactor_hooks = {
    .progressed = on_progress,
    .open_connection = on_connection,
    .list_connections = connection_list,
};

static struct server_settings first_settings(const struct config *config) {
    return (struct server_settings){
        .memory_bytes = config->memory_bytes,
        .verbosity = config->verbosity,
        .lru_crawler = !config->no_crawler,
        .lru_crawler_sleep_us = config->crawler_sleep_us,
        .lru_crawler_tocrawl = config->crawler_items_max,
        .detail_enabled = config->detail_enabled,
    };
}

int reactor_init(struct reactor *reactor, struct server *server, uint32_t id) {
    const struct config *config = server->config;
    reactor->server = server;
    reactor->acceptor = id == 0 ? &server->acceptor : NULL;
    reactor->udp = id == 0 ? server->udp : NULL;
    LIST_INIT(&reactor->connections);
    TAILQ_INIT(&reactor->ready);
    TAILQ_INIT(&reactor->waiting);
    TAILQ_INIT(&reactor->settling);
    TAILQ_INIT(&reactor->begging);
    TAILQ_INIT(&reactor->flying);
    atomic_init(&reactor->connections_ended, 0);
    reactor->next_serial = CONNECTION_SERIAL_FIRST;
    struct logins *logins = server->logins ? logins_copy(server->logins) : NULL;
    if (server->logins && !logins) {
        reactor->start_failure = "no memory for the users";
        return -ENOMEM;
    }
    struct shard_config shard_config = {
        .id = id,
        .count = config->cores,
        .seed = server->seed,
        .memory_bytes = config->memory_bytes / config->cores,
        .memory_bytes_max = server->memory_bytes_max / config->cores,
        .settings = first_settings(config),
        .logins = logins,
        .item_bytes_max = config->item_bytes_max,
        .pipelines_max = config->connections_max + UDP_DATAGRAMS_MAX,
        .mesh = server->mesh,
        .all = server->shards,
        .facts = &server->facts,
        .clock = &clock_system,
    };
    int error = shard_init(&reactor->shard, &shard_config);
    if (error) {
        logins_free(logins);
        reactor->start_failure = "no memory for its part of -m and -c: give less, or raise the "
                                 "limit on addresses (ulimit -v, LimitAS=)";
        return error;
    }
    error = uring_init(&reactor->uring);
    if (error) {
        reactor->start_failure = uring_advice(error);
        shard_finish(&reactor->shard);
        return error;
    }
    reactor->shard.hooks = &reactor_hooks;
    reactor->shard.reactor = reactor;
    return 0;
}

void reactor_close(struct reactor *reactor) {
    uring_finish(&reactor->uring);
}

void reactor_finish(struct reactor *reactor) {
    while (!LIST_EMPTY(&reactor->connections)) {
        connection_abandon(reactor, LIST_FIRST(&reactor->connections));
    }
    shard_finish(&reactor->shard);
}

void reactor_mark(struct io_uring_sqe *entry, enum completion_kind kind, void *subject) {
    assert(((uintptr_t)subject & COMPLETION_KIND_MASK) == 0);
    io_uring_sqe_set_data64(entry, (uintptr_t)subject | kind);
}

/* The lists. */

void reactor_ready(struct reactor *reactor, struct connection *connection) {
    if (connection->is_ready || connection->is_waiting) {
        return;
    }
    connection->is_ready = true;
    TAILQ_INSERT_TAIL(&reactor->ready, connection, turn_link);
}

void reactor_wait(struct reactor *reactor, struct connection *connection) {
    if (connection->is_ready || connection->is_waiting) {
        return;
    }
    connection->is_waiting = true;
    TAILQ_INSERT_TAIL(&reactor->waiting, connection, turn_link);
}

/* Those that wait go first, in the order in which they wait: whoever comes later would take the
 * credit that they wait for. */
static void wake_waiting(struct reactor *reactor) {
    struct connection *connection;
    TAILQ_FOREACH(connection, &reactor->waiting, turn_link) {
        connection->is_waiting = false;
        connection->is_ready = true;
    }
    TAILQ_CONCAT(&reactor->waiting, &reactor->ready, turn_link);
    TAILQ_CONCAT(&reactor->ready, &reactor->waiting, turn_link);
}

void reactor_settle(struct reactor *reactor, struct connection *connection) {
    if (connection->is_settling) {
        return;
    }
    connection->is_settling = true;
    TAILQ_INSERT_TAIL(&reactor->settling, connection, settling_link);
}

void reactor_beg(struct reactor *reactor, struct connection *connection) {
    if (connection->is_begging) {
        return;
    }
    if (TAILQ_EMPTY(&reactor->begging)) {
        reactor->beg_ns = reactor->shard.now_ns + BEG_NS;
    }
    connection->is_begging = true;
    TAILQ_INSERT_TAIL(&reactor->begging, connection, begging_link);
}

void reactor_fly(struct reactor *reactor, struct connection *connection) {
    if (connection->is_flying) {
        return;
    }
    connection->is_flying = true;
    TAILQ_INSERT_TAIL(&reactor->flying, connection, flying_link);
}

void reactor_forget(struct reactor *reactor, struct connection *connection) {
    LIST_REMOVE(connection, all_link);
    if (connection->is_ready) {
        TAILQ_REMOVE(&reactor->ready, connection, turn_link);
    }
    if (connection->is_waiting) {
        TAILQ_REMOVE(&reactor->waiting, connection, turn_link);
    }
    if (connection->is_settling) {
        TAILQ_REMOVE(&reactor->settling, connection, settling_link);
    }
    if (connection->is_begging) {
        TAILQ_REMOVE(&reactor->begging, connection, begging_link);
    }
    if (connection->is_flying) {
        TAILQ_REMOVE(&reactor->flying, connection, flying_link);
    }
}

/* Completions. */

static void wait_for_signal(struct reactor *reactor) {
    struct io_uring_sqe *entry = uring_entry(&reactor->uring);
    io_uring_prep_poll_add(entry, reactor->server->signals, POLLIN);
    reactor_mark(entry, COMPLETION_SIGNAL, NULL);
}

/* A wake that worked is silent at its sender and says nothing at its target. One that failed (the
 * kernel may be out of memory for a moment) is sent again: nobody else will wake that reactor. */
static void on_wake_failed(struct reactor *reactor, uint32_t other, int result) {
    if (result < 0 && !reactor->stopping) {
        reactor_wake(reactor, other);
    }
}

static void dispatch(struct reactor *reactor, const struct io_uring_cqe *completion) {
    uint64_t data = completion->user_data;
    void *subject = (void *)(uintptr_t)(data & ~COMPLETION_KIND_MASK);
    switch ((enum completion_kind)(data & COMPLETION_KIND_MASK)) {
    case COMPLETION_WAKE:
        on_wake_failed(reactor, (uint32_t)(data / (COMPLETION_KIND_MASK + 1)), completion->res);
        return;
    case COMPLETION_RECEIVE:
        connection_received(reactor, subject, completion->res, completion->flags);
        return;
    case COMPLETION_SEND:
        connection_sent(reactor, subject, completion->res);
        return;
    case COMPLETION_ACCEPT:
        acceptor_accepted(reactor->acceptor, subject, completion->res, completion->flags);
        return;
    case COMPLETION_ACCEPT_RETRY:
        acceptor_retry(reactor->acceptor, subject);
        return;
    case COMPLETION_SIGNAL:
        assert(completion->res >= 0);
        signals_received(reactor->server, reactor);
        wait_for_signal(reactor);
        return;
    case COMPLETION_DATAGRAM:
        udp_readable(reactor->udp, subject);
        return;
    }
    assert(!"a completion of unknown kind");
}

static void take_completions(struct reactor *reactor) {
    struct io_uring *ring = &reactor->uring.ring;
    struct io_uring_cqe *completion;
    unsigned head, count = 0;
    io_uring_for_each_cqe(ring, head, completion) {
        dispatch(reactor, completion);
        count++;
    }
    io_uring_cq_advance(ring, count);
}

/* Messages. */

static void exchange(struct reactor *reactor) {
    if (exchange_collect_replies(&reactor->shard)) {
        wake_waiting(reactor);
    }
    exchange_serve_peers(&reactor->shard);
}

static void on_wake(void *context, uint32_t shard) {
    reactor_wake(context, shard);
}

void reactor_wake(struct reactor *reactor, uint32_t other) {
    struct reactor *sleeper = &reactor->server->reactors[other];
    struct io_uring_sqe *entry = uring_entry(&reactor->uring);
    io_uring_prep_msg_ring(entry, sleeper->uring.ring.ring_fd, 0, COMPLETION_WAKE, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(entry, (uint64_t)other * (COMPLETION_KIND_MASK + 1) | COMPLETION_WAKE);
    reactor->shard.counters.reactor_wakes_sent++;
}

/* Requests. */

/* Sends the connections of a round on their way that have, or have not, run a request in it. True
 * when there were any. */
static bool end_round(struct reactor *reactor, struct connection_queue *round, bool progressed) {
    struct connection *connection, *next;
    bool any = false;
    for (connection = TAILQ_FIRST(round); connection; connection = next) {
        next = TAILQ_NEXT(connection, turn_link);
        if (connection->pipeline.progressed != progressed) {
            continue;
        }
        TAILQ_REMOVE(round, connection, turn_link);
        connection->is_ready = false;
        connection_ran(reactor, connection);
        any = true;
    }
    return any;
}

/* Lets every ready connection run up to requests_max requests. False when it would be no use to
 * have another round: nothing has run, and walks have done all that they may in a turn. */
static bool run_round(struct reactor *reactor, uint32_t requests_max) {
    struct shard *shard = &reactor->shard;
    struct batch *batch = &reactor->batch;
    struct connection_queue round = TAILQ_HEAD_INITIALIZER(round);
    struct connection *connection;
    TAILQ_CONCAT(&round, &reactor->ready, turn_link);
    TAILQ_FOREACH(connection, &round, turn_link) {
        if (batch->count + PIPELINE_ROUND_MAX > BATCH_MAX) {
            batch_run(batch, shard);
        }
        /* Those that waited and would only stall again are not parsed anew. */
        connection->pipeline.progressed = false;
        if (connection->pipeline.stalled && mesh_is_full(shard->port)) {
            continue;
        }
        pipeline_resume(&connection->pipeline);
        if (pipeline_can_run(&connection->pipeline)) {
            pipeline_collect(&connection->pipeline, shard, requests_max, batch);
        }
    }
    batch_run(batch, shard);
    /* Those that stalled before their first request come before those that had a share. */
    end_round(reactor, &round, false);
    return end_round(reactor, &round, true) || shard->scan_slices < SCAN_SLICES_PER_TURN;
}

/* It has sent more than it may have run in one turn, and whoever else has come is served first. */
static bool yields(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return pipeline_can_run(pipeline) && pipeline->consumed < pipeline->length;
}

static void run_requests(struct reactor *reactor) {
    const struct connection *connection;
    uint32_t left = reactor->server->config->turn_requests;
    bool more = true;
    while (more && left > 0 && !TAILQ_EMPTY(&reactor->ready)) {
        uint32_t requests_max = left < PIPELINE_ROUND_MAX ? left : PIPELINE_ROUND_MAX;
        more = run_round(reactor, requests_max);
        left -= requests_max;
    }
    TAILQ_FOREACH(connection, &reactor->ready, turn_link) {
        reactor->shard.counters.conn_yields += yields(connection);
    }
}

/* Leases that end are not told to those who wait for one: they ask, in turn. What that sets free
 * may be what others wait for. */
static void beg(struct reactor *reactor) {
    struct connection *connection;
    if (TAILQ_EMPTY(&reactor->begging) || reactor->shard.now_ns < reactor->beg_ns) {
        return;
    }
    reactor->beg_ns = reactor->shard.now_ns + BEG_NS;
    for (int i = 0; i < BEG_CONNECTIONS_MAX; i++) {
        connection = TAILQ_FIRST(&reactor->begging);
        if (!connection) {
            break;
        }
        TAILQ_REMOVE(&reactor->begging, connection, begging_link);
        connection->is_begging = false;
        if (!connection->broken) {
            pipeline_retry(&connection->pipeline, &reactor->shard);
        }
        connection_progressed(reactor, connection);
    }
    wake_waiting(reactor);
}

static void settle_all(struct reactor *reactor) {
    struct connection_queue settling = TAILQ_HEAD_INITIALIZER(settling);
    struct connection *connection;
    TAILQ_CONCAT(&settling, &reactor->settling, settling_link);
    while ((connection = TAILQ_FIRST(&settling))) {
        TAILQ_REMOVE(&settling, connection, settling_link);
        connection->is_settling = false;
        if (connection->is_datagram) {
            udp_settle(reactor->udp, connection);
        } else {
            connection_settle(reactor, connection);
        }
    }
}

/* The large values come last, behind all that is short, and only so many of them in a turn. */
static void send_large(struct reactor *reactor) {
    struct connection *connection;
    size_t sent = 0;
    while (sent < OUTGOING_TURN_BYTES && (connection = TAILQ_FIRST(&reactor->flying))) {
        TAILQ_REMOVE(&reactor->flying, connection, flying_link);
        connection->is_flying = false;
        if (!connection->broken) {
            sent += connection_fly(reactor, connection);
        }
    }
}

/* Sleep. */

/* Tells the processor that this is a waiting loop, where it has a word for that. */
static void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Waits for the replies that are on their way for as long as a sleep and a wake would cost. True
 * when something has come. */
static bool spin(struct reactor *reactor) {
    uint64_t spin_ns = (uint64_t)reactor->server->config->spin_us * 1000;
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + spin_ns;
    do {
        if (mesh_has_arrivals(reactor->shard.port) || uring_has_events(&reactor->uring)) {
            return true;
        }
        cpu_relax();
    } while (clock_monotonic_ns(&clock_system) < end_ns);
    return false;
}

/* The order to stop is given like a message: written first, then the sleepers are woken; so it is
 * looked at after the sleep was announced. */
static bool may_sleep(struct reactor *reactor) {
    if (!mesh_may_sleep(reactor->shard.port)) {
        return false;
    }
    if (reactor->stopping || !atomic_load(&reactor->server->stopping)) {
        return true;
    }
    mesh_awake(reactor->shard.port);
    return false;
}

static void sleep_until_event(struct reactor *reactor) {
    if (!may_sleep(reactor)) {
        uring_enter(&reactor->uring);
        return;
    }
    reactor->shard.counters.reactor_sleeps++;
    uint64_t wait_ns = crawler_wait_ns(&reactor->shard, reactor->shard.now_ns);
    const uint64_t others_ns[] = {idle_wait_ns(reactor), log_wait_ns(&reactor->shard.log),
                                  TAILQ_EMPTY(&reactor->begging) ? UINT64_MAX : BEG_NS};
    for (size_t i = 0; i < sizeof(others_ns) / sizeof(*others_ns); i++) {
        if (others_ns[i] < wait_ns) {
            wait_ns = others_ns[i];
        }
    }
    if (reactor->stopping && wait_ns > STOP_POLL_NS) {
        wait_ns = STOP_POLL_NS;
    }
    if (wait_ns < UINT64_MAX) {
        uring_enter_and_wait_ns(&reactor->uring, wait_ns);
    } else {
        uring_enter_and_wait(&reactor->uring);
    }
    mesh_awake(reactor->shard.port);
}

static void enter(struct reactor *reactor) {
    if (!TAILQ_EMPTY(&reactor->ready) || !TAILQ_EMPTY(&reactor->flying) ||
        reactor->shard.maintaining) {
        uring_enter(&reactor->uring);
        return;
    }
    if (mesh_outstanding(reactor->shard.port) > 0 && reactor->server->config->spin_us > 0) {
        uring_enter(&reactor->uring);
        if (spin(reactor)) {
            if (!io_uring_cq_ready(&reactor->uring.ring) && uring_has_events(&reactor->uring)) {
                uring_enter(&reactor->uring);
            }
            return;
        }
    }
    sleep_until_event(reactor);
}

/* With debugtime the clock may be ahead or stand still, but it never runs backwards. */
static void read_clock(struct reactor *reactor) {
    struct shard *shard = &reactor->shard;
    reactor->shard.now_ns = clock_monotonic_ns(&clock_system);
    int64_t now = clock_store_seconds(reactor->shard.now_ns, reactor->server->facts.start_ns) +
                  shard->debug_offset_s;
    if (!shard->debug_paused && now > shard->now) {
        shard->now = (uint32_t)now;
    }
}

/* What a shard does for itself, a slice a turn. */
static void tend(struct reactor *reactor) {
    struct shard *shard = &reactor->shard;
    crawler_step(shard, reactor->shard.now_ns);
    idle_step(reactor);
    beg(reactor);
    if (shard->stop_asked) {
        kill(getpid(), SIGTERM); /* reactor 0 takes it like any other */
    }
    shard->stop_asked = false;
}

/* The store's slice comes last: what the turn has given back may be what it waits for. */
static void tend_store(struct reactor *reactor) {
    reactor->shard.maintaining = store_maintain(reactor->shard.store, reactor->shard.now);
}

void reactor_run(struct reactor *reactor) {
    read_clock(reactor);
    if (reactor->acceptor) {
        acceptor_start(reactor->acceptor, reactor->server);
        wait_for_signal(reactor);
    }
    if (reactor->udp) {
        udp_start(reactor->udp, reactor);
    }
    for (; !reactor_is_stopped(reactor); read_clock(reactor)) {
        reactor->shard.counters.reactor_turns++;
        reactor->shard.scan_slices = 0;
        take_completions(reactor);
        exchange(reactor);
        run_requests(reactor);
        tend(reactor);
        settle_all(reactor);
        send_large(reactor);
        mesh_publish(reactor->shard.port, on_wake, reactor);
        log_flush(&reactor->shard.log);
        tend_store(reactor);
        enter(reactor);
    }
}
