/* probes: static probes (USDT) for bpftrace, perf and others: a no-op in the code, and a note in
 * the program that says where it is and where its arguments are. Nothing in builds without (meson
 * -Dprobes=disabled, or no sys/sdt.h). For example, requests by command:
 *
 *     bpftrace -e 'usdt:./simplecache:simplecache:request__begin { @[arg1] = count(); }'
 *
 * The man page lists the probes, and a test compares it with the program.
 */
#ifndef CORE_BASE_PROBES_H
#define CORE_BASE_PROBES_H

#ifdef SIMPLECACHE_PROBES
#include <sys/sdt.h>
#define PROBES_FIRE(name, first, second) DTRACE_PROBE2(simplecache, name, first, second)
#define PROBES_FIRE_3(name, first, second, third)                                                  \
    DTRACE_PROBE3(simplecache, name, first, second, third)
#else /* the arguments are not evaluated */
#define PROBES_FIRE(name, first, second) ((void)sizeof(first), (void)sizeof(second))
#define PROBES_FIRE_3(name, first, second, third)                                                  \
    ((void)sizeof(first), (void)sizeof(second), (void)sizeof(third))
#endif

/* A request runs: the number of its connection, and its enum op. Again when it had to wait. */
#define PROBES_REQUEST_BEGIN(connection, op) PROBES_FIRE(request__begin, connection, op)

/* The reply of a request is written to the output of its connection; noreply and quiet ones too.
 * Scans (lru_crawler metadump and the like) have no such end. */
#define PROBES_REQUEST_END(connection, op) PROBES_FIRE(request__end, connection, op)

/* A message goes to another reactor, and has come back: the reactor that it belongs to, the other
 * one, and its enum message_kind. */
#define PROBES_MESSAGE_SENT(reactor, to, kind) PROBES_FIRE_3(message__sent, reactor, to, kind)
#define PROBES_MESSAGE_BACK(reactor, from, kind) PROBES_FIRE_3(message__back, reactor, from, kind)

/* A slice of a store's maintenance, which evicts and cleans segments: the reactor, and at its end
 * whether there is more to do. */
#define PROBES_MAINTAIN_BEGIN(reactor, now_s) PROBES_FIRE(maintain__begin, reactor, now_s)
#define PROBES_MAINTAIN_END(reactor, more) PROBES_FIRE(maintain__end, reactor, more)

/* A step of a reactor's turn begins: the reactor, and the number of the step in the table
 * REACTOR_STEPS (core/server/reactor_turn.c). */
#define PROBES_STEP(reactor, number) PROBES_FIRE(step, reactor, number)

/* A reactor wakes another one that sleeps. */
#define PROBES_WAKE(reactor, other) PROBES_FIRE(wake, reactor, other)

#endif
