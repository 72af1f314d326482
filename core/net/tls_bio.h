/* tls_bio: where OpenSSL gets a session's encrypted bytes from, and where it puts them: those that
 * the session was offered, and its buffer `sealing`.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_TLS_BIO_H
#define CORE_NET_TLS_BIO_H

struct bio_method_st;

/* NULL without memory. A BIO of it has a struct tls_session as its data. */
struct bio_method_st *tls_bio_create_method(void);

#endif
