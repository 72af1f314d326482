#include "core/server/engine.h"

#include <assert.h>

#include "core/base/log.h"
#include "core/io/epoll.h"
#include "core/io/uring.h"

#define URING_DESCRIPTORS 1

void engine_fall_back(struct config *config, int error) {
    config->io = IO_EPOLL;
    config->io_reason = uring_engine.advice(error);
}

bool engine_choose(struct config *config) {
    int error = config->io == IO_EPOLL ? 0 : uring_probe(!config->no_sandbox);
    switch (config->io) {
    case IO_AUTO:
        config->io = IO_URING;
        if (error) {
            engine_fall_back(config, error);
        }
        return true;
    case IO_URING:
        if (error) {
            log_line("-o io=uring: %s; without it epoll would be taken",
                     uring_engine.advice(error));
        }
        return !error;
    case IO_EPOLL:
        return true;
    }
    assert(!"an engine of unknown kind");
    return false;
}

const struct io_engine *engine_chosen(const struct config *config) {
    return config->io == IO_EPOLL ? &epoll_engine : &uring_engine;
}

uint32_t engine_descriptors(const struct config *config) {
    return config->io == IO_EPOLL ? EPOLL_DESCRIPTORS : URING_DESCRIPTORS;
}
