/* auth: the users who may use the server, from a file of user:password lines (memcached's -Y, and
 * its MEMCACHED_SASL_PWDB).
 *
 * Neither users nor passwords of the file stay in memory: of each line a 128-bit keyed hash of both
 * is kept. A check hashes the client's credentials and compares all bits with those of every line,
 * so that its time tells nothing about names, passwords or their lengths.
 *
 * A table never changes. A new one reaches a reactor through its mailbox (struct shard), and
 * belongs to that reactor from then on.
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

/* Reads a file. Empty lines and lines that begin with # are skipped. realm, unless NULL: a user of
 * that realm (user@realm in the file) may log in without it, as SASL's users on their own host do.
 * Returns NULL on an error, with a message in `problem` that names the file and the line, but none
 * of its contents. */
struct logins *logins_read(const char *path, const char *realm, char *problem,
                           size_t problem_bytes);

/* A copy of a table; NULL without memory. */
struct logins *logins_copy(const struct logins *logins);

/* Frees a table; accepts NULL. */
void logins_free(struct logins *logins);

/* Whether the table has this user with this password. */
bool logins_check(const struct logins *logins, const struct credentials *credentials);

#endif
