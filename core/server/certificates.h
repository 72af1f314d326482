/* certificates: the files of TLS, read at the start and on SIGHUP, while all goes on.
 *
 * Thread: certificates_read() on the main one, certificates_reload() on reactor 0's.
 */
#ifndef CORE_SERVER_CERTIFICATES_H
#define CORE_SERVER_CERTIFICATES_H

#include <stdbool.h>

#include "core/net/net.h"

struct server;

/* False when a file is wrong; one line on stderr has said why. True without -Z. */
bool certificates_read(struct server *server);

/* Reads them again for all reactors; what is wrong is logged, and all stays as it was. */
void certificates_reload(struct net *net);

#endif
