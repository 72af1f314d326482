/* kernel: the system calls that the engine on epoll makes, on simulated sockets. So the simulation
 * runs that engine itself, as it stands in core/io/epoll.c, and not a model of it.
 *
 *     reactor ─ core/io/epoll*.c ─ epoll_ctl(), epoll_wait(), recv(), … ─▶ wrap.c ─▶ kernel.c
 *
 * A socket is watched by one reactor's set at most. What is edge triggered is told of when
 * something has changed since it was told of last, as by the kernel: with all that is so by then.
 * Room for output is news only where there was none, and when a third of it is free again.
 */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

#include <sys/epoll.h>

#include "core/io/io.h"
#include "engine.h"

/* Opens the engine on epoll; takes a struct engine_place as its context. */
extern const struct io_engine kernel_engine;

/* Whether a descriptor is one of those below, or a simulated socket. */
bool kernel_knows(const struct world *world, int descriptor);

/* Whether there is something to tell the reactor, for which it sleeps no longer. */
bool kernel_has_news(struct engine *engine);

/* Buffers that the engine has lent. */
uint32_t kernel_lent(const struct engine *engine);

/* The calls: what they return, or -errno. */
int kernel_create_set(struct world *world);
int kernel_create_event(struct world *world);
int kernel_control(struct world *world, int set, int operation, int descriptor,
                   const struct epoll_event *event);
int kernel_wait(struct world *world, int set, struct epoll_event *events, int max,
                uint64_t wait_ns);
long kernel_write(struct world *world, int descriptor);
long kernel_receive(struct world *world, int descriptor, char *bytes, size_t length);
long kernel_send(struct world *world, int descriptor, const char *bytes, size_t length);
long kernel_send_message(struct world *world, int descriptor, const struct msghdr *message);
int kernel_accept(struct world *world, int descriptor);
int kernel_flags(struct world *world, int descriptor, int command, int flags);
void kernel_close(struct world *world, int descriptor);

#endif
