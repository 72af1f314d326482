#include "core/pipeline/lend.h"

#include <assert.h>

#include "core/base/probes.h"
#include "core/pipeline/exchange.h"
#include "core/shard/watch_lines.h"

/* How often in a row a shard is borrowed while requests go on arriving, before it is left to its
 * own reactor. */
#define LEND_BORROWS_MAX 4

/* When more requests than this are left after one batch of each ring, the shard's own reactor is
 * woken to do them: else one reactor would do the work of all, whatever processors are free. */
#define LEND_LEFT_MAX 64

/* Wakes. */

static void lend_wake(struct shard *shard, uint32_t other) {
    if (other != shard->id && mesh_claim_wake(mesh_of(shard->port), other)) {
        shard->hooks->wake(shard->reactor, other);
    }
}

static void lend_wake_all(struct shard *shard, struct shard_set *others) {
    uint32_t other;
    while ((other = shard_set_take(others)) != SHARD_NONE) {
        lend_wake(shard, other);
    }
}

/* Serving. */

/* A shard while its rings are served. */
struct lend_service {
    struct shard *shard; /* of the reactor that serves it */
    struct shard *owner;
    struct mesh_left left;
    struct shard_set origins; /* to whom replies have gone */
};

static void lend_serve_ring(struct lend_service *service, uint32_t from) {
    struct shard *owner = service->owner;
    struct message *messages[EXCHANGE_BATCH_MAX];
    uint32_t count =
        mesh_take_borrowed(owner->port, from, messages, EXCHANGE_BATCH_MAX, &service->left);
    if (count > 0) {
        exchange_execute(service->shard, owner, messages, count, from);
        mesh_publish_replies(owner->port, from);
        service->shard->counters.lent_requests += count;
        shard_set_add(&service->origins, from);
    }
}

/* One batch of each ring, in order. It ends early when the owner wants its shard. */
static void lend_serve(struct lend_service *service) {
    struct shard *owner = service->owner;
    const struct lending *lending = mesh_lending(owner->port);
    for (uint32_t from = 0; from < owner->count && !lending_is_wanted(lending); from++) {
        lend_serve_ring(service, from);
    }
}

/* A slice of what the owner would do for its keys at the end of a turn. True when there is more
 * that only the owner does. */
static bool lend_maintain(struct shard *owner) {
    struct keyspace *keys = &owner->keys;
    PROBES_MAINTAIN_BEGIN(owner->id, keys->now);
    keys->maintaining = store_maintain(keys->store, keys->now);
    PROBES_MAINTAIN_END(owner->id, keys->maintaining);
    return keys->maintaining || crawler_is_late(keys, &owner->settings);
}

/* Returns a shard. True when it has been left to its own reactor alone, which is to be woken. */
static bool lend_return(struct shard *owner, const struct mesh_left *left) {
    struct lending *lending = mesh_lending(owner->port);
    bool needs_owner = lend_maintain(owner);
    if (needs_owner || left->for_reactor || left->count > LEND_LEFT_MAX) {
        lending_return_wanted(lending);
        return true;
    }
    return lending_return(lending);
}

static bool lend_try(struct shard *shard, struct shard *owner) {
    if (!lending_borrow(mesh_lending(owner->port))) {
        return false;
    }
    watch_serve(&owner->keys, shard->watching);
    keyspace_pass_time(&owner->keys, shard->now_ns, shard->tick);
    return true;
}

/* Requests go on arriving: the shard is left to its own reactor, unless somebody has it by now. */
static void lend_leave_to_owner(struct shard *shard, struct shard *owner) {
    struct lending *lending = mesh_lending(owner->port);
    if (lending_borrow(lending)) {
        lending_return_wanted(lending);
        lend_wake(shard, owner->id);
    }
}

/* Serves a shard as long as requests wait there. False when it could not be borrowed once. */
static bool lend_serve_other(struct shard *shard, struct shard *owner) {
    for (uint32_t i = 0; i < LEND_BORROWS_MAX; i++) {
        if (!lend_try(shard, owner)) {
            return i > 0;
        }
        struct lend_service service = {.shard = shard, .owner = owner};
        lend_serve(&service);
        bool is_left_to_owner = lend_return(owner, &service.left);
        lend_wake_all(shard, &service.origins);
        if (is_left_to_owner) {
            lend_wake(shard, owner->id);
            return true;
        }
        if (!mesh_has_requests(owner->port)) {
            return true;
        }
    }
    lend_leave_to_owner(shard, owner);
    return true;
}

void lend_serve_others(struct shard *shard) {
    for (uint32_t to = 0; to < shard->count; to++) {
        if (to != shard->id && mesh_request_waits(shard->port, to)) {
            shard->counters.lend_refused += !lend_serve_other(shard, shard->all[to]);
        }
    }
}

/* For a batch. */

bool lend_borrow(struct shard *shard, uint32_t owner) {
    if (shard_borrows(shard, owner)) {
        return true;
    }
    if (!lend_try(shard, shard->all[owner])) {
        shard->counters.lend_refused++;
        return false;
    }
    shard_set_add(&shard->borrowed, owner);
    return true;
}

static void lend_return_one(struct shard *shard, uint32_t owner) {
    const struct mesh_left nothing_known = {0};
    if (lend_return(shard->all[owner], &nothing_known)) {
        shard_set_add(&shard->wanted_back, owner);
    }
}

/* All are returned before anyone is woken. What has been published meanwhile, by whomever, has
 * found the shard lent: so its rings are looked at once more. */
void lend_return_all(struct shard *shard) {
    struct shard_set returned = shard->borrowed;
    uint32_t owner;
    while ((owner = shard_set_take(&shard->borrowed)) != SHARD_NONE) {
        lend_return_one(shard, owner);
    }
    lend_wake_all(shard, &shard->wanted_back);
    while ((owner = shard_set_take(&returned)) != SHARD_NONE) {
        if (mesh_has_requests(shard->all[owner]->port)) {
            lend_serve_other(shard, shard->all[owner]);
        }
    }
}

struct keyspace *lend_keys(struct shard *shard, uint32_t owner) {
    struct shard *other = shard->all[owner];
    assert(shard_borrows(shard, owner));
    if (!mesh_is_quiet(shard->port, owner)) {
        return NULL;
    }
    if (lending_is_wanted(mesh_lending(other->port))) {
        shard_set_remove(&shard->borrowed, owner);
        lend_return_one(shard, owner);
        return NULL;
    }
    return &other->keys;
}
