/* login: who may talk to the server, from a file of user:password lines (memcached's -Y, and its
 * MEMCACHED_SASL_PWDB).
 *
 * Neither users nor passwords of the file stay in memory: what is kept of each line is a 128-bit
 * keyed hash of both. A check hashes what the client said and compares it with every line's hash,
 * all bits of all of them, so that its time tells nothing about names, passwords or their lengths.
 *
 * A table never changes. A new one reaches a reactor through its mailbox (struct shard), by which
 * it comes to belong to that reactor.
 */
#ifndef CORE_SHARD_AUTH_H
#define CORE_SHARD_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/login.h"

/* Bounds on the file, so that a wrong one can't fill the memory. */
#define LOGIN_USERS_MAX 4096
#define LOGIN_LINE_BYTES_MAX 512

struct logins;

/* Reads a file. Empty lines and lines that begin with # are left out. realm, unless NULL: a user of
 * that realm (user@realm in the file) may leave it out, as SASL's users on their own host do.
 * Returns NULL, with one line for people in `problem` that names the file and the line, but nothing
 * that is in it. */
struct logins *logins_read(const char *path, const char *realm, char *problem,
                           size_t problem_bytes);

/* Another table with the same users; NULL without memory. */
struct logins *logins_copy(const struct logins *logins);

/* Accepts NULL. */
void logins_free(struct logins *logins);

/* Whether these are a user and his password. */
bool logins_check(const struct logins *logins, const struct credentials *credentials);

#endif
