/* sasl_thread: the thread that asks the system's SASL, which may take its time (saslauthd, LDAP).
 *
 * It takes the logins of all reactors, one of each in turn, and asks for one at a time: libsasl2 is
 * not made for more. When it hangs, the logins of all wait in order, each up to its time-out.
 */
#ifndef CORE_SERVER_SASL_THREAD_H
#define CORE_SERVER_SASL_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/net/sasl_logins.h"

struct sandbox;
struct sasl_thread;

/* Starts it. NULL when it can't be; one line on stderr has said why, or else which file configures
 * SASL. taken: as in panic_thread_init(). */
struct sasl_thread *sasl_thread_create(const struct config *config, _Atomic bool *taken);

/* It is to enter the sandbox before it takes its next login, and at once. Accepts no NULL, but for
 * the sandbox: then nothing happens. */
void sasl_thread_settle(struct sasl_thread *thread, struct sandbox *sandbox);

/* Ends it and frees all, after the reactors; accepts NULL. One that SASL keeps for longer than
 * SASL_THREAD_END_MS is left behind with its memory: the process ends now. */
#define SASL_THREAD_END_MS 200
void sasl_thread_destroy(struct sasl_thread *thread);

/* Which file configures SASL, borrowed; NULL: none. Accepts NULL. */
const char *sasl_thread_file(const struct sasl_thread *thread);

/* With spaces between; borrowed. */
const char *sasl_thread_mechanisms(const struct sasl_thread *thread);

/* A reactor's part; NULL of NULL. */
struct sasl_logins *sasl_thread_logins(struct sasl_thread *thread, uint32_t reactor);

#endif
