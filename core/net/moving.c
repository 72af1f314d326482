#include "core/net/moving.h"

#include <assert.h>

#include "core/base/processors.h"
#include "core/net/net.h"

/* Of a reactor that has not ended a window for so long nothing is known but that it sleeps. */
#define LOAD_LASTS_MS 300u

/* A look for idle processors may take this part of the time at most. */
#define LOOKS_PART 200u

/* How much idle time, in thousandths of a processor, may be missing at the whole number: what the
 * system needs for itself. */
#define GATHER_MISSING 300u
#define SPREAD_MISSING 250u

/* Connections that were gathered for want of processors are not spread for so long. */
#define SPREAD_AFTER_NS ((uint64_t)1000000000)

/* Deciding. */

struct moving_sums {
    uint32_t load;   /* of all */
    uint32_t active; /* reactors that do something */
    uint32_t rank;   /* of those, the ones with lower numbers */
    uint32_t least;  /* the other reactor with the least load, the lowest of them */
};

static struct moving_sums moving_sum(const struct moving_view *view) {
    struct moving_sums sums = {.least = SHARD_NONE};
    for (uint32_t i = 0; i < view->count; i++) {
        bool is_active = view->loads[i] >= MOVING_ACTIVE_MIN;
        sums.load += view->loads[i];
        sums.active += is_active;
        sums.rank += is_active && i < view->id;
        if (i != view->id &&
            (sums.least == SHARD_NONE || view->loads[i] < view->loads[sums.least])) {
            sums.least = i;
        }
    }
    return sums;
}

/* The active reactor with so many others before it. */
static uint32_t moving_ranked(const struct moving_view *view, uint32_t rank) {
    for (uint32_t i = 0; i < view->count; i++) {
        if (view->loads[i] >= MOVING_ACTIVE_MIN && rank-- == 0) {
            return i;
        }
    }
    return SHARD_NONE;
}

/* How many reactors there are processors for: those that they use, and the idle ones. */
static uint32_t moving_places(const struct moving_view *view, const struct moving_sums *sums,
                              uint32_t missing) {
    if (view->idle == MOVING_UNKNOWN) {
        return view->count;
    }
    uint32_t places = (sums->load + view->idle + missing) / 1000;
    return places > 0 ? places : 1;
}

/* Half of the difference, where another reactor has much less to do. */
static struct moving_plan moving_spread(const struct moving_view *view,
                                        const struct moving_sums *sums) {
    struct moving_plan none = {.to = SHARD_NONE};
    uint32_t load = view->loads[view->id], other = view->loads[sums->least];
    bool is_active = other >= MOVING_ACTIVE_MIN;
    if (load < MOVING_BUSY || other >= MOVING_TAKES_MAX ||
        (!is_active &&
         (!view->may_spread || moving_places(view, sums, SPREAD_MISSING) <= sums->active))) {
        return none;
    }
    return (struct moving_plan){.to = sums->least,
                                .share = (load - other) * MOVING_EVERYTHING / (2 * load)};
}

struct moving_plan moving_choose(const struct moving_view *view) {
    const struct moving_sums sums = moving_sum(view);
    struct moving_plan none = {.to = SHARD_NONE};
    if (view->loads[view->id] < MOVING_ACTIVE_MIN || sums.least == SHARD_NONE) {
        return none;
    }
    uint32_t places = moving_places(view, &sums, GATHER_MISSING);
    uint32_t needed = 1 + sums.load / MOVING_LIGHT;
    uint32_t wanted = places < needed ? places : needed;
    assert(wanted > 0);
    if (sums.rank < wanted) {
        return sums.active <= wanted ? moving_spread(view, &sums) : none;
    }
    return (struct moving_plan){.to = moving_ranked(view, sums.rank % wanted),
                                .share = MOVING_EVERYTHING,
                                .for_want = sums.rank >= places};
}

/* Measuring. */

static void moving_tell(struct net *net, uint64_t now_ns, uint32_t load) {
    atomic_store_explicit(&net->peers[net->shard.id].load, now_ns / 1000000 << 16 | load,
                          memory_order_relaxed);
}

