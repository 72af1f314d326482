/* tls_tickets: the keys that session tickets are encrypted with (RFC 5077, 4), so that a client
 * resumes at every reactor, and at every server that has the same secret.
 *
 *     secret of period n ─ SHA-256 ─▶ secret of period n+1 ─▶ …      the older one is forgotten
 *           └─ HMAC with the policy ─▶ name, key of the cipher, key of the MAC
 *
 * Each reactor computes the same keys from the same secret and the clock, so nothing is shared that
 * changes. The policy is all that a client has to meet in a full handshake (verify mode, CA
 * certificates, revocation lists): a ticket that was got under another policy has a name that is
 * unknown here, and leads to a full handshake.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_TLS_TICKETS_H
#define CORE_NET_TLS_TICKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"

struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;
struct ssl_ctx_st;

#define TLS_SECRET_BYTES 32
#define TLS_POLICY_BYTES 32
#define TLS_TICKET_NAME_BYTES 16

/* A key is used for new tickets for one period and accepted for two; a ticket is good for less, as
 * the context says. The period before is also accepted ahead, for servers whose clocks differ. */
#define TLS_TICKET_PERIOD_S 14400
#define TLS_TICKET_LIFE_S 7200

/* The least bytes of a key file. */
#define TLS_TICKET_FILE_BYTES_MIN 32

struct tls_secret {
    int64_t period; /* of `current`, since 1970 in TLS_TICKET_PERIOD_S */
    uint8_t previous[TLS_SECRET_BYTES];
    uint8_t current[TLS_SECRET_BYTES];
};

struct tls_ticket_key {
    uint8_t name[TLS_TICKET_NAME_BYTES];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
};

/* The keys of one policy. */
struct tls_tickets {
    const struct clock *clock;
    struct tls_secret secret;
    uint8_t policy[TLS_POLICY_BYTES];
    /* Of the period before, this one, and the next. */
    struct tls_ticket_key keys[3];
};

/* A secret that nobody else has; false when the system has no random bytes. */
bool tls_secret_make(struct tls_secret *secret, const struct clock *clock);

/* The secret of a file's bytes at this time; the same wherever the bytes and the time are. */
bool tls_secret_read(struct tls_secret *secret, const struct clock *clock, const char *bytes,
                     size_t length);

/* Moves it on to this time. */
bool tls_secret_advance(struct tls_secret *secret, const struct clock *clock);

bool tls_tickets_init(struct tls_tickets *tickets, const struct tls_secret *secret,
                      const struct clock *clock, const uint8_t policy[TLS_POLICY_BYTES]);
void tls_tickets_finish(struct tls_tickets *tickets);

/* Makes a context use them; they must outlive it and all its connections. */
bool tls_tickets_use(struct tls_tickets *tickets, struct ssl_ctx_st *context);

#endif
