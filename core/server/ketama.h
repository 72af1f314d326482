/* ketama: where clients put keys (--ring). It is asked from the command line, before anything is
 * started.
 *
 * Two ways of placing are computed. The common ring is that of libmemcached's KETAMA_WEIGHTED,
 * PHP's OPT_LIBKETAMA_COMPATIBLE, nutcracker's ketama with md5, and npm's memcached: of each server
 * 40 MD5 digests of "NAME-0", "NAME-1" and so on give four points each, by the weight of the server
 * more or fewer; a key belongs to the first point at or above the first word of its own digest. The
 * other one is pymemcache's: a key belongs to the server for which murmur3 of "NAME-KEY" is the
 * greatest.
 */
#ifndef CORE_SERVER_KETAMA_H
#define CORE_SERVER_KETAMA_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define KETAMA_NODES_MAX 500
#define KETAMA_NODE_BYTES 320

struct ketama_node {
    /* HOST:PORT, pymemcache's name. */
    char name[KETAMA_NODE_BYTES];
    /* The common ring's name: HOST alone at port 11211. */
    char ring_name[KETAMA_NODE_BYTES];
    uint32_t weight;
};

struct ketama_point {
    uint32_t at;
    uint32_t node;
};

struct ketama {
    const struct ketama_node *nodes;
    uint32_t count;
    struct ketama_point *points; /* sorted */
    uint32_t points_count;
};

/* Reads HOST[:PORT[:WEIGHT]], with an IPv6 address in brackets. False: it is none. */
bool ketama_read_node(const char *text, struct ketama_node *node);

/* Computes the points. False without memory or MD5; then nothing is to be freed. The nodes stay the
 * caller's, and must outlive it. */
bool ketama_init(struct ketama *ketama, const struct ketama_node *nodes, uint32_t count);
void ketama_finish(struct ketama *ketama);

/* The number of the node that has a key, in the common ring and by pymemcache. */
uint32_t ketama_find(const struct ketama *ketama, const char *key, size_t length);
uint32_t ketama_find_highest(const struct ketama *ketama, const char *key, size_t length);

/* Prints where both put the keys, what share each node has, and what share of keys moves when a
 * node is added or removed. `list`: nodes with commas between. False with one line on stderr about
 * what is wrong. */
bool ketama_print(FILE *file, const char *list, char *const *keys, int count);

#endif
