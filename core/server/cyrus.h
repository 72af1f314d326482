/* cyrus: the system's SASL, as libsasl2 has it: which file it is configured by, which mechanisms it
 * lists, and one step of a login.
 *
 * As in memcached the application's name is memcached, and the realm of a user without one is the
 * name of the host. The file is memcached.conf in the folder that SASL_CONF_PATH names, else in
 * /etc/sasl or /etc/sasl2. A file without mech_list, or none, would offer all that is installed,
 * ANONYMOUS, too: then the mechanisms with a password are offered; and those alone that send it
 * where pwcheck_method leaves the checking to another program.
 *
 * Thread: one at a time. Everything may block.
 */
#ifndef CORE_SERVER_CYRUS_H
#define CORE_SERVER_CYRUS_H

#include <stddef.h>

#include "core/net/sasl_queue.h"

struct cyrus;

/* One line about what is wrong, or what was read. */
#define CYRUS_LINE_BYTES 400

/* NULL when there is no SASL to be asked; `line` then says why, and else which file was read and
 * which mechanisms are offered. */
struct cyrus *cyrus_create(char line[CYRUS_LINE_BYTES]);

/* NULL is accepted. No login has a conversation any more. */
void cyrus_destroy(struct cyrus *cyrus);

/* With spaces between; the caller borrows it. */
const char *cyrus_mechanisms(const struct cyrus *cyrus);

/* Which file was read; NULL: none. */
const char *cyrus_file(const struct cyrus *cyrus);

/* Does a login's task, and fills in outcome, challenge and problem. A conversation is kept only
 * where a step may follow. */
void cyrus_run(struct cyrus *cyrus, struct sasl_login *login);

/* Gives back what SASL holds of a login. */
void cyrus_end(struct sasl_login *login);

#endif
