/* mesh: the request and reply rings between every two reactors.
 *
 * For each ordered pair A→B there is a ring of requests from A to B and one of their replies back.
 * The invariant: A has at most `capacity` messages outstanding at B (its credit), and both rings of
 * the pair hold that many. So a push never fails and no reactor waits for space in a ring; and
 * since executing a request sends no other one, reactors can't block each other in a circle.
 * Without credit a connection stalls, and the rest of its reactor goes on.
 *
 * A struct mesh_port is one reactor's end of all its rings, as the origin of messages and as the
 * owner of keys; only that reactor's thread uses it.
 */
#ifndef CORE_MESH_MESH_H
#define CORE_MESH_MESH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mesh/message.h"

#define MESH_CAPACITY_DEFAULT 256
#define MESH_CAPACITY_MAX 4096

struct mesh;
struct mesh_port;

/* Makes the rings between `shards` reactors; capacity is a power of two. Returns 0 or -ENOMEM. */
int mesh_create(struct mesh **mesh, uint32_t shards, uint32_t capacity);
void mesh_destroy(struct mesh *mesh);

/* The end that belongs to one reactor. Lives as long as the mesh. */
struct mesh_port *mesh_port(struct mesh *mesh, uint32_t shard);

/* True when one more request may be sent to a shard before another has come back. */
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

/* Sends a request back to where it came from. */
void mesh_send_reply(struct mesh_port *port, uint32_t to, struct message *message);

/* Replies that have come back from a shard, oldest first, up to max; returns how many. */
uint32_t mesh_take_replies(struct mesh_port *port, uint32_t from, struct message **messages,
                           uint32_t max);

/* Messages sent to other shards that have not come back. */
uint32_t mesh_outstanding(const struct mesh_port *port);

/* Makes the messages visible that were sent since the last call. Calls wake for each reactor that
 * was asleep and has messages now; of several callers for one reactor only one is told to wake it.
 */
typedef void mesh_wake(void *context, uint32_t shard);
void mesh_publish(struct mesh_port *port, mesh_wake *wake, void *context);

/* Before sleeping: announces it and looks at the incoming rings once more. False when a message has
 * arrived; the announcement is withdrawn then. After true the next reactor that publishes a message
 * for this one wakes it. */
bool mesh_may_sleep(struct mesh_port *port);

/* After sleeping: withdraws the announcement (unless a waker has done so). */
void mesh_awake(struct mesh_port *port);

/* True when a request or reply has arrived; for polling before sleep. */
bool mesh_has_arrivals(const struct mesh_port *port);

/* Fails an assertion when a credit is not that of a message in a ring. For tests, between the turns
 * of reactors that share one thread: then no message is anywhere else. */
void mesh_check(const struct mesh *mesh);

/* Asks for a wake from outside the rings: true when the reactor was asleep and the caller must wake
 * it. */
bool mesh_claim_wake(struct mesh *mesh, uint32_t shard);

#endif
