/* listener: the listening sockets, and those that take datagrams. */
#ifndef CORE_NET_LISTENER_H
#define CORE_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/config.h"
#include "core/io/io.h"
#include "core/io/timer.h"

/* Sockets of one struct listeners, of which there is one for TCP and the unix socket, and one for
 * UDP; bytes of a name, and of the text of listeners_write_ports(). */
#define LISTENERS_MAX 64
#define LISTENER_NAME_BYTES 128
#define LISTENERS_PORTS_BYTES ((size_t)LISTENERS_MAX * 32)

struct listener {
    int descriptor;
    int family;                     /* AF_INET, AF_INET6 or AF_UNIX */
    bool activated;                 /* systemd's, which goes on listening; see activation.h */
    uint16_t port;                  /* 0 for a unix socket */
    enum transport transport;       /* of the connections that it accepts */
    char name[LISTENER_NAME_BYTES]; /* address:port, [address]:port for IPv6, unix:path */

    struct completion event; /* TCP: of its accept; UDP: there is something to read */
    struct timer retry;      /* of an accept that has failed */
};

struct listeners {
    bool udp;           /* they take datagrams */
    const char *option; /* that their ports come from, for messages */
    uint32_t count;
    struct listener all[LISTENERS_MAX];
    /* The file of the unix socket, removed at the end if it is still the same file: another server
     * may have put its own there since. NULL: there is none. */
    const char *socket_path;
    dev_t socket_device;
    ino_t socket_inode;
};

/* Opens a socket for every TCP address of the configuration, of which there may be none. False when
 * one can't be opened; one line on stderr has said why. Where a name has several addresses, or none
 * was asked for, those that this machine lacks are left out, and an IPv6 one beside an IPv4 one
 * that is taken; the latter earns a warning, as do a missing 127.0.0.1 and nothing to listen on at
 * all. */
bool listeners_open(struct listeners *listeners, const struct config *config);

/* The same for UDP. */
bool listeners_open_udp(struct listeners *listeners, const struct config *config);

/* A socket for every address of --metrics, which are listened on for HTTP. */
bool listeners_open_metrics(struct listeners *listeners, const struct config *config);

/* Whether only this machine reaches it, by its address. */
bool listener_is_loopback(const struct listener *listener);

/* Adds the unix socket of the configuration, if any, in place of one that nobody listens on any
 * more. The file belongs to the user that this process runs as: root must have been dropped, since
 * clients are let in by its owner and group, and the server removes it. False as above. */
bool listeners_open_unix(struct listeners *listeners, const struct config *config);

/* Fills in what the socket of a listener is bound to: family, port and name. */
void listener_name(struct listener *listener);

/* Sets the options of a listening TCP socket, those that can be set. Returns 0, or -errno of the
 * first that can't. */
int listener_set_options(int descriptor);

/* The port of the first one that has any, 0 where there is none. */
uint16_t listeners_port(const struct listeners *listeners);

/* Writes a line for each but the unix socket, in memcached's words: "TCP INET: 11211".
 * NUL-terminated; empty where there is none. */
void listeners_write_ports(const struct listeners *listeners, char text[LISTENERS_PORTS_BYTES]);

/* Refuses new connections from now on, frees the ports and removes the unix socket's file, unless
 * that has become another one; a socket of systemd's goes on listening. */
void listeners_close(struct listeners *listeners);

#endif
