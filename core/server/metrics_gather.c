#include "core/server/metrics_gather.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/net/sasl_queue.h"
#include "core/pipeline/lend.h"
#include "core/shard/observe.h"

/* Its own keys are lent, or messages or credit are used up: it asks again after this time. */
#define METRICS_RETRY_NS 1000000u

static completion_done metrics_gather_asked;
static timer_expired metrics_gather_retry;

/* Both sides. */

int metrics_gather_init(struct metrics_gather *gather) {
    ring_init(&gather->asked, gather->asked_slots, METRICS_GATHER_SLOTS);
    ring_init(&gather->answered, gather->answered_slots, METRICS_GATHER_SLOTS);
    gather->asked_event.done = metrics_gather_asked;
    gather->retry.expired = metrics_gather_retry;
    gather->reactor_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gather->thread_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return gather->reactor_wake < 0 || gather->thread_wake < 0 ? -errno : 0;
}

void metrics_gather_finish(struct metrics_gather *gather) {
    if (gather->reactor_wake >= 0) {
        close(gather->reactor_wake);
    }
    if (gather->thread_wake >= 0) {
        close(gather->thread_wake);
    }
}

static void metrics_gather_push(struct ring *ring, struct snapshot *snapshot, int wake) {
    ring_push(ring, snapshot);
    ring_publish(ring);
    sasl_queue_wake(wake);
}

static struct snapshot *metrics_gather_pop(struct ring *ring) {
    void *snapshot;
    return ring_pop(ring, &snapshot, 1) > 0 ? snapshot : NULL;
}

/* The thread of HTTP. */

void metrics_gather_ask(struct metrics_gather *gather, struct snapshot *snapshot) {
    metrics_gather_push(&gather->asked, snapshot, gather->reactor_wake);
}

struct snapshot *metrics_gather_collect(struct metrics_gather *gather) {
    return metrics_gather_pop(&gather->answered);
}

/* Reactor 0. */

static void metrics_gather_answer(struct metrics_gather *gather, struct shard *shard) {
    struct snapshot *snapshot = gather->snapshot;
    snapshot->complete = gather->next == shard->count;
    snapshot->now = clock_tick_moved(shard->tick, shard->keys.debug_offset_s);
    snapshot->unix_now = clock_unix(shard->keys.clock, shard->keys.debug_offset_s);
    snapshot->monotonic_ns = shard->now_ns;
    snapshot->settings = shard->settings;
    snapshot->copies = copies_have_space(&shard->copies);
    gather->snapshot = NULL;
    metrics_gather_push(&gather->answered, snapshot, gather->thread_wake);
}

static void metrics_gather_complete(struct shard *shard, struct message *message) {
    struct metrics_gather *gather = message->requester;
    assert(gather->outstanding > 0);
    gather->outstanding--;
    message_give(&shard->messages, message);
    const struct net *net = shard->reactor;
    if (gather->outstanding == 0 && (gather->next == shard->count || net->stopping)) {
        metrics_gather_answer(gather, shard);
    }
}

static bool metrics_gather_send(struct metrics_gather *gather, struct shard *shard) {
    static const struct request nothing = {.op = OP_STATS};
    if (!shard_may_take_message(shard, gather->outstanding) ||
        !mesh_has_credit(shard->port, gather->next)) {
        return false;
    }
    struct message *message = message_take(&shard->messages);
    assert(message);
    message_set_request(message, &nothing, 0);
    message->kind = MESSAGE_SNAPSHOT;
    message->requester = gather;
    message->complete = metrics_gather_complete;
    message->snapshot = &gather->snapshot->parts[gather->next];
    mesh_send_request(shard->port, gather->next, message);
    shard->counters.mesh_requests++;
    gather->outstanding++;
    return true;
}

/* Has the next shard's part written, or asks for it; false when that can't be done now. */
static bool metrics_gather_part(struct metrics_gather *gather, struct shard *shard) {
    struct snapshot_part *part = &gather->snapshot->parts[gather->next];
    if (gather->next == shard->id) {
        if (!shard_holds(shard, shard->id)) {
            return false;
        }
        observe_shard(shard, part);
        return true;
    }
    if (lend_borrow(shard, gather->next)) {
        observe_borrowed(shard->all[gather->next], part);
        return true;
    }
    return metrics_gather_send(gather, shard);
}

static void metrics_gather_go_on(struct metrics_gather *gather, struct net *net) {
    struct shard *shard = &net->shard;
    bool can = true;
    /* The last reactors would end before they have answered. */
    while (can && !net->stopping && gather->next < shard->count) {
        can = metrics_gather_part(gather, shard);
        gather->next += can;
    }
    if (shard->count > 1) {
        lend_return_all(shard);
    }
    if (gather->next < shard->count && !net->stopping) {
        timer_set(&net->timers, &gather->retry, shard->now_ns + METRICS_RETRY_NS);
    } else if (gather->outstanding == 0) {
        metrics_gather_answer(gather, shard);
    }
}

static void metrics_gather_retry(void *owner, struct timer *timer) {
    struct metrics_gather *gather = container_of(timer, struct metrics_gather, retry);
    if (gather->snapshot) {
        metrics_gather_go_on(gather, owner);
    }
}

static void metrics_gather_asked(void *owner, struct completion *completion, int result,
                                 unsigned flags) {
    struct net *net = owner;
    struct metrics_gather *gather = container_of(completion, struct metrics_gather, asked_event);
    (void)result, (void)flags;
    sasl_queue_slept(gather->reactor_wake);
    struct snapshot *snapshot = metrics_gather_pop(&gather->asked);
    if (snapshot) {
        assert(!gather->snapshot);
        gather->snapshot = snapshot;
        gather->next = 0;
        metrics_gather_go_on(gather, net);
    }
    io_wait_readable(net->io, gather->reactor_wake, completion);
}

void metrics_gather_start(struct metrics_gather *gather, struct net *net) {
    io_wait_readable(net->io, gather->reactor_wake, &gather->asked_event);
}
