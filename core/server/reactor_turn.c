/* The turn of a reactor. */

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/base/facts.h"
#include "core/base/probes.h"
#include "core/net/acceptor.h"
#include "core/net/sasl_logins.h"
#include "core/net/udp.h"
#include "core/pipeline/exchange.h"
#include "core/pipeline/lend.h"
#include "core/pipeline/timing.h"
#include "core/server/metrics_gather.h"
#include "core/server/reactor.h"
#include "core/shard/scan.h"
#include "core/shard/watch_send.h"
#include "store/transfer.h"

/* While stopping, reactors look at the state of their group this often. */
#define STOP_POLL_NS 10000000u

/* Its store waits until others have moved as many items, and then goes on. */
#define TRANSFER_WAIT_NS 1000000u

/* How often in a turn it leaves its keys, since requests go on arriving meanwhile. */
#define LEAVES_MAX 4

/* Retry interval after a refused lease or upload, and how many connections are retried per pass. */
#define RETRY_NS 1000000u
#define RETRY_CONNECTIONS_MAX 64

static void reactor_take_completions(struct reactor *reactor) {
    io_take(reactor->net.io, &reactor->net);
}

/* Messages. */

/* Without others all that concerns messages is left out. */
static bool reactor_has_others(const struct reactor *reactor) {
    return reactor->net.shard.count > 1;
}

static bool reactor_has_keys(const struct reactor *reactor) {
    return shard_holds(&reactor->net.shard, reactor->net.shard.id);
}

/* Takes its keys, unless it has them; what had to wait for them goes on then. False when they are
 * lent. */
static bool reactor_take_keys(struct reactor *reactor) {
    struct net *net = &reactor->net;
    if (reactor_has_keys(reactor)) {
        return true;
    }
    if (!shard_take(&net->shard)) {
        return false;
    }
    schedule_wake_waiting(&net->schedule);
    return true;
}

static bool reactor_collect(struct reactor *reactor) {
    struct net *net = &reactor->net;
    bool any = exchange_collect_replies(&net->shard);
    if (any) {
        schedule_wake_waiting(&net->schedule);
    }
    return any;
}

static void reactor_exchange(struct reactor *reactor) {
    if (!reactor_has_others(reactor)) {
        return;
    }
    reactor_collect(reactor);
    if (reactor_take_keys(reactor)) {
        exchange_serve_peers(&reactor->net.shard);
    } else {
        reactor->net.shard.counters.lend_wanted++;
    }
}

/* Sends what is to be sent to other shards, and serves those that are free, its own requests among
 * what waits there. */
static void reactor_serve_others(struct reactor *reactor) {
    struct net *net = &reactor->net;
    if (mesh_outstanding(net->shard.port) > 0) {
        mesh_publish_requests(net->shard.port);
        lend_serve_others(&net->shard);
    }
}

/* Serves others in the middle of a turn, and goes on with what has come back: replies, and its own
 * keys. True when there was something. */
static bool reactor_meet_others(struct reactor *reactor) {
    bool had_keys = reactor_has_keys(reactor);
    if (had_keys && mesh_outstanding(reactor->net.shard.port) == 0) {
        return false;
    }
    reactor_serve_others(reactor);
    bool has_keys = reactor_take_keys(reactor);
    return reactor_collect(reactor) || (has_keys && !had_keys);
}

static void reactor_publish(struct reactor *reactor) {
    struct net *net = &reactor->net;
    if (reactor_has_others(reactor)) {
        mesh_publish(net->shard.port, reactor_has_keys(reactor), net->shard.hooks->wake, net);
        reactor_serve_others(reactor);
    }
}

/* Requests. */

/* Takes the connections off a round that have, or have not, run a request in it. True when there
 * were any. */
static bool reactor_end_round(struct net *net, struct scheduled_queue *round, bool progressed) {
    struct scheduled *one, *next;
    bool any = false;
    for (one = TAILQ_FIRST(round); one; one = next) {
        struct connection *connection = connection_of(one);
        next = TAILQ_NEXT(one, place_link);
        if (connection->pipeline.progressed != progressed) {
            continue;
        }
        schedule_leave_round(round, one);
        connection_ran(net, connection);
        any = true;
    }
    return any;
}

/* Lets every ready connection run up to requests_max requests. False when another round would be of
 * no use: nothing has run, and scans have done all that they may in a turn. */
