/* cluster_session: what a server says to etcd, and in which order. Private to cluster.c,
 * cluster_session.c and cluster_answers.c; the thread is cluster.c's.
 *
 *     wait ─▶ log in (with etcd_auth) ─▶ read all keys ─▶ steady: watch their changes
 *      ▲                                                    │
 *      └───────────── whatever goes wrong ──────────────────┘
 *
 * While it is steady the next call follows from what there is: no lease, then one is asked for;
 * this server is no member, then it joins; members and list differ, then the list is written; the
 * server is to leave, then it does. So a lost lease or a lost key need no case of their own.
 */
#ifndef CORE_SERVER_CLUSTER_SESSION_H
#define CORE_SERVER_CLUSTER_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/server/cluster.h"
#include "core/server/cluster_view.h"
#include "core/server/etcd.h"
#include "core/server/etcd_body.h"

enum cluster_phase { CLUSTER_WAIT, CLUSTER_LOGIN, CLUSTER_READ, CLUSTER_STEADY };

/* What the place ETCD_CALL is busy with in CLUSTER_STEADY. */
enum cluster_call { CLUSTER_GRANT, CLUSTER_JOIN, CLUSTER_WRITE, CLUSTER_LEAVE, CLUSTER_REVOKE };

struct cluster_session {
    struct cluster_start start;
    struct etcd *etcd;
    struct cluster_view view;
    char prefix[ETCD_PREFIX_BYTES];
    /* Xorshift; for the lengths of waits alone. */
    uint64_t random;

    enum cluster_phase phase;
    enum cluster_call call;
    /* CLUSTER_WAIT: until then; how often it has failed since etcd last kept the lease alive; and
     * when that was told (0: it wasn't). */
    uint64_t retry_ns;
    uint32_t failures;
    uint64_t told_ns;

    /* 0: none; its seconds as granted, and when it is to be kept alive next. */
    uint64_t lease;
    uint64_t ttl_s;
    uint64_t keepalive_ns;
    /* The lease of this server's key (0: there is no such key), and whether it may take the key
     * over from another lease: once for each of its own. */
    uint64_t own_lease;
    bool may_take_over;

    /* etcd's identity, and the highest revision that was seen, of all sessions. */
    uint64_t cluster_id;
    uint64_t revision;
    /* Since the keys were read. What this server has written is awaited in the watch, up to a time;
     * 0: nothing is. */
    uint64_t watched_revision;
    uint64_t awaited_revision;
    uint64_t awaited_until_ns;
    /* Its own key is among that. */
    bool awaits_own;
    /* When etcd last said something while all went well; 0: never. */
    uint64_t steady_ns;
    /* When it may write the list: 0 while there is no need to. */
    uint64_t write_ns;

    /* The server is to leave, and is out of the list. */
    bool leaving;
    bool left;
};

/* Does what is due. Returns for how many milliseconds nothing will be. */
int cluster_session_step(struct cluster_session *session);

/* Asks etcd for something; a failure to do so is one of the session. Frees the body. */
void cluster_session_ask(struct cluster_session *session, enum etcd_place place, const char *path,
                         char *body);

/* Reads all keys, and then goes on. */
void cluster_session_read(struct cluster_session *session);

/* Gives up what is under way, and begins again after a while; `text` says why. */
void cluster_session_fail(struct cluster_session *session, const char *text);

/* The same, because of an answer that none of etcd's version gives. */
void cluster_session_fail_broken(struct cluster_session *session);

void cluster_session_set_lease(struct cluster_session *session, uint64_t lease);

/* A third of the lease's time. */
uint64_t cluster_session_third_ns(const struct cluster_session *session);

/* Of cluster_answers.c: what follows from etcd's answers, begin and end. False without memory. */
bool cluster_session_init(struct cluster_session *session, const struct cluster_start *start);
void cluster_session_finish(struct cluster_session *session);

#endif
