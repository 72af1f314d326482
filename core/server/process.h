/* process: what makes a program a service: it leaves its terminal, and files tell where it is.
 *
 * Thread: the main one.
 */
#ifndef CORE_SERVER_PROCESS_H
#define CORE_SERVER_PROCESS_H

#include <stdbool.h>

#include "core/base/config.h"

/* Gives standard streams that whoever started this process has closed to /dev/null, before anything
 * else is opened: a listener would become stdout otherwise, and be taken leave of as such. */
void process_fill_streams(void);

/* Goes on in a child, in a session of its own. The process that was started waits in here, and ends
 * by exit() with success once the child says process_ready(), or with the child's exit status when
 * that ends before. Before any thread is started. Returns, in the child, the descriptor that
 * process_ready() takes; -errno in the parent, when there is no child. */
int process_detach(void);

/* The server serves: takes leave of whoever started it. Standard streams go to /dev/null, unless
 * -v asks for a log; the working directory becomes the root, unless core files (-r) are to be
 * written there or files were named relative to it. */
void process_ready(int caller, const struct config *config);

/* Replace a file in one step, by renaming a new one beside it. False when that can't be done; one
 * line on stderr has said why. The first writes this process's id and a newline. */
bool process_write_pid(const char *path);
bool process_write_ports(const char *path, const char *text);

/* Removes the pid file, if it still holds this process's id: another server's may have taken its
 * place. */
void process_remove_pid(const char *path);

#endif