static bool reactor_run_round(struct reactor *reactor, uint32_t requests_max) {
    struct net *net = &reactor->net;
    struct shard *shard = &net->shard;
    struct batch *batch = &reactor->batch;
    struct scheduled_queue round;
    struct scheduled *one;
    schedule_take_round(&net->schedule, &round);
    TAILQ_FOREACH(one, &round, place_link) {
        struct pipeline *pipeline = &connection_of(one)->pipeline;
        if (batch->count + PIPELINE_ROUND_MAX > BATCH_MAX) {
            batch_run(batch, shard);
        }
        /* Those that waited and would only stall again are not parsed again. */
        pipeline->progressed = false;
        if (pipeline->stalled && mesh_is_full(shard->port)) {
            continue;
        }
        pipeline_resume(pipeline);
        if (pipeline_can_run(pipeline)) {
            pipeline_collect(pipeline, shard, requests_max, batch);
        }
    }
    batch_run(batch, shard);
    /* Those that stalled before their first request come before those that had a share. */
    reactor_end_round(net, &round, false);
    return reactor_end_round(net, &round, true) || shard->scan_slices < SCAN_SLICES_PER_TURN;
}

/* It has sent more than it may have run in one turn, and the other clients are served first. */
static bool reactor_is_yielding(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return pipeline_can_run(pipeline) && pipeline->consumed < pipeline->length;
}

/* After each round, and before the first, other shards are served: so a connection that asks for
 * many keys goes on in the same turn, whosever they are. */
static void reactor_run_requests(struct reactor *reactor) {
    struct net *net = &reactor->net;
    struct scheduled *one;
    uint32_t left = net->shard.facts->config->turn_requests;
    bool more = true;
    if (reactor_has_others(reactor)) {
        reactor_meet_others(reactor);
    }
    while (more && left > 0 && !TAILQ_EMPTY(&net->schedule.ready)) {
        uint32_t requests_max = left < PIPELINE_ROUND_MAX ? left : PIPELINE_ROUND_MAX;
        more = reactor_run_round(reactor, requests_max);
        left -= requests_max;
        more |= reactor_has_others(reactor) && reactor_meet_others(reactor);
    }
    TAILQ_FOREACH(one, &net->schedule.ready, place_link) {
        net->shard.counters.conn_yields += reactor_is_yielding(connection_of(one));
    }
}

static void reactor_pass_stop(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    if (shard->stop_asked) {
        reactor->stop_asked(reactor->context, shard->stop_at_once);
    }
    shard->stop_asked = false;
    reactor_note_late_connection(reactor);
}

/* Connections that wait for a lease are not told when one ends: they ask again. What that sets free
 * may be what others wait for. */
static void reactor_retry(void *owner, struct timer *timer) {
    struct net *net = owner;
    struct scheduled *one;
    (void)timer;
    for (int i = 0; i < RETRY_CONNECTIONS_MAX; i++) {
        one = schedule_next_retrying(&net->schedule);
        if (!one) {
            break;
        }
        struct connection *connection = connection_of(one);
        if (!connection_is_broken(connection)) {
            pipeline_retry(&connection->pipeline, &net->shard);
        }
        connection_progressed(net, connection);
    }
    schedule_wake_waiting(&net->schedule);
}

static void reactor_flush_watch(void *owner, struct timer *timer) {
    struct net *net = owner;
    (void)timer;
    watch_flush(&net->shard);
}

static void reactor_end_turns(struct reactor *reactor) {
    struct net *net = &reactor->net;
    struct scheduled_queue ending;
    struct scheduled *one;
    schedule_take_ending(&net->schedule, &ending);
    while ((one = schedule_next_ending(&ending))) {
        struct connection *connection = connection_of(one);
        if (connection->is_datagram) {
            udp_end_turn(net->udp, connection);
        } else {
            connection_end_turn(net, connection);
        }
    }
    if (!TAILQ_EMPTY(&net->schedule.retrying) && !reactor->retry.set) {
        timer_set(&net->timers, &reactor->retry, net->shard.now_ns + RETRY_NS);
    }
}

/* Large values come last, behind all that is short. */
static void reactor_send_large(struct reactor *reactor) {
    struct net *net = &reactor->net;
    struct scheduled *one;
    size_t sent = 0;
    while (sent < OUTGOING_TURN_BYTES && (one = schedule_next_sending(&net->schedule))) {
        struct connection *connection = connection_of(one);
        if (!connection_is_broken(connection)) {
            timing_sent(&connection->pipeline, &net->shard);
            sent += connection_send_large(net, connection);
        }
    }
}

static void reactor_run_timers(struct reactor *reactor) {
    struct net *net = &reactor->net;
    if (reactor_has_others(reactor) && net->shard.now_ns >= net->moving.ends_ns) {
        moving_end_window(net);
    }
    timeouts_step(net);
    timers_run(&net->timers, net, net->shard.now_ns);
}

static void reactor_crawl(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    if (reactor_has_keys(reactor)) {
        crawler_step(&shard->keys, &shard->settings, shard->now_ns);
    }
}

