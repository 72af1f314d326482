#include "core/server/config_cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/server/options.h"

#define CLUSTER_NAME_BYTES_MAX 64
#define CLUSTER_URL_BYTES_MAX 900
#define CLUSTER_DRAIN_S 5

static enum config_status config_check_name(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_";
    if (strlen(name) <= CLUSTER_NAME_BYTES_MAX && !name[strspn(name, allowed)]) {
        return CONFIG_RUN;
    }
    return options_wrong("-o cluster takes up to 64 letters, digits, dots, - and _, not \"%s\"",
                         name);
}

static enum config_status config_check_urls(const struct cluster_config *cluster) {
    for (uint32_t i = 0; i < cluster->etcd_count; i++) {
        const char *url = cluster->etcds[i], *host = NULL;
        if (strncmp(url, "http://", 7) == 0) {
            host = url + 7;
        } else if (strncmp(url, "https://", 8) == 0) {
            host = url + 8;
        }
        if (!host || !*host || *host == '/' || strlen(url) > CLUSTER_URL_BYTES_MAX ||
            strpbrk(url, " @?#")) {
            return options_wrong("-o etcd takes http://HOST:PORT or https://HOST:PORT, not \"%s\"",
                                 url);
        }
    }
    return CONFIG_RUN;
}

static enum config_status config_check_files(const struct cluster_config *cluster) {
    const char *const files[] = {cluster->ca_file, cluster->certificate_file, cluster->key_file,
                                 cluster->auth_file};
    static const char *const words[] = {"etcd_ca", "etcd_cert", "etcd_key", "etcd_auth"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        if (files[i] && access(files[i], R_OK) != 0) {
            return options_wrong("-o %s=%s: %s", words[i], files[i], strerror(errno));
        }
    }
    return CONFIG_RUN;
}

/* NAME:PORT with the name's address in between. */
static bool config_resolve(const char *text, char node[NODE_BYTES],
                           char problem[NODES_PROBLEM_BYTES]) {
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char name[NODE_HOST_BYTES_MAX + 1], address[INET_ADDRSTRLEN], whole[2 * NODE_BYTES];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (length == 0 || length >= sizeof(name) || strpbrk(text, "|[ ")) {
        return node_read(text, strlen(text), node, problem);
    }
    memcpy(name, text, length);
    name[length] = '\0';
    int error = getaddrinfo(name, NULL, &hints, &found);
    if (error) {
        snprintf(problem, NODES_PROBLEM_BYTES, "\"%s\" has no IPv4 address (%s)", name,
                 gai_strerror(error));
        return false;
    }
    inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr,
              address, sizeof(address));
    freeaddrinfo(found);
    snprintf(whole, sizeof(whole), "%s|%s|%s", name, address, colon + 1);
    return node_read(whole, strlen(whole), node, problem);
}

/* Whether a client can connect to HOST|ADDRESS|PORT: not to all addresses, nor to a group. */
static bool config_is_reachable(const char *node) {
    char address[NODE_BYTES];
    struct in_addr four;
    struct in6_addr six;
    snprintf(address, sizeof(address), "%s", strchr(node, '|') + 1);
    *strchr(address, '|') = '\0';
    if (inet_pton(AF_INET, address, &four) == 1) {
        return four.s_addr != htonl(INADDR_ANY) && !IN_MULTICAST(ntohl(four.s_addr)) &&
               four.s_addr != htonl(INADDR_BROADCAST);
    }
    return inet_pton(AF_INET6, address, &six) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&six) &&
           !IN6_IS_ADDR_MULTICAST(&six);
}

static enum config_status config_check_advertise(struct cluster_config *cluster) {
    char problem[NODES_PROBLEM_BYTES];
    const char *text = cluster->advertise;
    if (!node_read(text, strlen(text), cluster->node, problem) &&
        !config_resolve(text, cluster->node, problem)) {
        return options_wrong("-o advertise: %s", problem);
    }
    return config_is_reachable(cluster->node)
               ? CONFIG_RUN
               : options_wrong("-o advertise: no client can connect to \"%s\": give an address of "
                               "this machine that clients reach",
                               text);
}

static enum config_status config_check_alone(const struct cluster_config *cluster) {
    bool any = cluster->etcd_count || cluster->advertise || cluster->ca_file ||
               cluster->certificate_file || cluster->key_file || cluster->auth_file;
    return any ? options_wrong("-o etcd, advertise and etcd_* mean nothing without cluster=NAME")
               : CONFIG_RUN;
}

enum config_status config_check_cluster(struct config *config) {
    struct cluster_config *cluster = &config->cluster;
    if (!cluster->name) {
        return config_check_alone(cluster);
    }
    if (config->nodes_file) {
        return options_wrong("-o nodes beside cluster is refused: the list comes from etcd: leave "
                             "one of them out");
    }
    if (!cluster->etcd_count || !cluster->advertise) {
        return options_wrong("-o cluster needs etcd=URL and advertise=HOST:PORT, where clients "
                             "reach this server");
    }
    if (!config->drain_given) {
        config->drain_s = CLUSTER_DRAIN_S;
    }
    enum config_status status = config_check_name(cluster->name);
    if (status == CONFIG_RUN) {
        status = config_check_urls(cluster);
    }
    if (status == CONFIG_RUN) {
        status = config_check_files(cluster);
    }
    return status == CONFIG_RUN ? config_check_advertise(cluster) : status;
}
