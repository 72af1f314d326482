/* cluster: the thread that keeps this server in the list of its cluster, by etcd (-o cluster).
 *
 * It registers the server under a lease and keeps that alive, watches the others, writes the list
 * when it has to (core/server/cluster_view.h), and gives each newer list to the reactors. No
 * reactor waits for it; when etcd is away the last list stays.
 */
#ifndef CORE_SERVER_CLUSTER_H
#define CORE_SERVER_CLUSTER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/config.h"
#include "core/base/facts.h"

struct cluster;
struct sandbox;

/* Whether this program was built with libcurl and jansson. */
bool cluster_is_built(void);

/* Called on the thread with each newer list. */
typedef void cluster_publish(void *context, const struct nodes *nodes);

struct cluster_start {
    const struct config *config;
    struct cluster_facts *facts;
    cluster_publish *publish;
    void *context;
    /* That its thread enters; NULL for none. */
    struct sandbox *sandbox;
    /* As in panic_thread_init(). */
    _Atomic bool *panic_taken;
};

/* Starts the thread; NULL when it can't be, and one line on stderr has said why. What `start`
 * points to outlives it. */
struct cluster *cluster_create(const struct cluster_start *start);

/* Orders it to take the server out of the list, and doesn't wait for that. Thread: any. Accepts
 * NULL. */
void cluster_leave(struct cluster *cluster);

/* Ends the thread; a server that hasn't left has so many milliseconds to do it. Accepts NULL. */
#define CLUSTER_END_MS 300
void cluster_destroy(struct cluster *cluster);

#endif
