/* activation: listening sockets that the service manager has opened and passed to this process. */
#ifndef CORE_NET_ACTIVATION_H
#define CORE_NET_ACTIVATION_H

#include <stdbool.h>

#include "core/base/config.h"
#include "core/net/listener.h"

/* Serves the sockets with the descriptors from `first` on, `count` of them, in place of those of
 * the configuration, with a warning where it names any. They remain the manager's:
 * listeners_close() leaves them listening, and the file of a unix socket where it is. False when
 * one is of a wrong kind; one line on stderr has said why. */
bool activation_open(struct listeners *listeners, int first, int count,
                     const struct config *config);

#endif
