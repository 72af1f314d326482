/* pages: what is answered over HTTP, to whom.
 *
 *     /            the live page              /stats.json    all figures
 *     /metrics     for Prometheus             /history.json  the curves of the page
 *     /healthz     the reactors answer        /readyz        the server is not about to end
 *
 * Thread: that of HTTP.
 */
#ifndef CORE_SERVER_PAGES_H
#define CORE_SERVER_PAGES_H

#include <stdbool.h>

#include "core/server/history.h"
#include "core/server/http.h"
#include "core/shard/auth.h"
#include "core/stats/metrics.h"

struct pages {
    struct history history;
    /* Who may ask; NULL: everybody. But for /healthz and /readyz, which tell nothing. */
    struct logins *logins;
    /* The order to stop has been given; and it has, though clients are served for a while yet. */
    const _Atomic bool *stopping;
    const _Atomic bool *drains;
    /* Asks the reactors. False when they don't answer in time; else *sources lasts until the next
     * call. */
    bool (*observe)(void *context, struct metrics_sources *sources);
    void *context;
};

/* Answers one request; context is a struct pages. */
http_answer pages_answer;

/* Whether a Host header is an address or localhost, with or without a port. A page from elsewhere
 * whose name has been made to lead to this machine (DNS rebinding) sends that name. */
bool pages_is_local_host(const char *host);

#endif
