#include "core/base/nodes.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2020-01-01T00:00:00Z */
#define UNIX_2020 1577836800

#define PORT_DIGITS_MAX 5

struct span {
    const char *start;
    size_t length;
};

static bool node_fail(char problem[NODES_PROBLEM_BYTES], struct span node, const char *what) {
    int shown = node.length < 100 ? (int)node.length : 100;
    snprintf(problem, NODES_PROBLEM_BYTES, "\"%.*s\" %s", shown, node.start, what);
    return false;
}

static bool node_is_port(struct span port) {
    unsigned number = 0;
    if (port.length == 0 || port.length > PORT_DIGITS_MAX || port.start[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < port.length; i++) {
        if (port.start[i] < '0' || port.start[i] > '9') {
            return false;
        }
        number = number * 10 + (unsigned)(port.start[i] - '0');
    }
    return number <= UINT16_MAX;
}

static bool node_is_address(struct span address) {
    char text[INET6_ADDRSTRLEN + 1];
    struct in6_addr parsed;
    if (address.length >= sizeof(text)) {
        return false;
    }
    memcpy(text, address.start, address.length);
    text[address.length] = '\0';
    return inet_pton(AF_INET, text, &parsed) == 1 || inet_pton(AF_INET6, text, &parsed) == 1;
}

/* Letters, digits, and what else there is in names and addresses. */
static bool node_is_host(struct span host) {
    if (host.length == 0 || host.length > NODE_HOST_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < host.length; i++) {
        char c = host.start[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !(c && strchr(".-_:", c))) {
            return false;
        }
    }
    return true;
}

/* Cuts HOST|ADDRESS|PORT. */
static bool node_split_fields(struct span node, struct span fields[3]) {
    const char *end = node.start + node.length;
    const char *first = memchr(node.start, '|', node.length);
    const char *last = memrchr(node.start, '|', node.length);
    if (!first || first == last) {
        return false;
    }
    fields[0] = (struct span){node.start, (size_t)(first - node.start)};
    fields[1] = (struct span){first + 1, (size_t)(last - first - 1)};
    fields[2] = (struct span){last + 1, (size_t)(end - last - 1)};
    return true;
}

/* Cuts ADDRESS:PORT. */
static bool node_split_address(struct span node, struct span fields[3]) {
    const char *end = node.start + node.length;
    const char *colon = memrchr(node.start, ':', node.length);
    if (!colon) {
        return false;
    }
    struct span address = {node.start, (size_t)(colon - node.start)};
    bool bracketed =
        address.length >= 2 && address.start[0] == '[' && address.start[address.length - 1] == ']';
    if (bracketed) {
        address = (struct span){address.start + 1, address.length - 2};
    } else if (memchr(address.start, ':', address.length)) {
        return false;
    }
    fields[0] = fields[1] = address;
    fields[2] = (struct span){colon + 1, (size_t)(end - colon - 1)};
    return true;
}

bool node_read(const char *text, size_t length, char node[NODE_BYTES],
               char problem[NODES_PROBLEM_BYTES]) {
    struct span whole = {text, length}, fields[3];
    if (length >= NODE_BYTES) {
        return node_fail(problem, whole, "is too long for a server");
    }
    bool three = node_split_fields(whole, fields);
    if (!three && !node_split_address(whole, fields)) {
        return node_fail(problem, whole, "is no server: write ADDRESS:PORT or HOST|ADDRESS|PORT");
    }
    if (!node_is_port(fields[2])) {
        return node_fail(problem, whole, "has no port from 1 to 65535 at its end");
    }
    if (!three && node_is_host(fields[0]) && !node_is_address(fields[0])) {
        return node_fail(problem, whole,
                         "has a name and no address: write it as NAME|ADDRESS|PORT");
    }
    if (!node_is_host(fields[0])) {
        return node_fail(problem, whole, "has no host in front");
    }
    if (!node_is_address(fields[1])) {
        return node_fail(problem, whole, "has no IP address in its middle");
    }
    snprintf(node, NODE_BYTES, "%.*s|%.*s|%.*s", (int)fields[0].length, fields[0].start,
             (int)fields[1].length, fields[1].start, (int)fields[2].length, fields[2].start);
    return true;
}

/* Making lists. */

struct nodes *nodes_create(uint32_t version, const char *const *servers, uint32_t count) {
    size_t bytes = 2 * sizeof("4294967295");
    for (uint32_t i = 0; i < count; i++) {
        bytes += strlen(servers[i]) + 1;
    }
    if (count == 0 || count > NODES_MAX || bytes > NODES_TEXT_BYTES_MAX) {
        return NULL;
    }
    struct nodes *nodes = malloc(sizeof(*nodes) + bytes);
    if (!nodes) {
        return NULL;
    }
    char *at = nodes->text + sprintf(nodes->text, "%u\n", version);
    nodes->version = version;
    nodes->count = count;
    nodes->list_at = (uint32_t)(at - nodes->text);
    for (uint32_t i = 0; i < count; i++) {
        at = stpcpy(at, servers[i]);
        *at++ = i + 1 < count ? ' ' : '\n';
    }
    nodes->length = (uint32_t)(at - nodes->text);
    return nodes;
}

struct nodes *nodes_renumber(const struct nodes *nodes, uint32_t version) {
    char number[sizeof("4294967295\n")];
    uint32_t front = (uint32_t)snprintf(number, sizeof(number), "%u\n", version);
    uint32_t length = nodes->length - nodes->list_at;
    struct nodes *copy = malloc(sizeof(*copy) + front + length);
    if (copy) {
        *copy = (struct nodes){version, nodes->count, front + length, front};
        memcpy(copy->text, number, front);
        memcpy(copy->text + front, nodes->text + nodes->list_at, length);
    }
    return copy;
}

struct nodes *nodes_copy(const struct nodes *nodes) {
    return nodes_renumber(nodes, nodes->version);
}

void nodes_free(struct nodes *nodes) {
    free(nodes);
}

bool nodes_are_same(const struct nodes *a, const struct nodes *b) {
    size_t length = a->length - a->list_at;
    return length == b->length - b->list_at &&
           memcmp(a->text + a->list_at, b->text + b->list_at, length) == 0;
}

bool nodes_next(const struct nodes *nodes, size_t *at, char node[NODE_BYTES]) {
    const char *start = nodes->text + nodes->list_at + *at, *end = nodes->text + nodes->length;
    if (start >= end) {
        return false;
    }
    size_t length = 0;
    while (start[length] != ' ' && start[length] != '\n') {
        length++;
    }
    memcpy(node, start, length);
    node[length] = '\0';
    *at += length + 1;
    return true;
}

uint32_t nodes_next_version(uint32_t last, int64_t unix_s) {
    int64_t minutes = (unix_s - UNIX_2020) / 60;
    int64_t next = (int64_t)last + 1;
    next = minutes > next ? minutes : next;
    return next < NODES_VERSION_MAX ? (uint32_t)next : NODES_VERSION_MAX;
}

/* Reading lists. */

struct nodes_reader {
    const char *at, *end;
    uint32_t version;
    uint32_t count;
    char (*servers)[NODE_BYTES];
};

static struct span nodes_take_word(struct nodes_reader *reader) {
    bool comment = false;
    for (; reader->at < reader->end; reader->at++) {
        comment |= *reader->at == '#';
        comment &= *reader->at != '\n';
        if (!comment && (!*reader->at || !strchr(" \t\r\n", *reader->at))) {
            break;
        }
    }
    struct span word = {reader->at, 0};
    while (reader->at < reader->end && (!*reader->at || !strchr(" \t\r\n#", *reader->at))) {
        reader->at++;
    }
    word.length = (size_t)(reader->at - word.start);
    return word;
}

static bool nodes_is_number(struct span word) {
    size_t digits = 0;
    while (digits < word.length && word.start[digits] >= '0' && word.start[digits] <= '9') {
        digits++;
    }
    return digits > 0 && digits == word.length;
}

static bool nodes_read_version(struct span word, uint32_t *version) {
    uint64_t number = 0;
    if (word.length > 10) {
        return false;
    }
    for (size_t i = 0; i < word.length; i++) {
        number = number * 10 + (uint64_t)(word.start[i] - '0');
    }
    *version = (uint32_t)number;
    return number > 0 && number <= NODES_VERSION_MAX;
}

static bool nodes_add(struct nodes_reader *reader, struct span word,
                      char problem[NODES_PROBLEM_BYTES]) {
    if (reader->count == NODES_MAX) {
        return node_fail(problem, word, "is one server too many: 500 are the most");
    }
    char *server = reader->servers[reader->count];
    if (!node_read(word.start, word.length, server, problem)) {
        return false;
    }
    for (uint32_t i = 0; i < reader->count; i++) {
        if (strcmp(reader->servers[i], server) == 0) {
            return node_fail(problem, word, "stands there twice");
        }
    }
    reader->count++;
    return true;
}

static bool nodes_read_words(struct nodes_reader *reader, char problem[NODES_PROBLEM_BYTES]) {
    struct span word = nodes_take_word(reader);
    if (nodes_is_number(word)) {
        if (!nodes_read_version(word, &reader->version)) {
            return node_fail(problem, word, "is no version from 1 to 2000000000");
        }
        word = nodes_take_word(reader);
    }
    if (reader->version == 0) {
        return node_fail(problem, word, "stands where the version is to be");
    }
    for (; word.length > 0; word = nodes_take_word(reader)) {
        if (!nodes_add(reader, word, problem)) {
            return false;
        }
    }
    if (reader->count == 0) {
        snprintf(problem, NODES_PROBLEM_BYTES, "there is no server in it");
    }
    return reader->count > 0;
}

static struct nodes *nodes_make(const struct nodes_reader *reader,
                                char problem[NODES_PROBLEM_BYTES]) {
    const char *servers[NODES_MAX];
    for (uint32_t i = 0; i < reader->count; i++) {
        servers[i] = reader->servers[i];
    }
    struct nodes *nodes = nodes_create(reader->version, servers, reader->count);
    if (!nodes) {
        snprintf(problem, NODES_PROBLEM_BYTES, "all servers together are longer than %d bytes",
                 NODES_TEXT_BYTES_MAX);
    }
    return nodes;
}

struct nodes *nodes_read(const char *text, size_t length, uint32_t version,
                         char problem[NODES_PROBLEM_BYTES]) {
    struct nodes_reader reader = {.at = text, .end = text + length, .version = version};
    reader.servers = calloc(NODES_MAX, sizeof(*reader.servers));
    if (!reader.servers) {
        snprintf(problem, NODES_PROBLEM_BYTES, "no memory for the list of servers");
        return NULL;
    }
    struct nodes *nodes = nodes_read_words(&reader, problem) ? nodes_make(&reader, problem) : NULL;
    free(reader.servers);
    return nodes;
}
