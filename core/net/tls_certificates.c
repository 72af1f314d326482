#include "core/net/tls_certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <time.h>

static BIO *tls_certificates_open(const struct tls_file *file) {
    return BIO_new_mem_buf(file->bytes, (int)file->length);
}

/* Nobody can be asked for the password of an encrypted file. */
static int tls_certificates_no_password(char *buffer, int size, int encrypts, void *context) {
    (void)buffer, (void)size, (void)encrypts, (void)context;
    return -1;
}

static void tls_certificates_note(const struct tls_file *file, const char *what,
                                  const ASN1_TIME *end, int64_t *expires_s,
                                  char expiring[TLS_PROBLEM_BYTES / 2]) {
    struct tm parts;
    if (!end || ASN1_TIME_to_tm(end, &parts) != 1) {
        return;
    }
    int64_t at = timegm(&parts);
    if (at < *expires_s) {
        *expires_s = at;
        snprintf(expiring, TLS_PROBLEM_BYTES / 2, "%s in %.200s", what, file->path);
    }
}

/* The end of a file of PEM is an error of its own kind. */
static bool tls_certificates_is_end(void) {
    unsigned long error = ERR_peek_last_error();
    bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (end) {
        ERR_clear_error();
    }
    return end;
}

static bool tls_certificates_use_chain_of(SSL_CTX *context, const struct tls_file *file, BIO *bio,
                                          int64_t *expires_s,
                                          char expiring[TLS_PROBLEM_BYTES / 2]) {
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, tls_certificates_no_password, NULL);
    bool used = certificate && SSL_CTX_use_certificate(context, certificate) == 1;
    if (used) {
        tls_certificates_note(file, "the certificate", X509_get0_notAfter(certificate), expires_s,
                              expiring);
    }
    X509_free(certificate);
    while (used &&
           (certificate = PEM_read_bio_X509(bio, NULL, tls_certificates_no_password, NULL))) {
        tls_certificates_note(file, "a certificate", X509_get0_notAfter(certificate), expires_s,
                              expiring);
        used = SSL_CTX_add0_chain_cert(context, certificate) == 1;
        if (!used) {
            X509_free(certificate);
        }
    }
    return used && tls_certificates_is_end();
}

bool tls_certificates_use_chain(SSL_CTX *context, const struct tls_file *file, int64_t *expires_s,
                                char expiring[TLS_PROBLEM_BYTES / 2]) {
    BIO *bio = tls_certificates_open(file);
    bool used = bio && tls_certificates_use_chain_of(context, file, bio, expires_s, expiring);
    BIO_free(bio);
    return used;
}

bool tls_certificates_use_key(SSL_CTX *context, const struct tls_file *file, uint32_t format) {
    BIO *bio = tls_certificates_open(file);
    EVP_PKEY *key = NULL;
    if (bio && format == TLS_KEY_DER) {
        key = d2i_PrivateKey_bio(bio, NULL);
    } else if (bio) {
        key = PEM_read_bio_PrivateKey(bio, NULL, tls_certificates_no_password, NULL);
    }
    bool used =
        key && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return used;
}

/* Calls `use` for each certificate and each list of a file; false when it has none of them. */
static bool tls_certificates_use_each(SSL_CTX *context, const struct tls_file *file,
                                      int (*use)(SSL_CTX *context, const X509_INFO *info)) {
    BIO *bio = tls_certificates_open(file);
    STACK_OF(X509_INFO) *all =
        bio ? PEM_X509_INFO_read_bio(bio, NULL, tls_certificates_no_password, NULL) : NULL;
    int used = 0;
    bool right = all;
    for (int i = 0; right && i < sk_X509_INFO_num(all); i++) {
        int one = use(context, sk_X509_INFO_value(all, i));
        right = one >= 0;
        used += one;
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    BIO_free(bio);
    if (right && used == 0) {
        ERR_raise(ERR_LIB_PEM, PEM_R_NO_START_LINE);
    }
    return right && used > 0;
}

static int tls_certificates_add_ca(SSL_CTX *context, const X509_INFO *info) {
    if (!info->x509) {
        return 0;
    }
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), info->x509) == 1 &&
                   SSL_CTX_add_client_CA(context, info->x509) == 1
               ? 1
               : -1;
}

static int tls_certificates_add_crl(SSL_CTX *context, const X509_INFO *info) {
    if (!info->crl) {
        return 0;
    }
    return X509_STORE_add_crl(SSL_CTX_get_cert_store(context), info->crl) == 1 ? 1 : -1;
}

/* The ends of what is in the store. */
static void tls_certificates_note_store(SSL_CTX *context, const struct tls_file *file, bool lists,
                                        int64_t *expires_s, char expiring[TLS_PROBLEM_BYTES / 2]) {
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        const X509_OBJECT *object = sk_X509_OBJECT_value(all, i);
        const X509 *certificate = X509_OBJECT_get0_X509(object);
        const X509_CRL *list = X509_OBJECT_get0_X509_CRL((X509_OBJECT *)object);
        if (!lists && certificate) {
            tls_certificates_note(file, "a CA certificate", X509_get0_notAfter(certificate),
                                  expires_s, expiring);
        } else if (lists && list) {
            tls_certificates_note(file, "a list of revoked certificates",
                                  X509_CRL_get0_nextUpdate(list), expires_s, expiring);
        }
    }
}

bool tls_certificates_use_ca(SSL_CTX *context, const struct tls_file *file, int64_t *expires_s,
                             char expiring[TLS_PROBLEM_BYTES / 2]) {
    bool used = tls_certificates_use_each(context, file, tls_certificates_add_ca);
    tls_certificates_note_store(context, file, false, expires_s, expiring);
    return used;
}

bool tls_certificates_use_crl(SSL_CTX *context, const struct tls_file *file, int64_t *expires_s,
                              char expiring[TLS_PROBLEM_BYTES / 2]) {
    bool used = tls_certificates_use_each(context, file, tls_certificates_add_crl);
    tls_certificates_note_store(context, file, true, expires_s, expiring);
    return used && X509_STORE_set_flags(SSL_CTX_get_cert_store(context),
                                        X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
}
