#include "core/net/tls_set.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/tls_certificates.h"
#include "core/net/tls_session.h"

/* Certificates between a client's and the CA's. */
#define CHAIN_LENGTH_MAX 8

/* Of key exchange: those on curves. A client may choose, and with numbers modulo a prime, which are
 * OpenSSL's default too, a handshake would take a hundred times as long. */
#define GROUPS "X25519:P-256:P-384:P-521"

/* Sessions that a context remembers, for clients without tickets. */
#define SESSION_CACHE_MAX 1024

static const char *tls_set_reason(void) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "OpenSSL has no memory for it";
}

static bool tls_set_fail(char problem[TLS_PROBLEM_BYTES], const char *what, const char *detail) {
    snprintf(problem, TLS_PROBLEM_BYTES, "%s: %s : %s", what, detail, tls_set_reason());
    ERR_clear_error();
    return false;
}

static int tls_set_verify_flags(enum tls_verify mode) {
    switch (mode) {
    case TLS_VERIFY_NONE:
        return SSL_VERIFY_NONE;
    case TLS_VERIFY_IF_GIVEN:
        return SSL_VERIFY_PEER;
    case TLS_VERIFY_REQUIRED:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    case TLS_VERIFY_REQUIRED_ONCE:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE;
    }
    return SSL_VERIFY_NONE;
}

static int tls_set_version_of(enum tls_version version) {
    switch (version) {
    case TLS_VERSION_1_0:
        return TLS1_VERSION;
    case TLS_VERSION_1_1:
        return TLS1_1_VERSION;
    case TLS_VERSION_1_2:
        return TLS1_2_VERSION;
    case TLS_VERSION_1_3:
        return TLS1_3_VERSION;
    }
    return TLS1_2_VERSION;
}

static enum tls_verify tls_set_mode_of(const struct tls_config *config, enum transport transport) {
    switch (transport) {
    case TRANSPORT_PLAIN:
    case TRANSPORT_TLS_SERVER:
        return TLS_VERIFY_NONE;
    case TRANSPORT_TLS:
        return (enum tls_verify)config->verify_mode;
    case TRANSPORT_TLS_MUTUAL:
        return TLS_VERIFY_REQUIRED;
    }
    return TLS_VERIFY_REQUIRED;
}

/* The hash of all that a full handshake asks of a client. */
static bool tls_set_hash_policy(const struct tls_files *files, int flags,
                                uint8_t policy[TLS_POLICY_BYTES]) {
    static const char name[] = "simplecache TLS policy 1";
    const struct tls_file *parts[] = {&files->ca, &files->crl};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned length;
    bool hashed = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                  EVP_DigestUpdate(hash, name, sizeof(name)) == 1 &&
                  EVP_DigestUpdate(hash, &flags, sizeof(flags)) == 1;
    for (int i = 0; hashed && flags != SSL_VERIFY_NONE && i < 2; i++) {
        hashed = EVP_DigestUpdate(hash, &parts[i]->length, sizeof(parts[i]->length)) == 1 &&
                 EVP_DigestUpdate(hash, parts[i]->bytes, parts[i]->length) == 1;
    }
    hashed = hashed && EVP_DigestFinal_ex(hash, policy, &length) == 1;
    EVP_MD_CTX_free(hash);
    return hashed;
}

static bool tls_set_load(struct ssl_ctx_st *context, const struct tls_config *config,
                         const struct tls_files *files, struct tls_set *set,
                         char problem[TLS_PROBLEM_BYTES]) {
    return (tls_certificates_use_chain(context, &files->chain, &set->expires_s, set->expiring) ||
            tls_set_fail(problem, "Error loading the certificate chain", files->chain.path)) &&
           (tls_certificates_use_key(context, &files->key, config->key_format) ||
            tls_set_fail(problem, "Error loading the key", files->key.path)) &&
           (!files->ca.path ||
            tls_certificates_use_ca(context, &files->ca, &set->expires_s, set->expiring) ||
            tls_set_fail(problem, "Error loading the CA certificates", files->ca.path)) &&
           (!files->crl.path ||
            tls_certificates_use_crl(context, &files->crl, &set->expires_s, set->expiring) ||
            tls_set_fail(problem, "Error loading the revoked certificates", files->crl.path));
}

