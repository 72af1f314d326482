/* config_cluster: whether the words for -o about clusters go together. Private to the command line.
 */
#ifndef CORE_SERVER_CONFIG_CLUSTER_H
#define CORE_SERVER_CONFIG_CLUSTER_H

#include "core/server/config_parse.h"

/* Checks them and fills in what follows from them; asks the system's resolver for the address of a
 * name in advertise. On CONFIG_WRONG one line on stderr has said what is wrong. */
enum config_status config_check_cluster(struct config *config);

#endif
