/* moving: which reactors serve the connections that are busy now.
 *
 * New connections are spread over all reactors. Where few reactors can do the work, the others only
 * cost: each sleeps and is woken for a request or two, where one that has more to do takes many in
 * a turn; and where processors are short, they take them from the clients, or from each other. So
 * busy connections are gathered on as few reactors as serve them well, and spread when these have
 * too much to do. The keys stay where they are: the shards of reactors that sleep are free, and are
 * served by those that are awake (core/mesh/lending.h).
 *
 * Each reactor measures what part of a processor it uses, by windows of time, and tells the others.
 * At the end of a window it decides for itself, by the loads of all and by how many processors were
 * idle: nobody waits for anybody, and numbers that are a moment old only delay a move.
 *
 * Thread: the reactor's, but for struct moving_load and struct moving_group.
 */
#ifndef CORE_NET_MOVING_H
#define CORE_NET_MOVING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/mesh/ring.h"
#include "core/mesh/shard_set.h"

struct net;

#define MOVING_WINDOW_NS ((uint64_t)100000000)

/* In thousandths of a processor. */
#define MOVING_ACTIVE_MIN 20u     /* a reactor with less does nothing that counts */
#define MOVING_LIGHT 500u         /* the load that each is gathered up to */
#define MOVING_BUSY 800u          /* one with more gives a part away, */
#define MOVING_TAKES_MAX 400u     /* to one with less than this */
#define MOVING_UNKNOWN UINT32_MAX /* idle processors where the system doesn't tell */
#define MOVING_EVERYTHING 1000u   /* all connections, of parts in a thousand */

/* What all reactors share. Zeroed memory is ready. Relaxed, but for `sampling`: numbers for which
 * it is enough that they are not torn. */
struct moving_group {
    /* Set by the one reactor that looks for idle processors; it alone touches the next three.
     * Acquire when it is set, release when it is cleared. */
    _Alignas(CACHE_LINE_BYTES) _Atomic bool sampling;
    uint64_t idle_ns; /* at the last look */
    uint64_t looked_ns;
    uint64_t next_ns;
    _Atomic uint32_t idle;        /* thousandths of a processor between the last two looks, + 1 */
    _Atomic uint64_t gathered_ns; /* when connections were gathered last for want of processors */
};

/* What the others know of one reactor: the end of its last window in milliseconds << 16 | its load.
 * Written by its reactor. */
typedef _Atomic uint64_t moving_load;

/* What a decision is made of; loads of reactors that sleep are 0. */
struct moving_view {
    uint32_t id;
    uint32_t count;
    uint32_t loads[CONFIG_CORES_MAX];
    uint32_t idle;   /* thousandths of processors, or MOVING_UNKNOWN */
    bool may_spread; /* to reactors that do nothing now */
};

struct moving_plan {
    uint32_t to;    /* SHARD_NONE: all stay */
    uint32_t share; /* of the busy connections, in a thousand */
    bool for_want;  /* of processors */
};

/* A reactor's part of it. */
struct moving {
    struct moving_group *group;
    uint64_t begun_ns; /* the window */
    uint64_t ends_ns;
    uint64_t used_ns;     /* processor time at its beginning */
    uint32_t window;      /* its number, above 0 */
    uint32_t connections; /* that had a turn in it */
    uint32_t to;          /* in it, connections are given to this reactor; or SHARD_NONE */
    uint32_t left;        /* so many of them, still; 0 without a reactor */
};

/* With `enabled` false no connection ever moves. */
void moving_init(struct moving *moving, struct moving_group *group, bool enabled);

/* Looks at the end of each window for what is to be done in the next. */
void moving_end_window(struct net *net);

/* What the reactor view->id is to do. */
struct moving_plan moving_choose(const struct moving_view *view);

#endif
