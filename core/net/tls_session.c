#include "core/net/tls_session.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/io.h"
#include "core/net/tls_set.h"

/* What a record may have beside what it carries, a byte of a nonce or a block of padding included
 * (RFC 5246, 6.2.3; RFC 8446, 5.2). */
#define RECORD_OVERHEAD_BYTES 325

/* Called for changes of state and for alerts. */
static void tls_session_note(const SSL *ssl, int where, int value) {
    struct tls_session *session = SSL_get_app_data(ssl);
    if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT &&
        (value & 0xff) == SSL_AD_NO_RENEGOTIATION) {
        session->renegotiates = true;
    }
}

/* Called for each message of TLS itself, and for each head of a record. */
static void tls_session_note_message(int is_written, int version, int type, const void *bytes,
                                     size_t length, SSL *ssl, void *argument) {
    struct tls_session *session = argument;
    (void)version, (void)ssl;
    if (!is_written && type == SSL3_RT_HANDSHAKE && length > 0 &&
        *(const uint8_t *)bytes == SSL3_MT_KEY_UPDATE) {
        session->key_updates++;
        session->records_left = 0;
    }
}

static bool tls_session_init(struct tls_session *session) {
    struct tls_policy *policy = &session->set->policies[session->transport];
    BIO *bio = BIO_new(session->tls->method);
    session->ssl = SSL_new(policy->context);
    if (!bio || !session->ssl) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, session);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    SSL_set_info_callback(session->ssl, tls_session_note);
    SSL_set_msg_callback(session->ssl, tls_session_note_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    SSL_set_accept_state(session->ssl);
    return true;
}

struct tls_session *tls_session_create(struct tls *tls, enum transport transport,
                                       struct connection *connection, struct buffer_pool *buffers) {
    struct tls_session *session = calloc(1, sizeof(*session));
    assert(transport != TRANSPORT_PLAIN);
    if (!session) {
        return NULL;
    }
    session->tls = tls;
    session->set = tls_take_set(tls);
    session->connection = connection;
    session->transport = (uint8_t)transport;
    session->buffers = buffers;
    if (!tls_session_init(session)) {
        ERR_clear_error();
        tls_session_destroy(session);
        return NULL;
    }
    return session;
}

void tls_session_destroy(struct tls_session *session) {
    if (!session) {
        return;
    }
    SSL_free(session->ssl);
    session->tls->holding_much -= session->holds_much;
    tls_leave_set(session->tls, session->set);
    buffer_release(session->buffers, &session->sealed);
    buffer_release(session->buffers, &session->sealing);
    free(session->kept);
    free(session);
}

/* Input. */

void tls_session_offer(struct tls_session *session, const char *bytes, size_t length) {
    assert(!session->kept);
    session->offered = bytes;
    session->offered_length = length;
    session->offered_taken = 0;
    session->records_left = TLS_RECORDS_PER_TURN;
}

void tls_session_offer_kept(struct tls_session *session) {
    assert(session->kept);
    session->records_left = TLS_RECORDS_PER_TURN;
}

static void tls_session_drop_kept(struct tls_session *session) {
    free(session->kept);
    session->kept = NULL;
}

bool tls_session_keep(struct tls_session *session) {
    size_t left = session->offered_length - session->offered_taken;
    if (left == 0 || session->state == TLS_REFUSED) {
        tls_session_drop_kept(session);
        session->offered = NULL;
        session->offered_length = session->offered_taken = 0;
        return true;
    }
    if (session->kept) {
        return true;
    }
    session->kept = malloc(left);
    if (!session->kept) {
        return false;
    }
    memcpy(session->kept, session->offered + session->offered_taken, left);
    session->offered = session->kept;
    session->offered_length = left;
    session->offered_taken = 0;
    return true;
}

/* In words that say more than "certificate verify failed". */
static const char *tls_session_reason(const struct tls_session *session) {
    long verified = SSL_get_verify_result(session->ssl);
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    if (session->no_memory) {
        return "there is no memory for it";
    }
    if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        return X509_verify_cert_error_string(verified);
    }
    return reason ? reason : "its TLS failed";
}

static void tls_session_refuse(struct tls_session *session, const char *problem) {
    session->state = TLS_REFUSED;
    session->problem = problem;
    ERR_clear_error();
}