/* Called for each session that its client may go on from: of TLS 1.3 for each ticket. */
static int tls_set_note_session(SSL *ssl, SSL_SESSION *made) {
    struct tls_session *session = SSL_get_app_data(ssl);
    (void)made;
    session->sessions_made++;
    return 0; /* it is not kept */
}

/* What can't go wrong but for want of memory, and the ciphers. */
static bool tls_set_adjust(struct ssl_ctx_st *context, const struct tls_config *config,
                           char problem[TLS_PROBLEM_BYTES]) {
    bool cache = config->session_cache;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify_depth(context, CHAIN_LENGTH_MAX);
    SSL_CTX_set_session_cache_mode(context, cache ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set1_groups_list(context, GROUPS) != 1) {
        return tls_set_fail(problem, "Error setting the groups", GROUPS);
    }
    SSL_CTX_sess_set_cache_size(context, SESSION_CACHE_MAX);
    SSL_CTX_sess_set_new_cb(context, cache ? tls_set_note_session : NULL);
    int version = tls_set_version_of((enum tls_version)config->min_version);
    if (SSL_CTX_set_min_proto_version(context, version) != 1) {
        return tls_set_fail(problem, "Error setting the least version", "-o ssl_min_version");
    }
    return !config->ciphers || SSL_CTX_set_cipher_list(context, config->ciphers) == 1 ||
           tls_set_fail(problem, "Error setting the provided cipher(s)", config->ciphers);
}

/* Both locks: the keys of tickets, and the id of sessions, follow from the policy. */
static bool tls_set_lock(struct tls_policy *policy, const struct tls_files *files, int flags,
                         const struct tls_secret *secret, const struct clock *clock,
                         char problem[TLS_PROBLEM_BYTES]) {
    uint8_t id[TLS_POLICY_BYTES];
    SSL_CTX_set_verify(policy->context, flags, NULL);
    policy->needs_certificate = flags & SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    return (tls_set_hash_policy(files, flags, id) &&
            SSL_CTX_set_session_id_context(policy->context, id, sizeof(id)) == 1 &&
            tls_tickets_init(&policy->tickets, secret, clock, id) &&
            tls_tickets_use(&policy->tickets, policy->context)) ||
           tls_set_fail(problem, "Error setting up sessions", "tickets");
}

struct tls_set *tls_set_create(const struct tls_config *config, const struct tls_files *files,
                               const struct tls_secret *secret, const struct clock *clock,
                               char problem[TLS_PROBLEM_BYTES]) {
    struct tls_set *set = calloc(1, sizeof(*set));
    bool made = set;
    if (!set) {
        snprintf(problem, TLS_PROBLEM_BYTES, "Error loading the certificates: no memory");
        return NULL;
    }
    set->expires_s = INT64_MAX;
    for (int i = TRANSPORT_TLS; made && i < TRANSPORTS; i++) {
        struct tls_policy *policy = &set->policies[i];
        int flags = tls_set_verify_flags(tls_set_mode_of(config, (enum transport)i));
        policy->context = SSL_CTX_new(TLS_server_method());
        made = (policy->context || tls_set_fail(problem, "Error setting up TLS", "OpenSSL")) &&
               tls_set_adjust(policy->context, config, problem) &&
               tls_set_load(policy->context, config, files, set, problem) &&
               tls_set_lock(policy, files, flags, secret, clock, problem);
    }
    if (!made) {
        tls_set_destroy(set);
        return NULL;
    }
    return set;
}

void tls_set_destroy(struct tls_set *set) {
    if (!set) {
        return;
    }
    for (int i = TRANSPORT_TLS; i < TRANSPORTS; i++) {
        SSL_CTX_free(set->policies[i].context);
        tls_tickets_finish(&set->policies[i].tickets);
    }
    free(set);
}
