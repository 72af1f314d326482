/* tls_certificates: certificates, keys and revocation lists from memory into a context.
 *
 * Each function returns false when something is wrong, which OpenSSL's queue of errors tells then.
 * They lower *expires_s to the end of what they have read, and write what that is.
 *
 * Thread: any; it works on what it is given.
 */
#ifndef CORE_NET_TLS_CERTIFICATES_H
#define CORE_NET_TLS_CERTIFICATES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/net/tls_files.h"

struct ssl_ctx_st;

/* PEM: the server's certificate, and those up to the root's. */
bool tls_certificates_use_chain(struct ssl_ctx_st *context, const struct tls_file *file,
                                int64_t *expires_s, char expiring[TLS_PROBLEM_BYTES / 2]);

/* The private key, which must be that of the certificate; format: enum tls_key_format. */
bool tls_certificates_use_key(struct ssl_ctx_st *context, const struct tls_file *file,
                              uint32_t format);

/* PEM: who may sign clients' certificates. */
bool tls_certificates_use_ca(struct ssl_ctx_st *context, const struct tls_file *file,
                             int64_t *expires_s, char expiring[TLS_PROBLEM_BYTES / 2]);

/* PEM: lists of revoked certificates; from then on each signer of a client's chain needs one. */
bool tls_certificates_use_crl(struct ssl_ctx_st *context, const struct tls_file *file,
                              int64_t *expires_s, char expiring[TLS_PROBLEM_BYTES / 2]);

#endif