/* A certificate is asked for by the context, and a ticket is only good where it was: this says so
 * once more, where a mistake would let strangers in. */
static bool tls_session_is_allowed(const struct tls_session *session) {
    return !session->set->policies[session->transport].needs_certificate ||
           (SSL_get0_peer_certificate(session->ssl) &&
            SSL_get_verify_result(session->ssl) == X509_V_OK);
}

enum tls_progress tls_session_handshake(struct tls_session *session) {
    assert(session->state == TLS_HANDSHAKE);
    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1 && tls_session_is_allowed(session)) {
        session->state = TLS_OPEN;
        return TLS_DONE;
    }
    if (result == 1) {
        tls_session_refuse(session, "it has no certificate");
        return TLS_FAILED;
    }
    if (SSL_get_error(session->ssl, result) == SSL_ERROR_WANT_READ) {
        return TLS_WAITS;
    }
    tls_session_refuse(session, tls_session_reason(session));
    return TLS_FAILED;
}

bool tls_session_is_resumed(const struct tls_session *session) {
    return SSL_session_reused(session->ssl);
}

size_t tls_session_read(struct tls_session *session, char *where, size_t length) {
    assert(session->state != TLS_HANDSHAKE);
    if (session->state == TLS_REFUSED || session->ended) {
        return 0;
    }
    int wanted = length < INT32_MAX ? (int)length : INT32_MAX;
    int result = SSL_read(session->ssl, where, wanted);
    session->in_record = result == wanted && SSL_pending(session->ssl) > 0;
    if (result > 0) {
        return (size_t)result;
    }
    int error = SSL_get_error(session->ssl, result);
    if (session->renegotiates) {
        tls_session_refuse(session, "it renegotiates");
    } else if (error == SSL_ERROR_ZERO_RETURN) {
        session->ended = true;
    } else if (error != SSL_ERROR_WANT_READ) {
        tls_session_refuse(session, tls_session_reason(session));
    }
    return 0;
}

size_t tls_session_read_bound(const struct tls_session *session) {
    size_t left = session->offered_length - session->offered_taken;
    return tls_session_is_between_records(session) ? left : left + TLS_RECORD_BYTES;
}

/* Output. */

static bool tls_session_seal(struct tls_session *session, const char *bytes, size_t length) {
    int wanted = (int)length;
    if (SSL_write(session->ssl, bytes, wanted) == wanted) {
        return true;
    }
    tls_session_refuse(session, tls_session_reason(session));
    return false;
}

static bool tls_session_reserve(struct tls_session *session, size_t bytes) {
    size_t records = bytes / TLS_RECORD_BYTES + 1;
    session->no_memory = !buffer_reserve(session->buffers, &session->sealing,
                                         bytes + records * RECORD_OVERHEAD_BYTES);
    if (session->no_memory) {
        tls_session_refuse(session, "there is no memory for it");
    }
    return !session->no_memory;
}

bool tls_session_write(struct tls_session *session, const char *bytes, size_t length) {
    if (session->state != TLS_OPEN || !tls_session_reserve(session, length) ||
        !tls_session_seal(session, bytes, length)) {
        return false;
    }
    session->sealing_plain += length;
    return true;
}

/* Parts of output on their way into records. */
struct tls_pieces {
    const struct iovec *parts; /* the next one first */
    size_t taken;              /* of that */
    size_t left;               /* bytes in all */
};

/* The next bytes, at most a record: where they lie; or what is short put together with what comes
 * behind it in tls->staging, so that records are full. */
static const char *tls_pieces_take(struct tls_pieces *pieces, char *staging, size_t *length) {
    size_t wanted = pieces->left < TLS_RECORD_BYTES ? pieces->left : TLS_RECORD_BYTES;
    const char *bytes = (const char *)pieces->parts->iov_base + pieces->taken;
    bool is_whole = pieces->parts->iov_len - pieces->taken >= wanted;
    *length = wanted;
    pieces->left -= wanted;
    while (wanted > 0) {
        const struct iovec *part = pieces->parts;
        size_t there = part->iov_len - pieces->taken;
        size_t taken = there < wanted ? there : wanted;
        if (!is_whole) {
            memcpy(staging + *length - wanted, (const char *)part->iov_base + pieces->taken, taken);
        }
        wanted -= taken;
        pieces->taken += taken;
        if (pieces->taken == part->iov_len) {
            pieces->parts++;
            pieces->taken = 0;
        }
    }
    return is_whole ? bytes : staging;
}

