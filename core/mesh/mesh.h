/* mesh: the request and reply rings between every two reactors.
 *
 * For each ordered pair A→B there is a ring of requests from A to B and one of their replies back.
 * The invariant: A has at most `capacity` messages outstanding at B (its credit), and both rings of
 * the pair hold that many. So a push never fails and no reactor waits for space in a ring; and
 * since executing a request sends no other one, reactors can't block each other in a circle.
 * Without credit a connection stalls, and the rest of its reactor goes on.
 *
 * A struct mesh_port is one reactor's end of all its rings. Its part as the origin of messages only
 * that reactor's thread uses. Its part as the owner of keys goes with the shard: it is used by
 * whoever has that, its own reactor or one that has borrowed it (core/mesh/lending.h).
 *
 * A request wakes nobody. Who publishes one tries to borrow the owner's shard then, and executes
 * the request itself; or the shard is somebody's, who looks at its rings when leaving it. Only when
 * it is left to its own reactor alone that is woken. Replies wake their origin.
 */
#ifndef CORE_MESH_MESH_H
#define CORE_MESH_MESH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mesh/lending.h"
#include "core/mesh/message.h"
#include "core/mesh/shard_set.h"

#define MESH_CAPACITY_DEFAULT 256
#define MESH_CAPACITY_MAX 4096

struct mesh;
struct mesh_port;

/* Addresses in bytes that the rings between `shards` reactors take. */
uint64_t mesh_bytes(uint32_t shards, uint32_t capacity);

/* Makes the rings between `shards` reactors; capacity is a power of two. Returns 0 or -ENOMEM. */
int mesh_create(struct mesh **mesh, uint32_t shards, uint32_t capacity);
void mesh_destroy(struct mesh *mesh);

/* The end that belongs to one reactor. Lives as long as the mesh. */
struct mesh_port *mesh_port(struct mesh *mesh, uint32_t shard);

/* Any thread: the mesh that a port is of; and the word that says who has the port's shard. */
struct mesh *mesh_of(const struct mesh_port *port);
struct lending *mesh_lending(struct mesh_port *port);

/* True when one more request may be sent to a shard before another has come back; never to the
 * port's own. */
bool mesh_has_credit(const struct mesh_port *port, uint32_t to);

/* True when no request can be sent to anyone before one comes back. */
bool mesh_is_full(const struct mesh_port *port);

/* Sends a request; the caller has looked for credit. Nothing is visible to the owner before
 * mesh_publish(). */
void mesh_send_request(struct mesh_port *port, uint32_t to, struct message *message);

/* Gives back the credit of a message that has come back. */
void mesh_release(struct mesh_port *port, uint32_t from);

/* Requests that have come from a shard, oldest first, up to max; returns how many. */
uint32_t mesh_take_requests(struct mesh_port *port, uint32_t from, struct message **messages,
                            uint32_t max);

/* What who has borrowed a shard has left in its rings. */
struct mesh_left {
    uint32_t count;   /* of messages */
    bool for_reactor; /* some wait behind one that is for the owner's reactor alone */
};

/* The same for who has borrowed the shard: it ends before a message that is for the owner's reactor
 * alone (message_is_for_reactor()). Adds to *left what stays in the ring. */
uint32_t mesh_take_borrowed(struct mesh_port *port, uint32_t from, struct message **messages,
                            uint32_t max, struct mesh_left *left);

/* True when a request that has come to the port's shard has not been taken. Any thread; who does
 * not have the shard may be told of one that was taken a moment ago. */
bool mesh_has_requests(const struct mesh_port *port);

/* True when a request of this port's has not been taken yet at the shard `to`, or was taken a
 * moment ago. */
bool mesh_request_waits(const struct mesh_port *port, uint32_t to);

/* Sends a request back to where it came from. */
void mesh_send_reply(struct mesh_port *port, uint32_t to, struct message *message);

/* Replies that have come back from a shard, oldest first, up to max; returns how many. */
uint32_t mesh_take_replies(struct mesh_port *port, uint32_t from, struct message **messages,
                           uint32_t max);

/* True when a request of this port's waits at a shard that nobody has; for polling. */
bool mesh_may_borrow(const struct mesh_port *port);

/* Messages sent to other shards that have not come back. */
uint32_t mesh_outstanding(const struct mesh_port *port);

/* True when no message sent to the shard `to` is out. */
bool mesh_is_quiet(const struct mesh_port *port, uint32_t to);

/* Called for a reactor that was asleep; of several who would wake it only one is told to. */
typedef void mesh_wake(void *context, uint32_t shard);

/* Makes the requests visible that were sent since the last call. */
void mesh_publish_requests(struct mesh_port *port);

/* Makes the replies to a shard visible that were sent since the last call; false: there were none.
 * The caller wakes that shard's reactor if it sleeps (mesh_claim_wake()). */
bool mesh_publish_replies(struct mesh_port *port, uint32_t to);

/* Makes requests and replies visible, and wakes those to whom replies go. For the reactor that owns
 * the port; of its part as an owner only while it has its shard. */
void mesh_publish(struct mesh_port *port, bool has_shard, mesh_wake *wake, void *context);

/* Before sleeping: announces it and then asks mesh_has_work() once more. False when there is some;
 * the announcement is withdrawn then. After true the next reactor that publishes a reply for this
 * one, or leaves its shard to it alone, wakes it. */
bool mesh_may_sleep(struct mesh_port *port);

/* After sleeping: withdraws the announcement (unless a waker has done so). */
void mesh_awake(struct mesh_port *port);

/* True when a reply to a request of this port's has arrived. For the reactor that owns the port. */
bool mesh_has_replies(const struct mesh_port *port);

/* True when there is something for this reactor to do: a reply has arrived; or its shard is left to
 * it alone; or requests have arrived that nobody is about to take, since the shard is free or this
 * reactor has it. (Who has borrowed it looks at the requests when returning it.) */
bool mesh_has_work(const struct mesh_port *port);

/* Fails an assertion when a credit is not that of a message in a ring. For tests, between the turns
 * of reactors that share one thread: then no message is anywhere else. */
void mesh_check(const struct mesh *mesh);

/* Asks for a wake from outside the rings: true when the reactor was asleep and the caller must wake
 * it. */
bool mesh_claim_wake(struct mesh *mesh, uint32_t shard);

#endif
