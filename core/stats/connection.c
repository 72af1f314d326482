#include "core/stats/connection.h"
#include "proto/reply.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define LINES_MAX 7
#define NAME_BYTES 40

_Static_assert(LINES_MAX *(NAME_BYTES + REPLY_STAT_MAX) + 3 * STATS_ADDRESS_MAX + 32 +
                       STATS_SUBJECT_MAX <=
                   STATS_CONNECTION_MAX,
               "names, two addresses, a cipher, three short values, and a subject");

static void stats_connection_write_ip4(char out[STATS_ADDRESS_MAX],
                                       const struct sockaddr_storage *address, bool udp) {
    const struct sockaddr_in *ip = (const void *)address;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &ip->sin_addr, text, sizeof(text));
    snprintf(out, STATS_ADDRESS_MAX, "%s:%s:%u", udp ? "udp" : "tcp", text, ntohs(ip->sin_port));
}

static void stats_connection_write_ip6(char out[STATS_ADDRESS_MAX],
                                       const struct sockaddr_storage *address, bool udp) {
    const struct sockaddr_in6 *ip = (const void *)address;
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &ip->sin6_addr, text, sizeof(text));
    snprintf(out, STATS_ADDRESS_MAX, "%s:[%s]:%u", udp ? "udp6" : "tcp6", text,
             ntohs(ip->sin6_port));
}

/* A client chooses its path: a newline in it would end the line of an answer or of the log. */
static void stats_connection_mask(char *text) {
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

/* Most clients have no path: "unix:". */
static void stats_connection_write_unix(char out[STATS_ADDRESS_MAX],
                                        const struct sockaddr_storage *address, socklen_t length) {
    const struct sockaddr_un *name = (const void *)address;
    size_t offset = offsetof(struct sockaddr_un, sun_path);
    size_t path_max = length > offset ? length - offset : 0;
    snprintf(out, STATS_ADDRESS_MAX, "unix:%.*s", (int)strnlen(name->sun_path, path_max),
             name->sun_path);
    stats_connection_mask(out);
}

void stats_address_write(char out[STATS_ADDRESS_MAX], const struct sockaddr_storage *address,
                         socklen_t length, bool udp) {
    int family = length >= sizeof(address->ss_family) ? address->ss_family : AF_UNSPEC;
    if (family == AF_INET) {
        stats_connection_write_ip4(out, address, udp);
    } else if (family == AF_INET6) {
        stats_connection_write_ip6(out, address, udp);
    } else if (family == AF_UNIX) {
        stats_connection_write_unix(out, address, length);
    } else {
        snprintf(out, STATS_ADDRESS_MAX, "?:<AF %d>", family);
    }
}

static const char *stats_connection_state_name(enum stats_connection_state state) {
    switch (state) {
    case STATS_CONNECTION_LISTENING:
        return "conn_listening";
    case STATS_CONNECTION_NEW_COMMAND:
        return "conn_new_cmd";
    case STATS_CONNECTION_READ:
        return "conn_read";
    case STATS_CONNECTION_PARSE:
        return "conn_parse_cmd";
    case STATS_CONNECTION_VALUE:
        return "conn_nread";
    case STATS_CONNECTION_SWALLOW:
        return "conn_swallow";
    case STATS_CONNECTION_WRITE:
        return "conn_mwrite";
    case STATS_CONNECTION_WATCH:
        return "conn_watch";
    case STATS_CONNECTION_CLOSING:
        return "conn_closing";
    }
    assert(!"a connection without a state");
    return "";
}

struct lines {
    char *out;
    size_t length;
    const struct request *request;
    int descriptor;
};

static void stats_connection_put(struct lines *lines, const char *what, const char *value) {
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%d:%s", lines->descriptor, what);
    lines->length += reply_stat(lines->out + lines->length, lines->request, name, value);
}

static void stats_connection_put_address(struct lines *lines, const char *what,
                                         const struct sockaddr_storage *address, socklen_t length,
                                         bool udp) {
    char text[STATS_ADDRESS_MAX];
    stats_address_write(text, address, length, udp);
    stats_connection_put(lines, what, text);
}

static void stats_connection_put_tls(struct lines *lines,
                                     const struct stats_connection *connection) {
    char text[STATS_ADDRESS_MAX];
    snprintf(text, sizeof(text), "%.20s %.80s", connection->tls_version, connection->tls_cipher);
    stats_connection_put(lines, "tls", text);
    if (*connection->tls_subject) {
        stats_connection_put(lines, "tls_subject", connection->tls_subject);
    }
}

size_t stats_connection_write(char *out, const struct request *request,
                              const struct stats_connection *connection) {
    struct lines lines = {.out = out, .request = request, .descriptor = connection->descriptor};
    const struct stats_connection *c = connection;
    bool has_peer = c->state != STATS_CONNECTION_LISTENING && !c->udp;
    char idle[16];
    if (c->udp) {
        stats_connection_put(&lines, "UDP", "UDP");
    }
    if (has_peer) {
        stats_connection_put_address(&lines, "addr", c->peer, c->peer_length, c->udp);
    }
    stats_connection_put_address(&lines, has_peer ? "listen_addr" : "addr", c->local,
                                 c->local_length, c->udp);
    stats_connection_put(&lines, "state", stats_connection_state_name(c->state));
    snprintf(idle, sizeof(idle), "%u", c->idle_s);
    stats_connection_put(&lines, "secs_since_last_cmd", idle);
    if (c->tls_version) {
        stats_connection_put_tls(&lines, c);
    }
    assert(lines.length <= STATS_CONNECTION_MAX);
    return lines.length;
}
