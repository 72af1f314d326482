#include "core/net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"

static void name_listener(struct listener *listener, const struct sockaddr *address,
                          socklen_t length) {
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "0";
    getnameinfo(address, length, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    const char *format = address->sa_family == AF_INET6 ? "[%.60s]:%.5s" : "%.60s:%.5s";
    snprintf(listener->name, sizeof(listener->name), format, host, port);
    listener->family = address->sa_family;
    listener->port = (uint16_t)atoi(port);
}

/* The name of an abstract unix socket begins with a zero byte, written as @ here. */
static void name_unix(struct listener *listener, const char *path, size_t length) {
    bool abstract = length > 0 && !*path;
    listener->family = AF_UNIX;
    snprintf(listener->name, sizeof(listener->name), "unix:%s%.*s", abstract ? "@" : "",
             (int)(length - abstract), path + abstract);
}

void listener_name(struct listener *listener) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    if (getsockname(listener->descriptor, (struct sockaddr *)&address, &length) != 0) {
        return;
    }
    if (address.ss_family == AF_UNIX) {
        name_unix(listener, ((struct sockaddr_un *)&address)->sun_path,
                  length - offsetof(struct sockaddr_un, sun_path));
    } else {
        name_listener(listener, (struct sockaddr *)&address, length);
    }
}

static int set_option(int descriptor, int level, int name) {
    int one = 1;
    return setsockopt(descriptor, level, name, &one, sizeof(one)) == 0 ? 0 : -errno;
}

/* Accepted sockets inherit these from the listening one, which saves setting them one by one. */
int listener_set_options(int descriptor) {
    int reuse = set_option(descriptor, SOL_SOCKET, SO_REUSEADDR);
    int keepalive = set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE);
    int nodelay = set_option(descriptor, IPPROTO_TCP, TCP_NODELAY);
    return reuse ? reuse : keepalive ? keepalive : nodelay;
}

/* Each datagram comes with the address that it was sent to, where the answer has to come from. No
 * SO_REUSEADDR: with it two servers could have the same port of UDP. */
static int set_datagram_options(int descriptor, int family) {
    return family == AF_INET6 ? set_option(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO)
                              : set_option(descriptor, IPPROTO_IP, IP_PKTINFO);
}

/* Those that a socket can't do without. */
static int set_needed_options(int descriptor, int family, bool udp) {
    int error = family == AF_INET6 ? set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY) : 0;
    return udp && !error ? set_datagram_options(descriptor, family) : error;
}

/* An address that is in use may be that of a server which was just killed: the kernel closes the
 * sockets that an io_uring has in hand only some milliseconds after the process that had it has
 * ended. So it is asked again, LISTENER_TRIES times, every LISTENER_PAUSE_NS. */
#define LISTENER_TRIES 200
#define LISTENER_PAUSE_NS 5000000

static bool listener_waits(int error, uint32_t *tries) {
    const struct timespec pause = {.tv_nsec = LISTENER_PAUSE_NS};
    if (error != -EADDRINUSE || *tries == LISTENER_TRIES) {
        return false;
    }
    (*tries)++;
    nanosleep(&pause, NULL);
    return true;
}

/* 0 or -errno. */
static int listener_bind(int descriptor, const struct addrinfo *address) {
    uint32_t tries = 0;
    int error;
    do {
        error = bind(descriptor, address->ai_addr, address->ai_addrlen) == 0 ? 0 : -errno;
    } while (listener_waits(error, &tries));
    return error;
}

/* A socket for one address, listening but for UDP, or -errno. `unset` becomes the error of an
 * option that it does without. */
static int open_socket(const struct addrinfo *address, uint32_t backlog, bool udp, int *unset) {
    int type = udp ? SOCK_DGRAM : SOCK_STREAM;
    int descriptor = socket(address->ai_family, type | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return -errno;
    }
    int error = set_needed_options(descriptor, address->ai_family, udp);
    *unset = udp ? 0 : listener_set_options(descriptor);
    error = error ? error : listener_bind(descriptor, address);
    if (!error && !udp && listen(descriptor, (int)backlog) != 0) {
        error = -errno;
    }
    if (!error) {
        return descriptor;
    }
    close(descriptor);
    return error;
}

