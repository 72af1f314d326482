/* systemd: word to the service manager that has started this process, and the sockets that it has
 * opened for it (sd_notify(3), sd_listen_fds(3)). Without a manager nothing happens.
 *
 * Two files implement this: systemd.c, and systemd_without.c for builds without libsystemd.
 */
#ifndef CORE_SERVER_SYSTEMD_H
#define CORE_SERVER_SYSTEMD_H

/* The first socket that is passed; the others have the next numbers. */
#define SYSTEMD_SOCKET_FIRST 3

/* Takes what was passed to this process: once, before it forks or starts a thread. Returns the
 * number of sockets, which the caller owns, 0 without a manager; or -1 when they can't be had, one
 * line on stderr has said why. */
int systemd_take_sockets(void);

/* Sends assignments, a newline between two of them ("READY=1\nSTATUS=..."), formatted as by
 * printf(). On any thread. A failure is not told: the manager is the one that waits for them. */
__attribute__((format(printf, 1, 2))) void systemd_tell(const char *format, ...);

#endif
