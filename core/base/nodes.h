/* nodes: a list of servers with its version, in the form in which clients are told of it
 * (ElastiCache's `config get cluster`):
 *
 *     VERSION\n
 *     HOST|ADDRESS|PORT HOST|ADDRESS|PORT …\n
 *
 * Some clients connect to the host, others to the address. A list never changes once it is made; a
 * newer one takes its place. It is never empty, which clients don't stand.
 *
 * Thread: any; all works on memory that the caller owns.
 */
#ifndef CORE_BASE_NODES_H
#define CORE_BASE_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Servers in a list; and bytes of the whole text, which is to fit a message between reactors. */
#define NODES_MAX 500
#define NODES_TEXT_BYTES_MAX 16000

/* The host of a server, and all of HOST|ADDRESS|PORT with its NUL. */
#define NODE_HOST_BYTES_MAX 253
#define NODE_BYTES 320

/* The greatest version: clients keep it in 31 bits, and it is only ever to grow. */
#define NODES_VERSION_MAX 2000000000u

/* One line that says what is wrong. */
#define NODES_PROBLEM_BYTES 400

struct nodes {
    uint32_t version; /* 1 to NODES_VERSION_MAX */
    uint32_t count;   /* of servers, 1 to NODES_MAX */
    uint32_t length;  /* of text */
    uint32_t list_at; /* in text: the line of servers */
    char text[];      /* no NUL at its end */
};

/* Reads a server: HOST|ADDRESS|PORT, or ADDRESS:PORT where the host is to be the address, with an
 * IPv6 one in brackets. Writes it in the first form to `node`, and returns true; or writes to
 * `problem` what is wrong. */
bool node_read(const char *text, size_t length, char node[NODE_BYTES],
               char problem[NODES_PROBLEM_BYTES]);

/* Reads servers with white space between; a # hides the rest of its line; a number in front is the
 * version, else it is `version`. With a `version` of 0 there must be a number. Two servers that are
 * the same are an error. NULL on an error, with what is wrong in `problem`. The caller owns the
 * list. */
struct nodes *nodes_read(const char *text, size_t length, uint32_t version,
                         char problem[NODES_PROBLEM_BYTES]);

/* A list of servers in the form HOST|ADDRESS|PORT, in this order. NULL without memory, or when they
 * are too many or too long. */
struct nodes *nodes_create(uint32_t version, const char *const *servers, uint32_t count);

/* A copy, of another version; NULL without memory. */
struct nodes *nodes_renumber(const struct nodes *nodes, uint32_t version);

/* NULL without memory. */
struct nodes *nodes_copy(const struct nodes *nodes);

/* Accepts NULL. */
void nodes_free(struct nodes *nodes);

/* Whether both have the same servers in the same order. */
bool nodes_are_same(const struct nodes *a, const struct nodes *b);

/* The next server of the list: *at is 0 at first. Writes it to `node`; false at the end. */
bool nodes_next(const struct nodes *nodes, size_t *at, char node[NODE_BYTES]);

/* The version of a list that takes the place of one of the version `last` (0: there was none), at
 * that Unix time: it grows, also when nothing is known of the last one, by the minutes since 2020.
 */
uint32_t nodes_next_version(uint32_t last, int64_t unix_s);

#endif
