#include "core/net/tls_bio.h"

#include <openssl/bio.h>
#include <string.h>

#include "core/net/tls_session.h"

/* Goes into the head or body that OpenSSL asks for; false when no record may be begun. */
static bool tls_bio_begin(struct tls_session *session, int length) {
    if (session->place_left > 0) {
        return true;
    }
    if (session->place == TLS_BETWEEN_RECORDS && session->records_left == 0) {
        return false;
    }
    session->records_left -= session->place == TLS_BETWEEN_RECORDS;
    session->place = session->place == TLS_BETWEEN_RECORDS ? TLS_IN_HEAD : TLS_IN_BODY;
    session->place_left = (uint32_t)length;
    return true;
}

static int tls_bio_read(BIO *bio, char *out, int length) {
    struct tls_session *session = BIO_get_data(bio);
    size_t left = session->offered_length - session->offered_taken;
    BIO_clear_retry_flags(bio);
    if (left == 0 || length <= 0 || !tls_bio_begin(session, length)) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t taken = left < (size_t)length ? left : (size_t)length;
    if (taken > session->place_left) {
        taken = session->place_left;
    }
    memcpy(out, session->offered + session->offered_taken, taken);
    session->offered_taken += taken;
    session->place_left -= (uint32_t)taken;
    if (session->place_left == 0 && session->place == TLS_IN_BODY) {
        session->place = TLS_BETWEEN_RECORDS;
    }
    return (int)taken;
}

/* False: there is no place for them. */
static bool tls_bio_put(struct tls_session *session, const char *bytes, size_t length) {
    struct tls *tls = session->tls;
    if (!session->gathers) {
        return buffer_append(session->buffers, &session->sealing, bytes, length);
    }
    if (length > TLS_GATHERED_BYTES_MAX - tls->gathered_length) {
        return false;
    }
    memcpy(tls->gathered + tls->gathered_length, bytes, length);
    tls->gathered_length += length;
    return true;
}

static int tls_bio_write(BIO *bio, const char *bytes, int length) {
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!tls_bio_put(session, bytes, (size_t)length)) {
        session->no_memory = true;
        return -1;
    }
    return length;
}

/* A wrong answer to an unknown command would claim what there isn't, such as TLS in the kernel. */
static long tls_bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int tls_bio_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

struct bio_method_st *tls_bio_create_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "simplecache");
    if (method && BIO_meth_set_read(method, tls_bio_read) == 1 &&
        BIO_meth_set_write(method, tls_bio_write) == 1 &&
        BIO_meth_set_ctrl(method, tls_bio_control) == 1 &&
        BIO_meth_set_create(method, tls_bio_create) == 1) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}