/* What to do about it; the name of the option follows. */
static const char *listener_advice(int error) {
    switch (error) {
    case -EADDRINUSE:
        return "; another program listens there: end it or choose another ";
    case -EADDRNOTAVAIL:
        return "; this machine has no such address: give one of its own with ";
    case -EACCES:
        return "; ports below 1024 are root's: choose another ";
    default:
        return NULL;
    }
}

/* What addresses are given with. */
static const char *listener_address_option(const struct listeners *listeners) {
    return strcmp(listeners->option, "--metrics") == 0 ? listeners->option : "-l";
}

static void tell_failure(const struct listeners *listeners, const char *name, int error) {
    const char *advice = listener_advice(error), *option = listeners->option;
    if (error == -EADDRNOTAVAIL) {
        option = listener_address_option(listeners);
    }
    log_line("can't listen on %s%s: %s%s%s", listeners->udp ? "udp:" : "", name, strerror(-error),
             advice ? advice : "", advice ? option : "");
}

static bool is_open(const struct listeners *listeners, const char *name) {
    for (uint32_t i = 0; i < listeners->count; i++) {
        if (strcmp(listeners->all[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds a listener for one address, unless it is there already. Returns 0 or -errno. */
static int open_address(struct listeners *listeners, const struct addrinfo *address,
                        uint32_t backlog) {
    if (listeners->count == LISTENERS_MAX) {
        return -EMFILE;
    }
    struct listener *listener = &listeners->all[listeners->count];
    name_listener(listener, address->ai_addr, address->ai_addrlen);
    if (is_open(listeners, listener->name)) {
        return 0;
    }
    int unset = 0;
    int descriptor = open_socket(address, backlog, listeners->udp, &unset);
    if (descriptor < 0) {
        return descriptor;
    }
    if (unset && listeners->count == 0) { /* as in memcached no reason not to serve */
        log_line("setsockopt(2) is refused here, as by a sandbox: %s; connections are without "
                 "TCP_NODELAY and keep-alive",
                 strerror(-unset));
    }
    listener->descriptor = descriptor;
    listener_name(listener); /* the kernel may have chosen the port */
    listeners->count++;
    return 0;
}

static bool is_lacking(int error) {
    return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
}

static bool has_ipv4(const struct addrinfo *addresses) {
    while (addresses && addresses->ai_family != AF_INET) {
        addresses = addresses->ai_next;
    }
    return addresses;
}

/* Whether the others of a name's addresses may do: where this machine lacks one, and where an IPv6
 * address beside an IPv4 one is taken (as in memcached, so that a server with -l ::1 can run
 * beside). Not where the IPv4 address is taken: clients would go to the other program. */
static bool may_leave_out(const struct addrinfo *addresses, const struct addrinfo *address,
                          int error) {
    return is_lacking(error) || (address->ai_family == AF_INET6 && has_ipv4(addresses));
}

/* All addresses of a name, as far as may be, but at least one of them. */
static bool open_addresses(struct listeners *listeners, const struct addrinfo *addresses,
                           uint32_t backlog) {
    struct listener left_out = {.name = ""};
    int left_out_error = 0;
    bool any = false;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        int error = open_address(listeners, address, backlog);
        any |= error == 0;
        if (error && (!left_out_error || !is_lacking(error))) {
            name_listener(&left_out, address->ai_addr, address->ai_addrlen);
            left_out_error = error;
        }
        if (error && !may_leave_out(addresses, address, error)) {
            tell_failure(listeners, left_out.name, error);
            return false;
        }
    }
    if (!any) {
        tell_failure(listeners, left_out.name, left_out_error);
    } else if (left_out_error && !is_lacking(left_out_error)) {
        log_line("can't listen on %s%s: %s; the rest is served", listeners->udp ? "udp:" : "",
                 left_out.name, strerror(-left_out_error));
    }
    return any;
}

static bool open_name(struct listeners *listeners, const char *name, uint16_t port,
                      uint32_t backlog) {
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_socktype = listeners->udp ? SOCK_DGRAM : SOCK_STREAM,
    };
    struct addrinfo *addresses;
    int error = getaddrinfo(strcmp(name, "*") == 0 ? NULL : name, service, &hints, &addresses);
    if (error) {
        log_line("%s %s is no address: %s", listener_address_option(listeners), name,
                 gai_strerror(error));
        return false;
    }
    bool opened = open_addresses(listeners, addresses, backlog);
    freeaddrinfo(addresses);
    return opened;
}

/* The loopback addresses, or one of them where this machine lacks the other. */
static bool open_loopback(struct listeners *listeners, uint16_t port, uint32_t backlog) {
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    struct addrinfo second = {
        .ai_family = AF_INET6, .ai_addr = (struct sockaddr *)&v6, .ai_addrlen = sizeof(v6)};
    struct addrinfo first = {.ai_family = AF_INET,
                             .ai_addr = (struct sockaddr *)&v4,
                             .ai_addrlen = sizeof(v4),
                             .ai_next = &second};
    if (!open_addresses(listeners, &first, backlog)) {
        return false;
    }
    if (listeners->all[0].family == AF_INET6) {
        log_line("this machine has no 127.0.0.1: %s%s alone is served",
                 listeners->udp ? "udp:" : "", listeners->all[0].name);
    }
    return true;
}

/* What bind() takes: 0 for any free port. */
static uint16_t port_to_bind(int32_t port) {
    return port == CONFIG_PORT_FREE ? 0 : (uint16_t)port;
}

/* Of those from number `first` on. */
static void set_transport(struct listeners *listeners, uint32_t first, enum transport transport) {
    for (uint32_t i = first; i < listeners->count; i++) {
        listeners->all[i].transport = transport;
    }
}

static bool open_each(struct listeners *listeners, const struct config *config, int32_t port) {
    if (config->address_count == 0) {
        bool opened = open_loopback(listeners, port_to_bind(port), config->backlog);
        set_transport(listeners, 0, config->tls.enabled ? TRANSPORT_TLS : TRANSPORT_PLAIN);
        return opened;
    }
    for (uint32_t i = 0; i < config->address_count; i++) {
        const struct listen_address *address = &config->addresses[i];
        uint16_t its_port = port_to_bind(address->port ? address->port : port);
        uint32_t first = listeners->count;
        bool opened = *address->host
                          ? open_name(listeners, address->host, its_port, config->backlog)
                          : open_loopback(listeners, its_port, config->backlog);
        if (!opened) {
            return false;
        }
        set_transport(listeners, first, address->transport);
    }
    return true;
}

static bool open_all(struct listeners *listeners, const struct config *config, int32_t port) {
    if (port == 0 || open_each(listeners, config, port)) {
        return true;
    }
    listeners_close(listeners);
    return false;
}

bool listeners_open(struct listeners *listeners, const struct config *config) {
    *listeners = (struct listeners){.option = "-p"};
    if (config->port == 0 && config->udp_port == 0 && !config->socket_path) {
        log_line("-p 0 leaves nothing to listen on: no client can connect; give a unix socket with "
                 "-s PATH, or UDP with -U PORT");
    }
    return open_all(listeners, config, config->port);
}

bool listeners_open_udp(struct listeners *listeners, const struct config *config) {
    *listeners = (struct listeners){.udp = true, .option = "-U"};
    return open_all(listeners, config, config->udp_port);
}

bool listeners_open_metrics(struct listeners *listeners, const struct config *config) {
    struct config http = {.address_count = config->metrics.count, .backlog = config->backlog};
    memcpy(http.addresses, config->metrics.addresses, sizeof(config->metrics.addresses));
    *listeners = (struct listeners){.option = "--metrics"};
    return open_all(listeners, &http, CONFIG_PORT_FREE);
}

bool listener_is_loopback(const struct listener *listener) {
    const char *name = listener->name;
    return listener->family == AF_INET    ? strncmp(name, "127.", 4) == 0
           : listener->family == AF_INET6 ? strncmp(name, "[::1]:", 6) == 0
                                          : true;
}

/* The unix socket. */

/* Whether the socket file is a leftover of a server that has ended: nobody listens on it. */
static bool is_stale(const struct sockaddr_un *address) {
    struct stat file;
    if (lstat(address->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) {
        return false;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = probe >= 0 &&
                   connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                   errno == ECONNREFUSED;
    if (probe >= 0) {
        close(probe);
    }
    return refused;
}

/* The file is created with its final permissions: no client can connect before they are set. */
static int bind_unix(int descriptor, const struct sockaddr_un *address, mode_t mode) {
    if (is_stale(address)) {
        unlink(address->sun_path);
    }
    mode_t before = umask(~mode & 0777);
    int result = bind(descriptor, (const struct sockaddr *)address, sizeof(*address));
    int error = result == 0 ? 0 : -errno;
    umask(before);
    return error;
}

/* A listening unix socket, or -errno. */
static int open_unix(const struct sockaddr_un *address, const struct config *config) {
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return -errno;
    }
    uint32_t tries = 0;
    int error;
    do {
        error = bind_unix(descriptor, address, (mode_t)config->socket_mode);
    } while (listener_waits(error, &tries));
    if (!error && listen(descriptor, (int)config->backlog) != 0) {
        error = -errno;
    }
    if (!error) {
        return descriptor;
    }
    close(descriptor);
    return error;
}

static bool tell_unix_failure(const char *path, int error) {
    const char *advice = "";
    if (error == -EADDRINUSE) {
        advice = "; another program listens there, or it is no socket: choose another -s";
    } else if (error == -ENAMETOOLONG) {
        advice = "; a socket's path has at most 107 bytes";
    } else if (error == -EACCES) {
        advice = "; its folder must let in the user that the server runs as";
    }
    log_line("can't listen on -s %s: %s%s", path, strerror(-error), advice);
    return false;
}

/* The bound socket keeps the inode in use, so that no other file can have got its number. */
static void remember_file(struct listeners *listeners, const char *path) {
    struct stat file = {0};
    lstat(path, &file);
    listeners->socket_path = path;
    listeners->socket_device = file.st_dev;
    listeners->socket_inode = file.st_ino;
}

static void remove_file(const struct listeners *listeners) {
    struct stat file;
    if (listeners->socket_path && lstat(listeners->socket_path, &file) == 0 &&
        file.st_dev == listeners->socket_device && file.st_ino == listeners->socket_inode) {
        unlink(listeners->socket_path);
    }
}

bool listeners_open_unix(struct listeners *listeners, const struct config *config) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = config->socket_path;
    if (!path) {
        return true;
    }
    if (listeners->count == LISTENERS_MAX) {
        return tell_unix_failure(path, -EMFILE);
    }
    if (strlen(path) >= sizeof(address.sun_path)) {
        return tell_unix_failure(path, -ENAMETOOLONG);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int descriptor = open_unix(&address, config);
    if (descriptor < 0) {
        return tell_unix_failure(path, descriptor);
    }
    struct listener *listener = &listeners->all[listeners->count++];
    *listener = (struct listener){.descriptor = descriptor, .family = AF_UNIX};
    snprintf(listener->name, sizeof(listener->name), "unix:%.107s", path);
    remember_file(listeners, path);
    return true;
}

uint16_t listeners_port(const struct listeners *listeners) {
    for (uint32_t i = 0; i < listeners->count; i++) {
        if (listeners->all[i].family != AF_UNIX) {
            return listeners->all[i].port;
        }
    }
    return 0;
}

void listeners_write_ports(const struct listeners *listeners, char text[LISTENERS_PORTS_BYTES]) {
    size_t length = 0;
    *text = '\0';
    for (uint32_t i = 0; i < listeners->count; i++) {
        const struct listener *listener = &listeners->all[i];
        if (listener->family != AF_UNIX) {
            length +=
                (size_t)sprintf(text + length, "%s %s: %u\n", listeners->udp ? "UDP" : "TCP",
                                listener->family == AF_INET6 ? "INET6" : "INET", listener->port);
        }
    }
}

void listeners_close(struct listeners *listeners) {
    remove_file(listeners);
    listeners->socket_path = NULL;
    for (uint32_t i = 0; i < listeners->count; i++) {
        /* The shut-down ends an accept that waits in the kernel, which closing alone would not. */
        if (!listeners->all[i].activated) {
            shutdown(listeners->all[i].descriptor, SHUT_RDWR);
        }
        close(listeners->all[i].descriptor);
    }
    listeners->count = 0;
}
