/* sandbox: once the server has started, each thread gives up what it does not need: system calls,
 * files, and operations of io_uring (which core/io/uring_room.c keeps). What each may do is in
 * core/server/sandbox_table.c.
 *
 * A system call that is not on a thread's list ends the process by SIGSYS, with a line on stderr
 * that names the call and the thread; a file elsewhere can't be opened (EACCES). -o no_sandbox
 * leaves all that away, and so do builds with a sanitizer of addresses or threads, whose own calls
 * are others.
 */
#ifndef CORE_SERVER_SANDBOX_H
#define CORE_SERVER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/server/sandbox_table.h"

struct sandbox;

/* Finds out what of it can be had here, and notes that in config.sandbox_parts, or with -o
 * no_sandbox has nothing of it. Says in one line what is missing, and why, to who has asked for it
 * or wants to be told much (-v). Starts processes for that, which may be ended by a sandbox that
 * this one is in. Thread: the main one, before it starts others. */
void sandbox_choose(struct config *config);

/* Makes the lists for the threads there will be, as the user that the server goes on as; logins:
 * the file that configures the system's SASL, or NULL. Puts NULL where nothing is to be done.
 * Returns false, with a line on stderr, when that can't be had. Thread: the main one, as of the
 * next two. */
bool sandbox_create(struct sandbox **sandbox, const struct config *config, const char *logins);

/* Waits until so many threads have entered it, and enters it. Accepts NULL. Threads that are
 * started after that are in it from their begin. */
void sandbox_settle(struct sandbox *sandbox, uint32_t threads);

/* Accepts NULL. What has been entered stays. */
void sandbox_destroy(struct sandbox *sandbox);

/* From now on the list of `kind` holds for the thread that calls, and those that it starts. Ends
 * the process, with a line on stderr, when the kernel refuses that. Accepts NULL. Any thread. */
void sandbox_enter(struct sandbox *sandbox, enum sandbox_thread kind);

#endif
