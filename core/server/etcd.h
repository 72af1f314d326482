/* etcd: requests to etcd's JSON gateway over HTTP, by libcurl.
 *
 * There are three places for requests, each for one at a time: a call, a keepalive of the lease,
 * and a watch, whose answer comes line by line and never ends. All go to the same of the servers
 * that were named, until etcd_next_server(). Only etcd_run() waits, and only there answers are
 * told, so that these may ask for and cancel whatever they like.
 *
 * Thread: one, but for etcd_wake().
 */
#ifndef CORE_SERVER_ETCD_H
#define CORE_SERVER_ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/config.h"

enum etcd_place { ETCD_CALL, ETCD_KEEPALIVE, ETCD_WATCH };
#define ETCD_PLACES 3

/* Why there was no answer. */
struct etcd_failure {
    uint64_t code; /* that of etcd's error, or 0 */
    char text[256];
};

struct etcd_events {
    /* A call or a keepalive has been answered with success. */
    void (*answered)(void *context, enum etcd_place place, const char *bytes, size_t length);
    /* Its place is free again. Of a watch: it has ended. */
    void (*failed)(void *context, enum etcd_place place, const struct etcd_failure *failure);
    /* A line of the watch. */
    void (*watched)(void *context, const char *bytes, size_t length);
};

struct etcd;

/* NULL without memory. The configuration and the events are borrowed. */
struct etcd *etcd_create(const struct cluster_config *config, const struct etcd_events *events,
                         void *context);
void etcd_destroy(struct etcd *etcd);

bool etcd_is_busy(const struct etcd *etcd, enum etcd_place place);

/* Asks for `path` with `body`, which it frees; the place is free. timeout_ms: 0 for none. False
 * without memory, also where that is why body is NULL. */
bool etcd_ask(struct etcd *etcd, enum etcd_place place, const char *path, char *body,
              long timeout_ms);

/* Gives up all requests. */
void etcd_cancel(struct etcd *etcd);

/* What authorizes the requests from now on; empty: nothing does. */
void etcd_set_token(struct etcd *etcd, const char *token);
bool etcd_has_token(const struct etcd *etcd);

/* Turns to the next of the servers. */
void etcd_next_server(struct etcd *etcd);

/* The URL of the present one. */
const char *etcd_server(const struct etcd *etcd);

/* Waits for up to wait_ms for what comes, and tells it. */
void etcd_run(struct etcd *etcd, int wait_ms);

/* Ends the wait of etcd_run(), or of its next call. Thread: any. */
void etcd_wake(struct etcd *etcd);

#endif