static void reactor_flush_log(struct reactor *reactor) {
    struct log *log = &reactor->net.shard.log;
    if (log->length > 0) {
        log_flush(log);
    }
}

static void reactor_maintain_store(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    if (!reactor_has_keys(reactor)) {
        return;
    }
    PROBES_MAINTAIN_BEGIN(shard->id, shard->keys.now);
    shard->keys.maintaining = store_maintain(shard->keys.store, shard->keys.now);
    PROBES_MAINTAIN_END(shard->id, shard->keys.maintaining);
}

/* How long the reactor may sleep on the keys' account. */
static uint64_t reactor_plan_keys_ns(const struct shard *shard) {
    if (shard->keys.maintaining) {
        return 0;
    }
    uint64_t wait_ns = crawler_wait_ns(&shard->keys, &shard->settings, shard->now_ns);
    bool waits = store_transfer_waits(shard->keys.store);
    return waits && wait_ns > TRANSFER_WAIT_NS ? TRANSFER_WAIT_NS : wait_ns;
}

/* What others have sent while the reactor had its keys waits for nobody else: it is done now, not
 * behind the time in the kernel. True when the keys are left again. */
static bool reactor_serve_once_more(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    if (!reactor_has_others(reactor) || !mesh_has_requests(shard->port) ||
        !reactor_take_keys(reactor)) {
        return false;
    }
    exchange_serve_peers(shard);
    reactor_note_late_connection(reactor);
    mesh_publish(shard->port, true, shard->hooks->wake, &reactor->net);
    reactor_maintain_store(reactor);
    return true;
}

/* Leaves the keys to others, until the reactor comes back from the kernel. */
static void reactor_leave_keys(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    bool again = reactor_has_keys(reactor);
    reactor->keys_wait_ns = UINT64_MAX;
    for (uint32_t i = 0; i < LEAVES_MAX && again; i++) {
        reactor->keys_wait_ns = reactor_plan_keys_ns(shard);
        shard_leave(shard);
        again = i + 1 < LEAVES_MAX && reactor_serve_once_more(reactor);
    }
}

/* How long the reactor may sleep on a step's account; 0: the step has more to do at once. */

static uint64_t reactor_wait_if(bool nothing_to_do) {
    return nothing_to_do ? UINT64_MAX : 0;
}

static uint64_t reactor_requests_wait_ns(const struct reactor *reactor) {
    return reactor_wait_if(TAILQ_EMPTY(&reactor->net.schedule.ready));
}

static uint64_t reactor_large_wait_ns(const struct reactor *reactor) {
    return reactor_wait_if(TAILQ_EMPTY(&reactor->net.schedule.sending));
}

static uint64_t reactor_timers_wait_ns(const struct reactor *reactor) {
    return timers_wait_ns(&reactor->net.timers, reactor->net.shard.now_ns);
}

static uint64_t reactor_turn_ends_wait_ns(const struct reactor *reactor) {
    return reactor_wait_if(TAILQ_EMPTY(&reactor->net.schedule.ending));
}

/* The crawler's and the store's. */
static uint64_t reactor_keys_wait_ns(const struct reactor *reactor) {
    return reactor->keys_wait_ns;
}

static uint64_t reactor_log_wait_ns(const struct reactor *reactor) {
    const struct log *log = &reactor->net.shard.log;
    return log->length > 0 ? log_wait_ns(log) : UINT64_MAX;
}

static uint64_t reactor_stop_wait_ns(const struct reactor *reactor) {
    return reactor->net.stopping ? STOP_POLL_NS : UINT64_MAX;
}

/* Only the engine or another reactor can give it something to do. */
static uint64_t reactor_no_wait_ns(const struct reactor *reactor) {
    (void)reactor;
    return UINT64_MAX;
}

/* The turn: each step is done once, in this order, and tells how long the reactor may sleep on its
 * account. The store comes behind the requests: what the turn has given back may be what it waits
 * for. KEYS leaves the shard, with how long the reactor may sleep on the account of crawler and
 * store; the log, which may take its time, comes behind. It is a macro and no array, so that the
 * steps are compiled into the turn: calling them by their addresses took 200 instructions more for
 * a get. */
