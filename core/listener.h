/* listener: the listening sockets. */
#ifndef CORE_LISTENER_H
#define CORE_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"

#define LISTENERS_MAX 64
#define LISTENER_NAME_BYTES 64
#define LISTENER_BACKLOG 1024

struct listener {
    _Alignas(8) /* its address goes with what a completion is about, see reactor_mark() */
        int descriptor;
    char name[LISTENER_NAME_BYTES]; /* address:port, [address]:port for IPv6 */
};

struct listeners {
    uint32_t count;
    struct listener all[LISTENERS_MAX];
};

/* Opens a socket for every address of the configuration. False when one can't be had; one line on
 * stderr has said why. A missing ::1 is no error where no address was asked for. */
bool listeners_open(struct listeners *listeners, const struct config *config);

/* Refuses new connections from now on, and frees the ports. */
void listeners_close(struct listeners *listeners);

#endif
