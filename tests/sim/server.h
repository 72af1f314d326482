/* server: the product under simulation: its reactors, mesh and configuration, and the checks of it.
 */
#ifndef TESTS_SIM_SERVER_H
#define TESTS_SIM_SERVER_H

#include "world.h"

/* Makes all that server_run() would, by the world's choices, and a fiber for each reactor. */
void server_start(struct world *world);

/* Frees it; all reactors have ended. Fails when something is left. */
void server_finish(struct world *world);

/* Gives a reactor the processor until it enters the kernel, or yields. False when it has none to
 * do, or is through. */
bool server_run(struct world *world, uint32_t reactor);

/* When the first of the sleeping reactors is to go on without anything happening. */
uint64_t server_deadline_ns(const struct world *world);

/* The users are read anew, the same as before: by another thread, in the product. */
void server_renew_logins(struct world *world);

/* The signal that ends it. */
void server_stop(struct world *world);
bool server_has_ended(const struct world *world);

/* For engines: whether the signal is there. */
bool server_is_readable(const struct world *world, int descriptor);

/* The server is to end. */
bool server_has_signal(const struct world *world);

/* The end of a reactor's turn: everything that must hold then. */
void server_check_turn(struct world *world, uint32_t reactor);

/* Nobody is in the middle of a turn: no sleeper has been forgotten. */
void server_check_awake(const struct world *world);

/* No connection is left, and everything that connections have held is given back. */
bool server_is_idle(const struct world *world);
void server_check_idle(struct world *world);

/* No reactor takes the time for earlier than this second of the store. */
uint32_t server_oldest_tick(const struct world *world);

/* Whose end of the rings it is. */
struct mesh_port;
uint32_t server_find_port(const struct world *world, const struct mesh_port *port);

/* Whose shard the word is of, and whose the store. */
struct lending;
uint32_t server_find_lending(const struct world *world, const struct lending *lending);
struct store;
uint32_t server_find_store(const struct world *world, const struct store *store);

/* Sums over the shards, since the start. */
uint64_t server_evictions(const struct world *world);
uint64_t server_refusals(const struct world *world); /* for want of memory */
uint64_t server_kicks(const struct world *world);    /* of idle and stalled connections */
uint64_t server_moves(const struct world *world);    /* of connections to another reactor */
uint64_t server_malloc_fails(const struct world *world);

/* Whether a store has had to refuse a lease or an upload. */
bool server_has_refused_leases(const struct world *world);

/* The longest value that may be stored under a key of a length. */
uint32_t server_value_length_max(const struct world *world, uint32_t key_length);

#endif