#define REACTOR_STEPS(STEP)                                                                        \
    STEP(COMPLETIONS, reactor_take_completions, reactor_no_wait_ns)                                \
    STEP(MESSAGES, reactor_exchange, reactor_no_wait_ns)                                           \
    STEP(REQUESTS, reactor_run_requests, reactor_requests_wait_ns)                                 \
    STEP(CRAWLER, reactor_crawl, reactor_no_wait_ns)                                               \
    STEP(TIMERS, reactor_run_timers, reactor_timers_wait_ns)                                       \
    STEP(STOP, reactor_pass_stop, reactor_stop_wait_ns)                                            \
    STEP(TURN_ENDS, reactor_end_turns, reactor_turn_ends_wait_ns)                                  \
    STEP(LARGE_VALUES, reactor_send_large, reactor_large_wait_ns)                                  \
    STEP(PUBLISH, reactor_publish, reactor_no_wait_ns)                                             \
    STEP(STORE, reactor_maintain_store, reactor_no_wait_ns)                                        \
    STEP(KEYS, reactor_leave_keys, reactor_keys_wait_ns)                                           \
    STEP(LOG, reactor_flush_log, reactor_log_wait_ns)

/* Their numbers, in the order of the turn, as the probe `step` tells them. */
enum reactor_step {
#define REACTOR_NUMBER_STEP(name, run, wait_ns) REACTOR_STEP_##name,
    REACTOR_STEPS(REACTOR_NUMBER_STEP)
#undef REACTOR_NUMBER_STEP
};

#define REACTOR_RUN_STEP(name, run, wait_ns)                                                       \
    PROBES_STEP(reactor->net.shard.id, REACTOR_STEP_##name);                                       \
    run(reactor);

static void reactor_run_steps(struct reactor *reactor) {
    reactor->net.shard.counters.reactor_turns++;
    reactor->net.shard.scan_slices = 0;
    REACTOR_STEPS(REACTOR_RUN_STEP)
}

static uint64_t reactor_sooner(uint64_t one_ns, uint64_t other_ns) {
    return one_ns < other_ns ? one_ns : other_ns;
}

#define REACTOR_ASK_STEP(name, run, wait_ns)                                                       \
    sooner_ns = reactor_sooner(sooner_ns, wait_ns(reactor));

static uint64_t reactor_wait_ns(const struct reactor *reactor) {
    uint64_t sooner_ns = UINT64_MAX;
    REACTOR_STEPS(REACTOR_ASK_STEP)
    return sooner_ns;
}

/* After a suspend the tick is behind for as long as it would have lasted without, which is what it
 * costs not to read two clocks each turn. */
static void reactor_read_tick(struct shard *shard) {
    uint64_t since_start_ns = shard->now_ns - shard->facts->start_ns;
    uint64_t since_boot_ns = clock_boot_ns(shard->keys.clock) - shard->facts->start_boot_ns;
    uint64_t second_left_ns = CLOCK_SECOND_NS - since_start_ns % CLOCK_SECOND_NS;
    uint64_t tick_left_ns = CLOCK_TICK_NS - since_boot_ns % CLOCK_TICK_NS;
    shard->tick_ends_ns = shard->now_ns + reactor_sooner(second_left_ns, tick_left_ns);
    shard->tick = clock_tick((int64_t)since_boot_ns);
    int64_t now_s = clock_server_seconds(since_start_ns) + shard->keys.debug_offset_s;
    if (!shard->keys.debug_paused && now_s > shard->now_s) {
        shard->now_s = (uint32_t)now_s;
    }
}

static void reactor_read_clock(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    shard->now_ns = clock_monotonic_ns(shard->keys.clock);
    if (shard->now_ns >= shard->tick_ends_ns) {
        reactor_read_tick(shard);
    }
    if (reactor_has_keys(reactor)) {
        keyspace_pass_time(&shard->keys, shard->now_ns, shard->tick);
    }
}

static void reactor_start(struct reactor *reactor) {
    struct net *net = &reactor->net;
    reactor->retry.expired = reactor_retry;
    reactor->watch.expired = reactor_flush_watch;
    if (net->acceptor) {
        acceptor_start(net->acceptor, net);
    }
    if (reactor->signals >= 0) {
        io_wait_readable(net->io, reactor->signals, reactor->signalled);
    }
    if (net->udp) {
        udp_start(net->udp, net);
    }
    if (net->sasl) {
        sasl_logins_start(net);
    }
    if (reactor->metrics) {
        metrics_gather_start(reactor->metrics, net);
    }
}

/* What comes of completions may need the keys: an upload the next part of its memory, what has been
 * sent the end of its lease. Else the time of receiving is left to the others, too. */
static bool reactor_completions_need_keys(const struct reactor *reactor) {
    return reactor->net.shard.uploads + reactor->net.shard.leases > 0;
}

void reactor_run(struct reactor *reactor) {
    reactor_read_clock(reactor);
    reactor_start(reactor);
    while (!reactor_is_stopped(reactor)) {
        reactor_run_steps(reactor);
        reactor_enter(reactor, reactor_wait_ns(reactor));
        reactor_read_clock(reactor);
        if (reactor_completions_need_keys(reactor)) {
            reactor_take_keys(reactor);
        }
    }
}
