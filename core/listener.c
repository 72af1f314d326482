#include "core/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"

static void name_listener(struct listener *listener, const struct addrinfo *address) {
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    const char *format = address->ai_family == AF_INET6 ? "[%.45s]:%.5s" : "%.45s:%.5s";
    snprintf(listener->name, sizeof listener->name, format, host, port);
}

/* Accepted sockets inherit these from the listening one, which saves setting them one by one. */
static int set_options(int descriptor, const struct addrinfo *address) {
    int one = 1;
    if (address->ai_family == AF_INET6 &&
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0)
        return -errno;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) != 0 ||
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        return -errno;
    return 0;
}

/* A listening socket for one address, or -errno. */
static int open_socket(const struct addrinfo *address) {
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    int error = set_options(descriptor, address);
    if (!error && bind(descriptor, address->ai_addr, address->ai_addrlen) != 0)
        error = -errno;
    if (!error && listen(descriptor, LISTENER_BACKLOG) != 0)
        error = -errno;
    if (!error)
        return descriptor;
    close(descriptor);
    return error;
}

static void tell_failure(const char *name, int error) {
    const char *advice = "";
    if (error == -EADDRINUSE)
        advice = "; another program listens there: end it or choose another -p";
    else if (error == -EADDRNOTAVAIL)
        advice = "; this machine has no such address: give one of its own with -l";
    else if (error == -EACCES)
        advice = "; ports below 1024 are root's: choose another -p";
    log_line("can't listen on %s: %s%s", name, strerror(-error), advice);
}

static bool is_open(const struct listeners *listeners, const char *name) {
    for (uint32_t i = 0; i < listeners->count; i++)
        if (strcmp(listeners->all[i].name, name) == 0)
            return true;
    return false;
}

/* Adds a listener for one address, unless it is there already. Returns 0 or -errno. */
static int open_address(struct listeners *listeners, const struct addrinfo *address) {
    if (listeners->count == LISTENERS_MAX)
        return -EMFILE;
    struct listener *listener = &listeners->all[listeners->count];
    name_listener(listener, address);
    if (is_open(listeners, listener->name))
        return 0;
    int descriptor = open_socket(address);
    if (descriptor < 0)
        return descriptor;
    listener->descriptor = descriptor;
    listeners->count++;
    return 0;
}

/* A name may stand for several addresses. Those that this machine lacks are passed over, as long as
 * there is another. */
static bool open_addresses(struct listeners *listeners, const struct addrinfo *addresses) {
    bool any = false;
    int error = 0;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        error = open_address(listeners, address);
        any |= error == 0;
        bool lacking = error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
        if (error && (!lacking || (!any && !address->ai_next))) {
            tell_failure(listeners->all[listeners->count].name, error);
            return false;
        }
    }
    return true;
}

static bool open_name(struct listeners *listeners, const char *name, int32_t port) {
    char service[16];
    snprintf(service, sizeof service, "%d", port > 0 ? port : 0);
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *addresses;
    int error = getaddrinfo(strcmp(name, "*") == 0 ? NULL : name, service, &hints, &addresses);
    if (error) {
        log_line("-l %s is no address: %s", name, gai_strerror(error));
        return false;
    }
    bool opened = open_addresses(listeners, addresses);
    freeaddrinfo(addresses);
    return opened;
}

/* The loopback addresses; a machine without IPv6 does without ::1. */
static bool open_loopback(struct listeners *listeners, int32_t port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(port > 0 ? port : 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)(port > 0 ? port : 0)),
                              .sin6_addr = in6addr_loopback};
    struct addrinfo second = {
        .ai_family = AF_INET6, .ai_addr = (struct sockaddr *)&v6, .ai_addrlen = sizeof v6};
    struct addrinfo first = {.ai_family = AF_INET,
                             .ai_addr = (struct sockaddr *)&v4,
                             .ai_addrlen = sizeof v4,
                             .ai_next = &second};
    return open_addresses(listeners, &first);
}

static bool open_all(struct listeners *listeners, const struct config *config) {
    if (config->port == 0)
        return true;
    if (config->address_count == 0)
        return open_loopback(listeners, config->port);
    for (uint32_t i = 0; i < config->address_count; i++)
        if (!open_name(listeners, config->addresses[i].host, config->addresses[i].port))
            return false;
    return true;
}

bool listeners_open(struct listeners *listeners, const struct config *config) {
    listeners->count = 0;
    if (open_all(listeners, config))
        return true;
    listeners_close(listeners);
    return false;
}

void listeners_close(struct listeners *listeners) {
    for (uint32_t i = 0; i < listeners->count; i++) {
        /* The shut-down ends an accept that waits in the kernel, which closing alone would not. */
        shutdown(listeners->all[i].descriptor, SHUT_RDWR);
        close(listeners->all[i].descriptor);
    }
    listeners->count = 0;
}
