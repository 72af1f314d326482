#include "core/net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>

/* The period whose secret is a file's hash: the first of 2025. */
#define PERIOD_FIRST ((int64_t)1735689600 / TLS_TICKET_PERIOD_S)

enum { KEY_PREVIOUS, KEY_CURRENT, KEY_NEXT };

static int64_t tls_tickets_period(const struct clock *clock) {
    return clock_unix(clock, 0) / TLS_TICKET_PERIOD_S;
}

static bool tls_secret_hash(const void *bytes, size_t length, uint8_t hash[TLS_SECRET_BYTES]) {
    unsigned hash_length;
    return EVP_Digest(bytes, length, hash, &hash_length, EVP_sha256(), NULL) == 1;
}

bool tls_secret_make(struct tls_secret *secret, const struct clock *clock) {
    secret->period = tls_tickets_period(clock);
    return RAND_priv_bytes(secret->previous, TLS_SECRET_BYTES) == 1 &&
           tls_secret_hash(secret->previous, TLS_SECRET_BYTES, secret->current);
}

bool tls_secret_advance(struct tls_secret *secret, const struct clock *clock) {
    for (int64_t now = tls_tickets_period(clock); secret->period < now; secret->period++) {
        memcpy(secret->previous, secret->current, TLS_SECRET_BYTES);
        if (!tls_secret_hash(secret->previous, TLS_SECRET_BYTES, secret->current)) {
            return false;
        }
    }
    return true;
}

bool tls_secret_read(struct tls_secret *secret, const struct clock *clock, const char *bytes,
                     size_t length) {
    secret->period = PERIOD_FIRST;
    return tls_secret_hash(bytes, length, secret->previous) &&
           tls_secret_hash(secret->previous, TLS_SECRET_BYTES, secret->current) &&
           tls_secret_advance(secret, clock);
}

/* One 32-byte value of a secret, a policy and a purpose. */
static bool tls_tickets_derive(const uint8_t secret[TLS_SECRET_BYTES],
                               const uint8_t policy[TLS_POLICY_BYTES], uint8_t purpose,
                               uint8_t value[TLS_SECRET_BYTES]) {
    uint8_t input[TLS_POLICY_BYTES + 1];
    memcpy(input, policy, TLS_POLICY_BYTES);
    input[TLS_POLICY_BYTES] = purpose;
    return HMAC(EVP_sha256(), secret, TLS_SECRET_BYTES, input, sizeof(input), value, NULL);
}

static bool tls_tickets_make_key(const struct tls_tickets *tickets,
                                 const uint8_t secret[TLS_SECRET_BYTES],
                                 struct tls_ticket_key *key) {
    uint8_t name[TLS_SECRET_BYTES];
    bool made = tls_tickets_derive(secret, tickets->policy, 'n', name) &&
                tls_tickets_derive(secret, tickets->policy, 'c', key->cipher_key) &&
                tls_tickets_derive(secret, tickets->policy, 'm', key->mac_key);
    memcpy(key->name, name, TLS_TICKET_NAME_BYTES);
    return made;
}

static bool tls_tickets_make_keys(struct tls_tickets *tickets) {
    uint8_t next[TLS_SECRET_BYTES];
    bool made =
        tls_secret_hash(tickets->secret.current, TLS_SECRET_BYTES, next) &&
        tls_tickets_make_key(tickets, tickets->secret.previous, &tickets->keys[KEY_PREVIOUS]) &&
        tls_tickets_make_key(tickets, tickets->secret.current, &tickets->keys[KEY_CURRENT]) &&
        tls_tickets_make_key(tickets, next, &tickets->keys[KEY_NEXT]);
    OPENSSL_cleanse(next, sizeof(next));
    return made;
}

bool tls_tickets_init(struct tls_tickets *tickets, const struct tls_secret *secret,
                      const struct clock *clock, const uint8_t policy[TLS_POLICY_BYTES]) {
    tickets->clock = clock;
    tickets->secret = *secret;
    memcpy(tickets->policy, policy, TLS_POLICY_BYTES);
    return tls_tickets_make_keys(tickets);
}

void tls_tickets_finish(struct tls_tickets *tickets) {
    OPENSSL_cleanse(tickets, sizeof(*tickets));
}

static bool tls_tickets_rotate(struct tls_tickets *tickets) {
    if (tickets->secret.period >= tls_tickets_period(tickets->clock)) {
        return true;
    }
    return tls_secret_advance(&tickets->secret, tickets->clock) && tls_tickets_make_keys(tickets);
}

/* Sets both contexts; encrypts with a new iv, or decrypts with the ticket's. */
static bool tls_tickets_set(const struct tls_ticket_key *key, unsigned char *iv,
                            EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key,
                                          sizeof(key->mac_key)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher_key, iv, encrypts) == 1 &&
           EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static const struct tls_ticket_key *tls_tickets_find(const struct tls_tickets *tickets,
                                                     const unsigned char *name) {
    for (int i = KEY_PREVIOUS; i <= KEY_NEXT; i++) {
        if (memcmp(tickets->keys[i].name, name, TLS_TICKET_NAME_BYTES) == 0) {
            return &tickets->keys[i];
        }
    }
    return NULL;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb() wants it. A ticket of an unknown name leads to a full
 * handshake (0); a negative answer would end the connection. Of TLS 1.3 each ticket that is taken
 * is renewed (2), since a client uses each once. */
static int tls_tickets_choose(SSL *ssl, unsigned char *name, unsigned char *iv,
                              EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts) {
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct tls_ticket_key *current = &tickets->keys[KEY_CURRENT];
    if (!tls_tickets_rotate(tickets)) {
        return 0;
    }
    if (encrypts) {
        memcpy(name, current->name, TLS_TICKET_NAME_BYTES);
        return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
               tls_tickets_set(current, iv, cipher, mac, 1);
    }
    const struct tls_ticket_key *key = tls_tickets_find(tickets, name);
    if (!key || !tls_tickets_set(key, iv, cipher, mac, 0)) {
        return 0;
    }
    return SSL_version(ssl) >= TLS1_3_VERSION || key != current ? 2 : 1;
}

bool tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *context) {
    SSL_CTX_set_app_data(context, tickets);
    SSL_CTX_set_timeout(context, TLS_TICKET_LIFE_S);
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, tls_tickets_choose) == 1;
}
