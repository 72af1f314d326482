#include "core/mesh/mesh.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/base/probes.h"
#include "core/mesh/ring.h"

/* The two rings of an ordered pair: requests A→B, replies B→A. */
struct pair {
    struct ring requests;
    struct ring replies;
};

/* A reactor as the origin of messages: pairs[to] are the rings to and from an owner. */
struct origin_end {
    struct pair *pairs;
    uint32_t *outstanding; /* per owner: messages sent that have not come back */
    uint32_t outstanding_total;
};

/* A reactor as the owner of keys: pairs[from * stride] are the rings from and to an origin. It does
 * not change; what it leads to is used by whoever has the shard. */
struct owner_end {
    struct pair *pairs;
    uint32_t stride; /* the number of shards */
};

struct mesh_port {
    /* Set by the reactor before it sleeps, cleared by itself or by the one producer that is going
     * to wake it. Sequentially consistent on both sides, together with the rings' tails. */
    _Alignas(CACHE_LINE_BYTES) _Atomic bool sleeping;

    struct lending lending;

    _Alignas(CACHE_LINE_BYTES) struct mesh *mesh;
    uint32_t shard;
    struct origin_end origin;
    struct owner_end owner;
};

struct mesh {
    uint32_t shards;
    uint32_t capacity;
    struct mesh_port *ports;
    struct pair *pairs; /* pairs[from * shards + to]; those from a shard to itself stay unused */
    void **slots;
    uint32_t *counts;
};

static struct pair *pair_to(const struct mesh_port *port, uint32_t owner) {
    return &port->origin.pairs[owner];
}

static struct pair *pair_from(const struct mesh_port *port, uint32_t origin) {
    return &port->owner.pairs[(size_t)origin * port->owner.stride];
}

/* Zeroed memory, of which the system provides a page when it is first used: with many reactors most
 * pairs have little traffic. */
