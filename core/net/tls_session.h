/* tls_session: one connection's TLS, without its socket.
 *
 *     received ─▶ offered ─▶ tls_session_read() ─▶ where the caller wants the plain bytes
 *                    └─ what has to wait for another turn ─▶ kept
 *     plain bytes ─▶ tls_session_write() ─▶ sealing ─▶ tls_session_take_sealed() ─▶ sent
 *
 * OpenSSL copies each record into a buffer of its own, decrypts it there, and copies what it holds
 * to the caller; the caller gives the place where it will stay: the receive buffer itself, or a
 * large value's memory. Output is encrypted record by record into one buffer for a whole send;
 * those of large values go to the socket from a buffer that all sessions share.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_TLS_SESSION_H
#define CORE_NET_TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/buffer.h"
#include "core/base/config.h"
#include "core/net/tls.h"
#include "core/stats/connection.h"

struct connection;
struct io;
struct ssl_st;

/* Records of one connection that are opened in one turn. A change of keys (RFC 8446, 4.6.3), which
 * costs a hundred times as much, is the last of a turn. */
#define TLS_RECORDS_PER_TURN 128

/* Bytes that OpenSSL itself has to say and that wait for a send, beyond which nothing is read. */
#define TLS_SEALED_BYTES_MAX ((size_t)64 * 1024)

/* The longest name of a certificate that is told, cut off there. */
#define TLS_SUBJECT_BYTES STATS_SUBJECT_MAX

enum tls_state {
    TLS_HANDSHAKE,
    TLS_OPEN,
    TLS_REFUSED, /* the handshake or a record was wrong: nothing is read or written any more */
};

/* Where in a record OpenSSL is: it asks for the head first, and then for the rest. */
enum tls_place {
    TLS_BETWEEN_RECORDS,
    TLS_IN_HEAD,
    TLS_IN_BODY,
};

enum tls_progress {
    TLS_WAITS, /* for more bytes */
    TLS_DONE,
    TLS_FAILED, /* `problem` says why; what is sealed is to be sent, and the connection closed */
};

struct tls_session {
    struct ssl_st *ssl;
    struct tls *tls;
    struct tls_set *set;
    struct buffer_pool *buffers;
    struct connection *connection;
    const char *problem; /* lives as long as the program */

    uint8_t state;         /* enum tls_state */
    uint8_t transport;     /* enum transport */
    uint8_t place;         /* enum tls_place */
    bool in_record;        /* more of a record that OpenSSL has decrypted is left there */
    bool ended;            /* the client has said that it sends no more */
    bool closing;          /* the end has been said to the client */
    bool shut;             /* and nothing is sent any more */
    bool renegotiates;     /* the client has tried to, which is refused */
    bool gathers;          /* records go to tls->gathered, not to sealing */
    bool is_slow;          /* the socket has not taken all that was last written through */
    bool holds_much;       /* more than TLS_GATHER_BYTES_SHORT that the socket has not taken */
    bool no_memory;        /* for what OpenSSL had to write */
    bool rekeys;           /* keys were changed by what was read last */
    uint8_t sessions_made; /* counted with a session cache alone */
    uint32_t place_left;   /* bytes until the end of the head or body */
    uint32_t records_left; /* that may still be opened in this turn */
    uint32_t key_updates;  /* that have come and were not counted yet */

    /* The bytes that OpenSSL reads: the caller's, or `kept`. */
    const char *offered;
    size_t offered_length;
    size_t offered_taken;
    char *kept; /* owned */

    /* Records to be sent, and those that are being sent; `plain` is how many bytes of the output
     * are in them, which counts as sent when all of them are. */
    struct buffer sealing;
    size_t sealing_plain;
    struct buffer sealed;
    size_t sealed_plain;
    size_t sealed_sent;

    uint32_t due_s;    /* on the list `timed`: when it is closed, on the store's scale */
    bool in_handshake; /* and counted as such */
    bool queued;       /* on one of the lists handshakes and unread */
    bool timed;
    TAILQ_ENTRY(tls_session) queue_link;
    TAILQ_ENTRY(tls_session) timed_link;
};

/* A session in handshake, whose buffers come from a pool. NULL without memory. */
struct tls_session *tls_session_create(struct tls *tls, enum transport transport,
                                       struct connection *connection, struct buffer_pool *buffers);

/* Accepts NULL. */
void tls_session_destroy(struct tls_session *session);

/* Offers bytes, which must stay until tls_session_keep(), and grants a turn's share of records. */
void tls_session_offer(struct tls_session *session, const char *bytes, size_t length);

/* Ends the use of offered bytes: those that are left are kept. False without memory. */
bool tls_session_keep(struct tls_session *session);

/* Offers what was kept. */
void tls_session_offer_kept(struct tls_session *session);

static inline bool tls_session_has_kept(const struct tls_session *session) {
    return session->kept;
}

/* One step of the handshake: all that can be done with what was offered. */
enum tls_progress tls_session_handshake(struct tls_session *session);

/* Whether the handshake went on from an earlier session. */
bool tls_session_is_resumed(const struct tls_session *session);

/* Decrypts to a place; returns how many bytes. 0: there are no more for now, or `ended` or
 * TLS_REFUSED has come. */
size_t tls_session_read(struct tls_session *session, char *where, size_t length);

/* Whether the next bytes come from a record that lies in what is offered as a whole: they take less
 * space than what has been read of it, and may be written over that. */
static inline bool tls_session_is_between_records(const struct tls_session *session) {
    return session->place == TLS_BETWEEN_RECORDS && !session->in_record;
}

/* False when all that was offered has been read, so that reading would be in vain. */
static inline bool tls_session_may_read(const struct tls_session *session) {
    return session->in_record || session->offered_taken < session->offered_length;
}

/* More than the bytes that tls_session_read() will return of what is offered. */
size_t tls_session_read_bound(const struct tls_session *session);

/* Encrypts bytes, in full records, into what is sealing. False when it fails: for want of memory,
 * or since the session has ended. */
bool tls_session_write(struct tls_session *session, const char *bytes, size_t length);

/* The same with `bytes` bytes in all of some parts, which are sent at once, some records at a time:
 * what the socket does not take is left sealing, and nothing is encrypted behind it. Nothing may be
 * sealing or be sent before. *sent becomes how many bytes have been sent; those of what is sealing
 * come behind them. */
bool tls_session_write_through(struct tls_session *session, struct io *io, int socket,
                               const struct iovec *parts, size_t bytes, size_t *sent);

/* Says the end to the client. */
void tls_session_close(struct tls_session *session);

/* Moves what is sealing to what is sealed, when all of that has been sent. False: there is none. */
bool tls_session_take_sealed(struct tls_session *session);

/* Notes that bytes of it have been sent; returns how many of the output's have been, which come
 * with the last of it. */
size_t tls_session_sent(struct tls_session *session, size_t length);

static inline bool tls_session_is_sent(const struct tls_session *session) {
    return session->sealed.length == session->sealed_sent;
}
static inline bool tls_session_has_output(const struct tls_session *session) {
    return session->sealing.length > 0;
}

/* "TLSv1.3" and "TLS_AES_128_GCM_SHA256"; both stay. */
const char *tls_session_version(const struct tls_session *session);
const char *tls_session_cipher(const struct tls_session *session);

/* The subject of the client's certificate, as "CN=name,O=company" (RFC 2253), NUL-terminated; empty
 * when there is none. */
void tls_session_subject(const struct tls_session *session, char subject[TLS_SUBJECT_BYTES]);

#endif
