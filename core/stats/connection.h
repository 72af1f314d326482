/* connection: the lines of one connection in `stats conns`.
 *
 * Thread: any; the functions work on memory that the caller owns.
 */
#ifndef CORE_STATS_CONNECTION_H
#define CORE_STATS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/request.h"

/* memcached's names for what a connection is doing: conn_listening and so on. */
enum stats_connection_state {
    STATS_CONNECTION_LISTENING,
    STATS_CONNECTION_NEW_COMMAND, /* it has not sent anything yet */
    STATS_CONNECTION_READ,        /* waiting for bytes */
    STATS_CONNECTION_PARSE,       /* its requests run */
    STATS_CONNECTION_VALUE,       /* in the middle of a value */
    STATS_CONNECTION_SWALLOW,     /* in the middle of a refused one */
    STATS_CONNECTION_WRITE,       /* replies wait to be taken by its client */
    STATS_CONNECTION_WATCH,
    STATS_CONNECTION_CLOSING,
};

/* Addresses are as the kernel returns them, of any family; a length of 0: not known. */
struct stats_connection {
    int descriptor;
    bool udp;
    enum stats_connection_state state;
    uint32_t idle_s; /* since its last command */
    const struct sockaddr_storage *peer;
    socklen_t peer_length;
    const struct sockaddr_storage *local; /* a listener has no peer */
    socklen_t local_length;
    /* Of a connection with TLS, as OpenSSL names them; NULL where there are none. */
    const char *tls_version;
    const char *tls_cipher;
    /* Of the client's certificate, at most STATS_SUBJECT_MAX bytes; empty without. */
    const char *tls_subject;
};

#define STATS_ADDRESS_MAX 128 /* a path of a unix socket, or an address with its port */
#define STATS_SUBJECT_MAX 256
#define STATS_CONNECTION_MAX 1536

/* "tcp:127.0.0.1:11211", "udp6:[::1]:11211", "unix:/path"; NUL-terminated. */
void stats_address_write(char out[STATS_ADDRESS_MAX], const struct sockaddr_storage *address,
                         socklen_t length, bool udp);

/* Writes the lines of one connection, at most STATS_CONNECTION_MAX bytes. Returns their length. */
size_t stats_connection_write(char *out, const struct request *request,
                              const struct stats_connection *connection);

#endif
