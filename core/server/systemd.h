/* systemd: messages to the service manager that has started this process, and the sockets that it
 * has opened for it (sd_notify(3), sd_listen_fds(3)). Without a manager nothing happens.
 *
 * Two files implement this: systemd.c, and systemd_without.c for builds without libsystemd.
 */
#ifndef CORE_SERVER_SYSTEMD_H
#define CORE_SERVER_SYSTEMD_H

/* The descriptor of the first socket; those of the others follow. */
#define SYSTEMD_SOCKET_FIRST 3

/* Takes the sockets that systemd has passed to this process. To be called once, before the process
 * forks or starts a thread. Returns their number, 0 without a manager; the caller owns them. -1
 * when they can't be taken; one line on stderr has said why. */
int systemd_take_sockets(void);

/* Sends assignments, separated by newlines ("READY=1\nSTATUS=..."), formatted as by printf(). Any
 * thread. Failures are ignored: the manager has its own timeouts. */
__attribute__((format(printf, 1, 2))) void systemd_tell(const char *format, ...);

#endif