static uint32_t moving_load_of(const struct net_peer *peer, uint64_t now_ns) {
    uint64_t told = atomic_load_explicit(&peer->load, memory_order_relaxed);
    return now_ns / 1000000 <= (told >> 16) + LOAD_LASTS_MS ? (uint32_t)(told & 0xffff) : 0;
}

/* The part of a processor that the reactor has used in the window. */
static uint32_t moving_measure(struct moving *moving, uint64_t now_ns) {
    uint64_t used_ns = processors_used_ns();
    uint64_t load = (used_ns - moving->used_ns) * 1000 / (now_ns - moving->begun_ns + 1);
    moving->used_ns = used_ns;
    return load < 1000 ? (uint32_t)load : 1000;
}

/* Notes how much was idle since the last look; nothing is known after a long time without one. */
static void moving_note_idle(struct moving_group *group, uint64_t now_ns, bool known,
                             uint64_t idle_ns) {
    uint64_t since_ns = now_ns - group->looked_ns;
    uint32_t idle = 0;
    if (known && idle_ns >= group->idle_ns && since_ns < 10 * MOVING_WINDOW_NS) {
        idle = (uint32_t)((idle_ns - group->idle_ns) * 1000 / since_ns) + 1;
    }
    atomic_store_explicit(&group->idle, idle, memory_order_relaxed);
    group->idle_ns = idle_ns;
    group->looked_ns = now_ns;
}

static void moving_look(struct moving_group *group, uint64_t now_ns) {
    uint64_t idle_ns = 0, begun_ns = processors_used_ns();
    bool known = processors_idle_ns(&idle_ns);
    moving_note_idle(group, now_ns, known, idle_ns);
    uint64_t pause_ns = (processors_used_ns() - begun_ns) * LOOKS_PART;
    uint64_t least_ns = MOVING_WINDOW_NS - MOVING_WINDOW_NS / 10;
    group->next_ns = now_ns + (pause_ns > least_ns ? pause_ns : least_ns);
}

/* One of the reactors looks; the others take what it has found. */
static uint32_t moving_idle(struct moving_group *group, uint64_t now_ns) {
    if (!atomic_exchange_explicit(&group->sampling, true, memory_order_acquire)) {
        if (now_ns >= group->next_ns) {
            moving_look(group, now_ns);
        }
        atomic_store_explicit(&group->sampling, false, memory_order_release);
    }
    return atomic_load_explicit(&group->idle, memory_order_relaxed) - 1; /* 0: unknown */
}

static struct moving_plan moving_plan(struct net *net, uint64_t now_ns, uint32_t load) {
    struct moving_group *group = net->moving.group;
    uint64_t gathered_ns = atomic_load_explicit(&group->gathered_ns, memory_order_relaxed);
    struct moving_view view = {.id = net->shard.id,
                               .count = net->shard.count,
                               .idle = moving_idle(group, now_ns),
                               .may_spread = now_ns >= gathered_ns + SPREAD_AFTER_NS};
    for (uint32_t i = 0; i < view.count; i++) {
        view.loads[i] = i == view.id ? load : moving_load_of(&net->peers[i], now_ns);
    }
    struct moving_plan plan = moving_choose(&view);
    if (plan.for_want) {
        atomic_store_explicit(&group->gathered_ns, now_ns, memory_order_relaxed);
    }
    return plan;
}

void moving_end_window(struct net *net) {
    struct moving *moving = &net->moving;
    uint64_t now_ns = net->shard.now_ns;
    uint32_t load = moving_measure(moving, now_ns);
    moving_tell(net, now_ns, load);
    struct moving_plan plan = {.to = SHARD_NONE};
    if (load >= MOVING_ACTIVE_MIN && !net->stopping) {
        plan = moving_plan(net, now_ns, load);
    }
    bool all = plan.share == MOVING_EVERYTHING;
    moving->to = plan.to;
    moving->left = all ? UINT32_MAX : moving->connections * plan.share / MOVING_EVERYTHING;
    moving->begun_ns = now_ns;
    moving->ends_ns = now_ns + MOVING_WINDOW_NS;
    moving->connections = 0;
    moving->window++;
}

void moving_init(struct moving *moving, struct moving_group *group, bool enabled) {
    *moving = (struct moving){
        .group = group, .ends_ns = enabled ? 0 : UINT64_MAX, .to = SHARD_NONE, .window = 1};
}
