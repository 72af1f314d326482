/* cluster_view: what a server knows of its cluster from etcd, and what it would write there. Data
 * and rules alone: no I/O, and the time is a parameter.
 *
 * In etcd there is a key for each server that is alive (a member), under that server's lease, and
 * one for the list, which is what clients are told (core/base/nodes.h). When members and list
 * differ somebody writes a list with the next version, if the list is still the one that it has
 * seen. So all servers answer with the same list, and never with what they think themselves.
 *
 * A server that goes leaves the list at once, but not while the view is young: those that are
 * missing when it begins, or go shortly after (etcd was away for longer than their leases, or has
 * lost its data) stay in the list until they have had the time to come back. Who takes itself out
 * of the list is out of it.
 *
 * Thread: any, one at a time.
 */
#ifndef CORE_SERVER_CLUSTER_VIEW_H
#define CORE_SERVER_CLUSTER_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/nodes.h"

/* A set of servers, sorted. */
struct cluster_set {
    uint32_t count;
    char (*at)[NODE_BYTES]; /* NODES_MAX of them */
};

struct cluster_view {
    struct cluster_set members;
    struct cluster_set missing; /* in the list from before, and no members yet */
    uint64_t missing_until_ns;
    struct nodes *list;      /* as in etcd; NULL: none, or none that can be used */
    uint64_t list_revision;  /* of that key's last change; 0: there is no key */
    struct nodes *published; /* what this server answers with; NULL: nothing yet */
    /* etcd has lost what it knew: its list is taken only when it agrees with what is known here. */
    bool distrusts;
};

/* False without memory; then nothing is to be freed. */
bool cluster_view_init(struct cluster_view *view);
void cluster_view_finish(struct cluster_view *view);

/* Forgets members and list, before etcd tells all of them anew. */
void cluster_view_clear(struct cluster_view *view);

/* What etcd tells. A text that is no server, or no list, counts as none. A member too many is
 * passed over. */
void cluster_view_put_member(struct cluster_view *view, const char *text, size_t length);
void cluster_view_delete_member(struct cluster_view *view, const char *text, size_t length,
                                uint64_t now_ns);
void cluster_view_put_list(struct cluster_view *view, const char *text, size_t length,
                           uint64_t revision);
void cluster_view_delete_list(struct cluster_view *view);

/* All has been told since cluster_view_clear(). lost: etcd has less than it had, or is another one.
 * Servers that are missing have until then to come back. goes_on: etcd has been silent for so short
 * a time that no lease can have run out by that, so they have no more time than they had. */
void cluster_view_begin(struct cluster_view *view, bool lost, bool goes_on,
                        uint64_t missing_until_ns);

bool cluster_view_has_member(const struct cluster_view *view, const char *node);

/* The place of a server among the members. */
uint32_t cluster_view_rank(const struct cluster_view *view, const char *node);

/* The list that is to be written, which the caller owns; NULL: the one in etcd is fine, or nobody
 * is left, for a list is never empty. `joins` and `leaves` (or NULL) are taken for a member, and
 * for none. */
struct nodes *cluster_view_next_list(const struct cluster_view *view, const char *joins,
                                     const char *leaves, uint64_t now_ns, int64_t unix_s);

/* Takes over etcd's list as what to answer with, if it is a newer one. True if it has. */
bool cluster_view_publish(struct cluster_view *view, uint64_t now_ns);

/* Nanoseconds until the list may differ by the passing of time alone; UINT64_MAX: it won't. */
uint64_t cluster_view_wait_ns(const struct cluster_view *view, uint64_t now_ns);

#endif
