/* tls: a reactor's part of TLS (RFC 8446, RFC 5246; by OpenSSL): the contexts that its new
 * connections are made of, and the lists of connections whose bytes wait.
 *
 *     files ─▶ tls_files ─▶ tls_set, one for each reactor: a context for each transport
 *                                      └─▶ mailbox ─▶ the reactor's set, from its next connection
 * on
 *
 * Reactors share nothing that changes but what struct tls_shared holds: the mailboxes, and when the
 * files were read last. Keys of tickets are computed by each reactor from the same secret
 * (core/net/tls_tickets.h).
 *
 * A set is read as a whole before any reactor gets it, and each connection keeps the one that it
 * began with. Without OpenSSL, core/net/tls_without.c stands here: tls_shared_create() says so.
 */
#ifndef CORE_NET_TLS_H
#define CORE_NET_TLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/base/clock.h"
#include "core/base/config.h"
#include "core/base/facts.h"

struct bio_method_st;
struct tls_session;
struct tls_set;
struct tls_shared;

/* What is wrong with the files, in one line. */
#define TLS_PROBLEM_BYTES 512

/* The most that one record carries (RFC 8446, 5.1). */
#define TLS_RECORD_BYTES ((size_t)16 * 1024)

/* Plain bytes of large values that are encrypted and sent at once: of one connection in a turn; in
 * one call of the kernel; and the same to a client that is slow, and while some connections have
 * as much that their sockets have not taken: it has to be kept for each. Few calls wake the client
 * less often. */
#define TLS_SEND_BYTES_MAX ((size_t)512 * 1024)
#define TLS_GATHER_BYTES ((size_t)512 * 1024)
#define TLS_GATHER_BYTES_SHORT ((size_t)64 * 1024)
#define TLS_HOLDING_MUCH_MAX 8

/* Of the buffer for those: a record may be as short as 512 bytes where its client wants that (RFC
 * 6066, 4), and has less than 128 beside what it carries. */
#define TLS_GATHERED_BYTES_MAX (TLS_GATHER_BYTES + TLS_GATHER_BYTES / 4 + TLS_RECORD_BYTES)

TAILQ_HEAD(tls_session_queue, tls_session);

struct tls {
    struct tls_shared *shared;
    struct tls_set *set; /* of new connections */
    /* A newer set, put here by whoever has reloaded and taken by this reactor at its next
     * connection. The thread that takes it out owns it: acquire and release by both exchanges. */
    _Atomic(struct tls_set *) mailbox;
    struct bio_method_st *method;

    /* Sessions in handshake whose client's part has come, oldest first: one step of one of them is
     * done in a turn. */
    struct tls_session_queue handshakes;
    /* Open sessions with bytes that were received and not decrypted, since they had their share of
     * a turn. No completion will come for them. */
    struct tls_session_queue unread;
    /* Sessions that are closed when their time is up: in handshake, or refused, or closing. */
    struct tls_session_queue timed;

    /* Records of large values on their way to the socket. */
    char *gathered;
    size_t gathered_length;
    uint32_t holding_much; /* sessions */

    char answer[TLS_PROBLEM_BYTES]; /* of tls_answer_reload() */
    char staging[TLS_RECORD_BYTES]; /* short pieces of output on their way into one record */
};

/* Whether this program was built with OpenSSL. */
bool tls_is_built(void);

/* Reads the files and makes a set for each of `count` reactors. NULL when a file is wrong, with a
 * line that says what; `problem` is empty otherwise, or warns of a certificate that expires. The
 * configuration and the clock outlive it; start_boot_ns: when the server has started, by boot time.
 * Thread: the main one. */
struct tls_shared *tls_shared_create(const struct tls_config *config, const struct clock *clock,
                                     uint64_t start_boot_ns, uint32_t count,
                                     char problem[TLS_PROBLEM_BYTES]);

/* After all reactors have ended; accepts NULL. */
void tls_shared_destroy(struct tls_shared *shared);

struct tls *tls_of_reactor(struct tls_shared *shared, uint32_t reactor);
const struct tls_facts *tls_shared_facts(const struct tls_shared *shared);

/* Reads all files again and gives each reactor a new set. False when anything is wrong: then all
 * stays as it was, and `problem` says what; else it is as with tls_shared_create(). Thread: that of
 * the reactor; several may try at once, and one of them does it. */
bool tls_reload(struct tls *tls, char problem[TLS_PROBLEM_BYTES]);

/* The same for the command refresh_certs: the line to answer, which lasts until the next call. A
 * NULL tls: there is no TLS. */
const char *tls_answer_reload(struct tls *tls);

/* Whether a certificate, or a list of revoked ones, ends within TLS_EXPIRY_WARNING_S, or has ended;
 * then `problem` says which. Thread: the reactor's. */
#define TLS_EXPIRY_WARNING_S ((int64_t)30 * 24 * 3600)
bool tls_expires_soon(struct tls *tls, char problem[TLS_PROBLEM_BYTES]);

/* The newest set, for a session that begins; and the end of a session that had it. */
struct tls_set *tls_take_set(struct tls *tls);
void tls_leave_set(struct tls *tls, struct tls_set *set);

/* Whether sessions have something to do that no completion will tell of. */
static inline bool tls_has_work(const struct tls *tls) {
    return !TAILQ_EMPTY(&tls->handshakes) || !TAILQ_EMPTY(&tls->unread);
}

#endif