/* Encrypts about `most` bytes of the pieces; *length becomes how many. */
static bool tls_session_gather(struct tls_session *session, struct tls_pieces *pieces, size_t most,
                               size_t *length) {
    bool sealed = true;
    *length = 0;
    session->tls->gathered_length = 0;
    session->gathers = true;
    while (sealed && pieces->left > 0 && *length < most) {
        size_t taken;
        const char *bytes = tls_pieces_take(pieces, session->tls->staging, &taken);
        sealed = tls_session_seal(session, bytes, taken);
        *length += taken;
    }
    session->gathers = false;
    return sealed;
}

/* Keeps what the socket has not taken of what was gathered. */
static bool tls_session_keep_gathered(struct tls_session *session, size_t sent, size_t plain) {
    struct tls *tls = session->tls;
    size_t left = tls->gathered_length - sent;
    if (!buffer_append(session->buffers, &session->sealing, tls->gathered + sent, left)) {
        session->no_memory = true;
        tls_session_refuse(session, "there is no memory for it");
        return false;
    }
    session->sealing_plain = plain;
    session->holds_much = left > TLS_GATHER_BYTES_SHORT;
    tls->holding_much += session->holds_much;
    return true;
}

bool tls_session_write_through(struct tls_session *session, struct io *io, int socket,
                               const struct iovec *parts, size_t bytes, size_t *sent) {
    struct tls *tls = session->tls;
    struct tls_pieces pieces = {.parts = parts, .left = bytes};
    bool is_short = session->is_slow || tls->holding_much >= TLS_HOLDING_MUCH_MAX;
    bool sealed = session->state == TLS_OPEN;
    *sent = 0;
    assert(session->sealing.length == 0 && tls_session_is_sent(session));
    while (sealed && pieces.left > 0 && session->sealing.length == 0) {
        size_t most = is_short ? TLS_GATHER_BYTES_SHORT : TLS_GATHER_BYTES, plain;
        sealed = tls_session_gather(session, &pieces, most, &plain);
        if (!sealed) {
            break;
        }
        size_t taken =
            io_send_now(io, socket, tls->gathered, tls->gathered_length, pieces.left > 0);
        if (taken == tls->gathered_length) {
            *sent += plain;
        } else {
            sealed = tls_session_keep_gathered(session, taken, plain);
        }
    }
    session->is_slow = session->sealing.length > 0;
    return sealed;
}

void tls_session_close(struct tls_session *session) {
    session->closing = true;
    if (session->state == TLS_OPEN) {
        SSL_shutdown(session->ssl);
        ERR_clear_error();
    }
}

bool tls_session_take_sealed(struct tls_session *session) {
    if (session->sealing.length == 0) {
        return false;
    }
    assert(session->sealed.capacity == 0);
    session->sealed = session->sealing;
    session->sealed_plain = session->sealing_plain;
    session->sealed_sent = 0;
    session->sealing = (struct buffer){0};
    session->sealing_plain = 0;
    return true;
}

size_t tls_session_sent(struct tls_session *session, size_t length) {
    session->sealed_sent += length;
    assert(session->sealed_sent <= session->sealed.length);
    if (session->sealed_sent < session->sealed.length) {
        return 0;
    }
    buffer_release(session->buffers, &session->sealed);
    session->tls->holding_much -= session->holds_much;
    session->holds_much = false;
    session->sealed_sent = 0;
    return session->sealed_plain;
}

/* What is told of it. */

const char *tls_session_version(const struct tls_session *session) {
    return SSL_get_version(session->ssl);
}

const char *tls_session_cipher(const struct tls_session *session) {
    return SSL_get_cipher_name(session->ssl);
}

void tls_session_subject(const struct tls_session *session, char subject[TLS_SUBJECT_BYTES]) {
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    BIO *bio = certificate ? BIO_new(BIO_s_mem()) : NULL;
    *subject = '\0';
    if (bio &&
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) > 0) {
        int length = BIO_read(bio, subject, TLS_SUBJECT_BYTES - 1);
        subject[length > 0 ? length : 0] = '\0';
    }
    BIO_free(bio);
}
