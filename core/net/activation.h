/* passed: listening sockets that the service manager has opened and passed to this process. */
#ifndef CORE_NET_ACTIVATION_H
#define CORE_NET_ACTIVATION_H

#include <stdbool.h>

#include "core/base/config.h"
#include "core/net/listener.h"

/* Serves `count` sockets from systemd_take_sockets() in place of those of the configuration, with a
 * warning where it names any. They remain the manager's: listeners_close() leaves them listening,
 * and a unix socket's file where it is. False when one is of a wrong kind; one line on stderr has
 * said why. */
bool passed_open(struct listeners *listeners, int count, const struct config *config);

#endif