static void *pages_map(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void pages_unmap(void *memory, size_t bytes) {
    if (memory) {
        munmap(memory, bytes);
    }
}

static size_t ports_bytes(const struct mesh *mesh) {
    return mesh->shards * sizeof(*mesh->ports);
}

static size_t pairs_bytes(const struct mesh *mesh) {
    return (size_t)mesh->shards * mesh->shards * sizeof(*mesh->pairs);
}

static size_t slots_bytes(const struct mesh *mesh) {
    return (size_t)mesh->shards * mesh->shards * 2 * mesh->capacity * sizeof(*mesh->slots);
}

static size_t counts_bytes(const struct mesh *mesh) {
    return (size_t)mesh->shards * mesh->shards * sizeof(*mesh->counts);
}

static void mesh_connect(struct mesh *mesh) {
    uint32_t n = mesh->shards;
    for (uint32_t i = 0; i < n * n; i++) {
        void **slots = mesh->slots + (size_t)i * 2 * mesh->capacity;
        ring_init(&mesh->pairs[i].requests, slots, mesh->capacity);
        ring_init(&mesh->pairs[i].replies, slots + mesh->capacity, mesh->capacity);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct mesh_port *port = &mesh->ports[i];
        port->mesh = mesh;
        port->shard = i;
        port->origin = (struct origin_end){.pairs = mesh->pairs + (size_t)i * n,
                                           .outstanding = mesh->counts + (size_t)i * n};
        port->owner = (struct owner_end){.pairs = mesh->pairs + i, .stride = n};
        port->origin.outstanding[i] = mesh->capacity; /* no message ever goes there */
        atomic_init(&port->sleeping, false);
        lending_init(&port->lending);
    }
}

uint64_t mesh_bytes(uint32_t shards, uint32_t capacity) {
    const struct mesh mesh = {.shards = shards, .capacity = capacity};
    return ports_bytes(&mesh) + pairs_bytes(&mesh) + slots_bytes(&mesh) + counts_bytes(&mesh);
}

int mesh_create(struct mesh **result, uint32_t shards, uint32_t capacity) {
    assert(shards > 0 && shards <= SHARD_SET_MAX);
    assert(capacity > 0 && capacity <= MESH_CAPACITY_MAX && (capacity & (capacity - 1)) == 0);
    struct mesh *mesh = calloc(1, sizeof(*mesh));
    if (!mesh) {
        return -ENOMEM;
    }
    mesh->shards = shards;
    mesh->capacity = capacity;
    mesh->ports = pages_map(ports_bytes(mesh));
    mesh->pairs = pages_map(pairs_bytes(mesh));
    mesh->slots = pages_map(slots_bytes(mesh));
    mesh->counts = pages_map(counts_bytes(mesh));
    if (!mesh->ports || !mesh->pairs || !mesh->slots || !mesh->counts) {
        mesh_destroy(mesh);
        return -ENOMEM;
    }
    mesh_connect(mesh);
    *result = mesh;
    return 0;
}

void mesh_destroy(struct mesh *mesh) {
    if (!mesh) {
        return;
    }
    pages_unmap(mesh->counts, counts_bytes(mesh));
    pages_unmap(mesh->slots, slots_bytes(mesh));
    pages_unmap(mesh->pairs, pairs_bytes(mesh));
    pages_unmap(mesh->ports, ports_bytes(mesh));
    free(mesh);
}

struct mesh_port *mesh_port(struct mesh *mesh, uint32_t shard) {
    assert(shard < mesh->shards);
    return &mesh->ports[shard];
}

struct mesh *mesh_of(const struct mesh_port *port) {
    return port->mesh;
}

struct lending *mesh_lending(struct mesh_port *port) {
    return &port->lending;
}

/* The origin's end. */

bool mesh_has_credit(const struct mesh_port *port, uint32_t to) {
    return port->origin.outstanding[to] < port->mesh->capacity;
}

bool mesh_is_full(const struct mesh_port *port) {
    const struct mesh *mesh = port->mesh;
    return mesh->shards > 1 &&
           port->origin.outstanding_total == mesh->capacity * (mesh->shards - 1);
}

void mesh_send_request(struct mesh_port *port, uint32_t to, struct message *message) {
    assert(to != port->shard);
    assert(mesh_has_credit(port, to));
    PROBES_MESSAGE_SENT(port->shard, to, message->kind);
    port->origin.outstanding[to]++;
    port->origin.outstanding_total++;
    ring_push(&pair_to(port, to)->requests, message);
}

void mesh_release(struct mesh_port *port, uint32_t from) {
    assert(port->origin.outstanding[from] > 0);
    port->origin.outstanding[from]--;
    port->origin.outstanding_total--;
}

uint32_t mesh_take_replies(struct mesh_port *port, uint32_t from, struct message **messages,
                           uint32_t max) {
    return ring_pop(&pair_to(port, from)->replies, (void **)messages, max);
}

bool mesh_request_waits(const struct mesh_port *port, uint32_t to) {
    return !ring_is_empty(&pair_to(port, to)->requests);
}

bool mesh_may_borrow(const struct mesh_port *port) {
    const struct mesh *mesh = port->mesh;
    for (uint32_t to = 0; to < mesh->shards; to++) {
        if (to != port->shard && port->origin.outstanding[to] > 0 && mesh_request_waits(port, to) &&
            lending_is_free(&mesh->ports[to].lending)) {
            return true;
        }
    }
    return false;
}

uint32_t mesh_outstanding(const struct mesh_port *port) {
    return port->origin.outstanding_total;
}

bool mesh_is_quiet(const struct mesh_port *port, uint32_t to) {
    return port->origin.outstanding[to] == 0;
}

/* The owner's end. */

uint32_t mesh_take_requests(struct mesh_port *port, uint32_t from, struct message **messages,
                            uint32_t max) {
    return ring_pop(&pair_from(port, from)->requests, (void **)messages, max);
}

uint32_t mesh_take_borrowed(struct mesh_port *port, uint32_t from, struct message **messages,
                            uint32_t max, struct mesh_left *left) {
    struct ring *ring = &pair_from(port, from)->requests;
    uint32_t waiting = ring_length(ring), taken = 0;
    if (waiting == 0) {
        return 0;
    }
    uint32_t count = ring_peek(ring, (void **)messages, max);
    for (uint32_t i = 0; i < count; i++) {
        message_prefetch(messages[i]);
    }
    while (taken < count && !message_is_for_reactor((enum message_kind)messages[taken]->kind)) {
        taken++;
    }
    ring_skip(ring, taken);
    left->count += waiting > taken ? waiting - taken : 0;
    left->for_reactor |= taken < count;
    return taken;
}

void mesh_send_reply(struct mesh_port *port, uint32_t to, struct message *message) {
    ring_push(&pair_from(port, to)->replies, message);
}

bool mesh_publish_replies(struct mesh_port *port, uint32_t to) {
    return ring_publish(&pair_from(port, to)->replies);
}

/* Both. */

bool mesh_claim_wake(struct mesh *mesh, uint32_t shard) {
    _Atomic bool *sleeping = &mesh->ports[shard].sleeping;
    return atomic_load_explicit(sleeping, memory_order_seq_cst) &&
           atomic_exchange_explicit(sleeping, false, memory_order_seq_cst);
}

void mesh_publish_requests(struct mesh_port *port) {
    for (uint32_t to = 0; to < port->mesh->shards; to++) {
        if (port->origin.outstanding[to] > 0) {
            ring_publish(&pair_to(port, to)->requests);
        }
    }
}

void mesh_publish(struct mesh_port *port, bool has_shard, mesh_wake *wake, void *context) {
    struct mesh *mesh = port->mesh;
    if (mesh->shards == 1) {
        return;
    }
    mesh_publish_requests(port);
    for (uint32_t to = 0; has_shard && to < mesh->shards; to++) {
        if (mesh_publish_replies(port, to) && mesh_claim_wake(mesh, to)) {
            wake(context, to);
        }
    }
}

bool mesh_has_replies(const struct mesh_port *port) {
    for (uint32_t to = 0; to < port->mesh->shards; to++) {
        if (port->origin.outstanding[to] > 0 && !ring_is_empty(&pair_to(port, to)->replies)) {
            return true;
        }
    }
    return false;
}

bool mesh_has_requests(const struct mesh_port *port) {
    for (uint32_t from = 0; from < port->mesh->shards; from++) {
        if (!ring_is_empty(&pair_from(port, from)->requests)) {
            return true;
        }
    }
    return false;
}

bool mesh_has_work(const struct mesh_port *port) {
    if (port->mesh->shards == 1) {
        return false;
    }
    return mesh_has_replies(port) || lending_waits_for_owner(&port->lending) ||
           (mesh_has_requests(port) && !lending_is_lent(&port->lending));
}

bool mesh_may_sleep(struct mesh_port *port) {
    atomic_store_explicit(&port->sleeping, true, memory_order_seq_cst);
    if (!mesh_has_work(port)) {
        return true;
    }
    mesh_awake(port);
    return false;
}

void mesh_awake(struct mesh_port *port) {
    atomic_store_explicit(&port->sleeping, false, memory_order_seq_cst);
}

void mesh_check(const struct mesh *mesh) {
    for (uint32_t i = 0; i < mesh->shards; i++) {
        const struct origin_end *origin = &mesh->ports[i].origin;
        uint32_t total = 0;
        for (uint32_t to = 0; to < mesh->shards; to++) {
            const struct ring *requests = &origin->pairs[to].requests;
            const struct ring *replies = &origin->pairs[to].replies;
            uint32_t under_way = requests->pushed - atomic_load(&requests->head);
            under_way += replies->pushed - atomic_load(&replies->head);
            if (to == i) {
                assert(origin->outstanding[to] == mesh->capacity);
                assert(under_way == 0);
                continue;
            }
            assert(origin->outstanding[to] <= mesh->capacity);
            assert(origin->outstanding[to] == under_way);
            total += origin->outstanding[to];
        }
        assert(origin->outstanding_total == total);
    }
}
