/* tls_set: the contexts of one load of the files, for one reactor: one for each transport, which
 * differ in what they ask of clients' certificates.
 *
 * Thread: made on any, then the reactor's; nothing is shared between two sets.
 */
#ifndef CORE_NET_TLS_SET_H
#define CORE_NET_TLS_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/net/tls_files.h"
#include "core/net/tls_tickets.h"

struct ssl_ctx_st;

struct tls_policy {
    struct ssl_ctx_st *context;
    struct tls_tickets tickets;
    bool needs_certificate; /* of the client */
};

struct tls_set {
    struct tls_policy policies[TRANSPORTS]; /* by enum transport; that of plain bytes is empty */
    uint64_t sessions;                      /* that were made of it and live */
    bool replaced;                          /* no more are made; it ends with the last of them */

    /* What ends first, in Unix seconds, and what it is: "the certificate in FILE". */
    int64_t expires_s;
    char expiring[TLS_PROBLEM_BYTES / 2];
};

/* NULL when something in the files is wrong; `problem` says what. */
struct tls_set *tls_set_create(const struct tls_config *config, const struct tls_files *files,
                               const struct tls_secret *secret, const struct clock *clock,
                               char problem[TLS_PROBLEM_BYTES]);

/* Accepts NULL. */
void tls_set_destroy(struct tls_set *set);

#endif
