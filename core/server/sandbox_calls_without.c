/* In place of core/server/sandbox_calls.c in a build without libseccomp. */
#include <errno.h>
#include <stddef.h>

#include "core/server/sandbox_calls.h"

bool sandbox_calls_are_built(void) {
    return false;
}

int sandbox_calls_try(void) {
    return -ENOSYS;
}

struct sandbox_filter *sandbox_calls_create(uint32_t groups) {
    (void)groups;
    return NULL;
}

void sandbox_calls_free(struct sandbox_filter *filter) {
    (void)filter;
}

int sandbox_calls_enter(const struct sandbox_filter *filter) {
    (void)filter;
    return -ENOSYS;
}
