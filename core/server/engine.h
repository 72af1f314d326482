/* engine: which engine of I/O the reactors have: io_uring, or epoll where that is forbidden or
 * missing.
 *
 * Thread: the main one, before the reactors start.
 */
#ifndef CORE_SERVER_ENGINE_H
#define CORE_SERVER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/io/io.h"

/* Makes IO_AUTO one of the others: io_uring, where it opens here with all that is needed. Returns
 * false, with a line that says why and what would help, when -o io=uring doesn't. */
bool engine_choose(struct config *config);

/* Has epoll be taken after all, since io_uring has failed with that -errno. */
void engine_fall_back(struct config *config, int error);

/* The one that is chosen, and the descriptors that it takes of each reactor. */
const struct io_engine *engine_chosen(const struct config *config);
uint32_t engine_descriptors(const struct config *config);

#endif
