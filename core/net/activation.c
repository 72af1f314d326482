#include "core/net/activation.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"

static int activation_option(int descriptor, int name) {
    int value = 0;
    socklen_t length = sizeof(value);
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : -errno;
}

static bool activation_is_served(int family) {
    return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

/* What is wrong with a descriptor and what would do; NULL: nothing. */
static const char *activation_objection(int descriptor) {
    if (activation_option(descriptor, SO_TYPE) < 0) {
        return "is no socket: have the .socket unit open sockets alone (ListenStream=)";
    }
    if (activation_option(descriptor, SO_TYPE) != SOCK_STREAM) {
        return "is no stream socket: use ListenStream= in the .socket unit";
    }
    if (!activation_is_served(activation_option(descriptor, SO_DOMAIN))) {
        return "is of an unknown family: let ListenStream= name an IP address or a path";
    }
    if (activation_option(descriptor, SO_ACCEPTCONN) != 1) {
        return "does not listen: use Accept=no in the .socket unit";
    }
    return NULL;
}

static bool activation_open_one(struct listeners *listeners, int descriptor,
                                const struct config *config) {
    const char *problem = activation_objection(descriptor);
    if (problem) {
        log_line("descriptor %d, passed by systemd, %s", descriptor, problem);
        return false;
    }
    struct listener *listener = &listeners->all[listeners->count++];
    *listener = (struct listener){.descriptor = descriptor, .activated = true};
    listener_name(listener);
    bool encrypted = config->tls.enabled && listener->family != AF_UNIX;
    listener->transport = encrypted ? TRANSPORT_TLS : TRANSPORT_PLAIN;
    listener_set_options(descriptor); /* a unix socket has none of them */
    return true;
}

bool activation_open(struct listeners *listeners, int first, int count,
                     const struct config *config) {
    *listeners = (struct listeners){0};
    if (count > LISTENERS_MAX) {
        log_line("systemd has passed %d sockets: let the .socket unit open at most %d", count,
                 LISTENERS_MAX);
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!activation_open_one(listeners, first + i, config)) {
            return false;
        }
    }
    if (config->listeners_given) {
        log_line("-p, -l and -s are left aside: served are the sockets that systemd has passed");
    }
    return true;
}
