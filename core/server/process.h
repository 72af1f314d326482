/* process: the server as a service: in the background, and with files for its process id and its
 * ports.
 *
 * Thread: the main one.
 */
#ifndef CORE_SERVER_PROCESS_H
#define CORE_SERVER_PROCESS_H

#include <stdbool.h>

#include "core/base/config.h"

/* Opens /dev/null for standard streams that are closed. To be called before anything else is
 * opened: otherwise a listener could get the number of stdout, and process_ready() would replace
 * it. */
void process_fill_streams(void);

/* Forks, and returns in the child, in a session of its own, the descriptor for process_ready(). The
 * parent waits in here and ends, with success when the child calls process_ready(), else with the
 * exit status of the child. Returns -errno when there can be no child. To be called before any
 * thread is started. */
int process_detach(void);

/* The server serves: lets the parent end. The standard streams become /dev/null, unless -v asks for
 * a log; the working directory becomes /, unless core files (-r) are to be written there or files
 * were named relative to it. */
void process_ready(int caller, const struct config *config);

/* Replace a file in one step, by renaming a new one beside it. False when that can't be done; one
 * line on stderr has said why. The first writes this process's id and a newline. */
bool process_write_pid(const char *path);
bool process_write_ports(const char *path, const char *text);

/* Removes the pid file, unless it holds the id of another process, a server that was started later.
 */
void process_remove_pid(const char *path);

#endif
