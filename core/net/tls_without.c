/* tls and tls_session in a build without OpenSSL: the command line refuses -Z, so there is never a
 * session. */
#include "core/net/md5.h"
#include <assert.h>

#include "core/net/tls_session.h"

bool tls_is_built(void) {
    return false;
}

struct tls_shared *tls_shared_create(const struct tls_config *config, const struct clock *clock,
                                     uint64_t start_boot_ns, uint32_t count,
                                     char problem[TLS_PROBLEM_BYTES]) {
    (void)config, (void)clock, (void)start_boot_ns, (void)count, (void)problem;
    assert(!"there is no TLS");
    return NULL;
}

void tls_shared_destroy(struct tls_shared *shared) {
    assert(!shared);
}

struct tls *tls_of_reactor(struct tls_shared *shared, uint32_t reactor) {
    (void)reactor;
    assert(!shared);
    return NULL;
}

const struct tls_facts *tls_shared_facts(const struct tls_shared *shared) {
    assert(!shared);
    return NULL;
}

const char *tls_answer_reload(struct tls *tls) {
    assert(!tls);
    return "Error TLS not enabled";
}

bool tls_expires_soon(struct tls *tls, char problem[TLS_PROBLEM_BYTES]) {
    (void)tls, (void)problem;
    assert(!"there is no TLS");
    return false;
}

bool tls_reload(struct tls *tls, char problem[TLS_PROBLEM_BYTES]) {
    (void)tls, (void)problem;
    assert(!"there is no TLS");
    return false;
}

struct tls_session *tls_session_create(struct tls *tls, enum transport transport,
                                       struct connection *connection, struct buffer_pool *buffers) {
    (void)tls, (void)transport, (void)connection, (void)buffers;
    return NULL;
}

/* There is no session that these could be called with. */

void tls_session_destroy(struct tls_session *session) {
    assert(!session);
}

#define WITHOUT_SESSION(session)                                                                   \
    (void)(session);                                                                               \
    assert(!"there is no TLS")

void tls_session_offer(struct tls_session *session, const char *bytes, size_t length) {
    (void)bytes, (void)length;
    WITHOUT_SESSION(session);
}

bool tls_session_keep(struct tls_session *session) {
    WITHOUT_SESSION(session);
    return false;
}

void tls_session_offer_kept(struct tls_session *session) {
    WITHOUT_SESSION(session);
}

enum tls_progress tls_session_handshake(struct tls_session *session) {
    WITHOUT_SESSION(session);
    return TLS_FAILED;
}

bool tls_session_is_resumed(const struct tls_session *session) {
    WITHOUT_SESSION(session);
    return false;
}

size_t tls_session_read(struct tls_session *session, char *where, size_t length) {
    (void)where, (void)length;
    WITHOUT_SESSION(session);
    return 0;
}

size_t tls_session_read_bound(const struct tls_session *session) {
    WITHOUT_SESSION(session);
    return 0;
}

bool tls_session_write(struct tls_session *session, const char *bytes, size_t length) {
    (void)bytes, (void)length;
    WITHOUT_SESSION(session);
    return false;
}

bool tls_session_write_through(struct tls_session *session, struct io *io, int socket,
                               const struct iovec *parts, size_t bytes, size_t *sent) {
    (void)io, (void)socket, (void)parts, (void)bytes, (void)sent;
    WITHOUT_SESSION(session);
    return false;
}

void tls_session_close(struct tls_session *session) {
    WITHOUT_SESSION(session);
}

bool tls_session_take_sealed(struct tls_session *session) {
    WITHOUT_SESSION(session);
    return false;
}

size_t tls_session_sent(struct tls_session *session, size_t length) {
    (void)length;
    WITHOUT_SESSION(session);
    return 0;
}

const char *tls_session_version(const struct tls_session *session) {
    WITHOUT_SESSION(session);
    return "";
}

const char *tls_session_cipher(const struct tls_session *session) {
    WITHOUT_SESSION(session);
    return "";
}

void tls_session_subject(const struct tls_session *session, char subject[TLS_SUBJECT_BYTES]) {
    *subject = '\0';
    WITHOUT_SESSION(session);
}

bool md5_digest(const void *bytes, size_t length, uint8_t digest[MD5_BYTES]) {
    (void)bytes, (void)length, (void)digest;
    return false;
}
