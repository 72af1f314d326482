/* udp: requests in datagrams, in memcached's frames (doc/protocol.txt, "UDP protocol").
 *
 *     datagram ─▶ frame: id, 1 of 1 ─▶ a pipeline of its own: parse, run, replies
 *                                                     │
 *     datagrams ◀─ frames: id, 0 … n-1, n ◀─ answer ◀─┘ once all replies are in it
 *
 * A datagram that was received is worked on like a connection that has sent this and sends no more:
 * it has a pipeline, is on the reactor's lists and waits for other shards as one; in the end its
 * output is sent in frames, and the datagram is free again.
 *
 * Sockets are read and written by plain calls that never wait: what finds no space is lost, as
 * datagrams may be. The engine only tells when there is something to read.
 *
 * Thread: reactor 0 alone, but for udp_create() and udp_destroy().
 */
#ifndef CORE_NET_UDP_H
#define CORE_NET_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/net/listener.h"

struct connection;
struct net;
struct udp;

/* Datagrams under way at once. What comes meanwhile waits in the kernel's queue, or is lost where
 * that is full. Also the most that are received in one turn. */
#define UDP_DATAGRAMS_MAX 64

/* The longest answer; one above is replaced by an error. It is bounded since the
 * answer to a request with a forged sender goes to a host that never asked; and by what a socket
 * holds by default (net.core.rmem_default), which is not much more than the frames of this. */
#define UDP_ANSWER_BYTES_MAX ((size_t)64 * 1024)

/* What is sent in one datagram, with the frame's header; as in memcached. */
#define UDP_FRAME_BYTES_MAX 1400
#define UDP_HEADER_BYTES 8

/* Prepares to serve sockets, which must outlive it; NULL without memory. Before its reactor runs.
 */
struct udp *udp_create(struct listeners *sockets);

/* After its reactor has ended; accepts NULL. */
void udp_destroy(struct udp *udp);

/* Begins to receive on this reactor. */
void udp_start(struct udp *udp, struct net *net);

/* The end of a turn in which something happened to the datagram that `connection` is a member of:
 * answers it and frees it once it is through. */
void udp_end_turn(struct udp *udp, struct connection *connection);

/* Receives no more; datagrams under way are answered. */
void udp_stop(struct udp *udp);

/* Breaks off the datagrams under way: they are freed without an answer as soon as they may be. */
void udp_break(struct udp *udp);

/* After udp_stop(): true when no datagram is under way and no wait for a socket either, since that
 * would keep the ports for a while after the end of the process; accepts NULL. */
bool udp_is_stopped(const struct udp *udp);

/* The sockets given to udp_create(). */
const struct listeners *udp_sockets(const struct udp *udp);

/* When a datagram was last received, on the store's scale. */
uint32_t udp_last_command_s(const struct udp *udp);

#endif
