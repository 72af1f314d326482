/* A count of the messages between every two reactors that is not the mesh's own: each call of these
 * functions must fit what was called before. So a credit that is given back twice, or a reply to
 * nothing, is found whatever the product asserts. */
#include "core/mesh/mesh.h"
#include "server.h"

void __real_mesh_send_request(struct mesh_port *port, uint32_t to, struct message *message);
void __real_mesh_release(struct mesh_port *port, uint32_t from);
uint32_t __real_mesh_take_requests(struct mesh_port *port, uint32_t from, struct message **messages,
                                   uint32_t max);
uint32_t __real_mesh_take_borrowed(struct mesh_port *port, uint32_t from, struct message **messages,
                                   uint32_t max, struct mesh_left *left);
void __real_mesh_send_reply(struct mesh_port *port, uint32_t to, struct message *message);
uint32_t __real_mesh_take_replies(struct mesh_port *port, uint32_t from, struct message **messages,
                                  uint32_t max);
void __wrap_mesh_send_request(struct mesh_port *port, uint32_t to, struct message *message);
void __wrap_mesh_release(struct mesh_port *port, uint32_t from);
uint32_t __wrap_mesh_take_requests(struct mesh_port *port, uint32_t from, struct message **messages,
                                   uint32_t max);
uint32_t __wrap_mesh_take_borrowed(struct mesh_port *port, uint32_t from, struct message **messages,
                                   uint32_t max, struct mesh_left *left);
void __wrap_mesh_send_reply(struct mesh_port *port, uint32_t to, struct message *message);
uint32_t __wrap_mesh_take_replies(struct mesh_port *port, uint32_t from, struct message **messages,
                                  uint32_t max);

void __wrap_mesh_send_request(struct mesh_port *port, uint32_t to, struct message *message) {
    struct world *world = wrap_current();
    struct credit *credit = &world->credits[server_find_port(world, port)][to];
    WORLD_CHECK(world, credit_used(credit) < world->choices.ring_capacity);
    credit->requested++;
    __real_mesh_send_request(port, to, message);
}

static void credit_take(struct world *world, uint32_t from, uint32_t to, uint32_t count) {
    struct credit *credit = &world->credits[from][to];
    WORLD_CHECK(world, world->holders[to] == world->running);
    WORLD_CHECK(world, count <= credit->requested);
    credit->requested -= count;
    credit->executed += count;
}

uint32_t __wrap_mesh_take_requests(struct mesh_port *port, uint32_t from, struct message **messages,
                                   uint32_t max) {
    struct world *world = wrap_current();
    uint32_t count = __real_mesh_take_requests(port, from, messages, max);
    credit_take(world, from, server_find_port(world, port), count);
    return count;
}

uint32_t __wrap_mesh_take_borrowed(struct mesh_port *port, uint32_t from, struct message **messages,
                                   uint32_t max, struct mesh_left *left) {
    struct world *world = wrap_current();
    uint32_t count = __real_mesh_take_borrowed(port, from, messages, max, left);
    credit_take(world, from, server_find_port(world, port), count);
    for (uint32_t i = 0; i < count; i++) {
        WORLD_CHECK(world, !message_is_for_reactor((enum message_kind)messages[i]->kind));
    }
    return count;
}

void __wrap_mesh_send_reply(struct mesh_port *port, uint32_t to, struct message *message) {
    struct world *world = wrap_current();
    struct credit *credit = &world->credits[to][server_find_port(world, port)];
    WORLD_CHECK(world, credit->executed > 0);
    credit->executed--;
    credit->replied++;
    __real_mesh_send_reply(port, to, message);
}

uint32_t __wrap_mesh_take_replies(struct mesh_port *port, uint32_t from, struct message **messages,
                                  uint32_t max) {
    struct world *world = wrap_current();
    struct credit *credit = &world->credits[server_find_port(world, port)][from];
    uint32_t count = __real_mesh_take_replies(port, from, messages, max);
    WORLD_CHECK(world, count <= credit->replied);
    credit->replied -= count;
    credit->returned += count;
    return count;
}

void __wrap_mesh_release(struct mesh_port *port, uint32_t from) {
    struct world *world = wrap_current();
    struct credit *credit = &world->credits[server_find_port(world, port)][from];
    WORLD_CHECK(world, credit->returned > 0);
    credit->returned--;
    __real_mesh_release(port, from);
}
