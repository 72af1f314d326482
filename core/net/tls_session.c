#include "core/net/tls_session.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

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

/* Gives the memory of what is sealed back. */
static void tls_session_release(struct tls_session *session, struct buffer *buffer) {
    if (session->is_large) {
        tls_give_large_buffer(session->tls, buffer->bytes);
        *buffer = (struct buffer){0};
    }
    buffer_release(session->buffers, buffer);
    session->is_large = false;
}

void tls_session_destroy(struct tls_session *session) {
    if (!session) {
        return;
    }
    SSL_free(session->ssl);
    tls_leave_set(session->tls, session->set);
    if (session->is_large && session->sealed.capacity == 0) {
        tls_session_release(session, &session->sealing); /* a write that failed */
    }
    tls_session_release(session, &session->sealed);
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
        session->sealing_plain += length;
        return true;
    }
    tls_session_refuse(session, tls_session_reason(session));
    return false;
}

/* Makes a record of what is in tls->staging. */
static bool tls_session_seal_staged(struct tls_session *session, size_t *staged) {
    size_t length = *staged;
    *staged = 0;
    return length == 0 || tls_session_seal(session, session->tls->staging, length);
}

/* What is short is put together with what comes before and behind it, so that records are full. */
static bool tls_session_write_part(struct tls_session *session, const char *bytes, size_t length,
                                   size_t *staged) {
    while (length > 0) {
        size_t taken = length - length % TLS_RECORD_BYTES;
        if (*staged > 0 || taken == 0) {
            size_t space = TLS_RECORD_BYTES - *staged;
            taken = length < space ? length : space;
            memcpy(session->tls->staging + *staged, bytes, taken);
            *staged += taken;
            if (*staged == TLS_RECORD_BYTES && !tls_session_seal_staged(session, staged)) {
                return false;
            }
        } else if (!tls_session_seal(session, bytes, taken)) {
            return false;
        }
        bytes += taken;
        length -= taken;
    }
    return true;
}

/* Memory of the reactor's large buffers in place of the pool's; all of it is filled by one write,
 * so that it never grows. */
static bool tls_session_reserve_large(struct tls_session *session) {
    session->sealing.bytes = tls_take_large_buffer(session->tls);
    session->sealing.capacity = session->sealing.bytes ? TLS_LARGE_BUFFER_BYTES : 0;
    session->is_large = session->sealing.bytes;
    return session->sealing.bytes;
}

static bool tls_session_reserve(struct tls_session *session, size_t bytes) {
    size_t records = bytes / TLS_RECORD_BYTES + 1;
    size_t wanted = bytes + records * RECORD_OVERHEAD_BYTES;
    bool is_long = wanted > TLS_SEND_BYTES_SHORT + TLS_RECORD_BYTES &&
                   wanted <= TLS_LARGE_BUFFER_BYTES && session->sealing.capacity == 0;
    session->no_memory = (!is_long || !tls_session_reserve_large(session)) &&
                         !buffer_reserve(session->buffers, &session->sealing, wanted);
    if (session->no_memory) {
        tls_session_refuse(session, "there is no memory for it");
    }
    return !session->no_memory;
}

bool tls_session_write(struct tls_session *session, const struct iovec *parts, int count,
                       size_t bytes) {
    size_t staged = 0;
    if (session->state != TLS_OPEN || !tls_session_reserve(session, bytes)) {
        return false;
    }
    if (count == 1) {
        return tls_session_seal(session, parts->iov_base, parts->iov_len);
    }
    for (int i = 0; i < count; i++) {
        if (!tls_session_write_part(session, parts[i].iov_base, parts[i].iov_len, &staged)) {
            return false;
        }
    }
    return tls_session_seal_staged(session, &staged);
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
    tls_session_release(session, &session->sealed);
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
