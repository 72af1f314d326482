/* What libc does for the product under simulation. The program is linked with --wrap for each of
 * these (see meson.build).
 *
 * The one mutable global of the tests: these functions have no place for a context.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "sockets.h"
#include "world.h"

static struct world *wrapped;
static int64_t blocks;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void __real_free(void *memory);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
time_t __real_time(time_t *seconds);
ssize_t __real_write(int descriptor, const void *bytes, size_t length);
int __real_close(int descriptor);
int __real_shutdown(int descriptor, int how);
int __wrap_close(int descriptor);
int __wrap_shutdown(int descriptor, int how);
int __real_poll(struct pollfd *polled, nfds_t count, int timeout_ms);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void __wrap_free(void *memory);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
time_t __wrap_time(time_t *seconds);
ssize_t __wrap_write(int descriptor, const void *bytes, size_t length);
int __wrap_poll(struct pollfd *polled, nfds_t count, int timeout_ms);

void wrap_world(struct world *world) {
    wrapped = world;
    blocks = 0;
}

struct world *wrap_current(void) {
    return wrapped;
}

int64_t wrap_blocks(void) {
    return blocks;
}

static bool in_product(void) {
    return wrapped && wrapped->in_reactor;
}

static bool malloc_fails(void) {
    if (!in_product() || !world_fault(wrapped, wrapped->choices.faults.malloc_fails)) {
        return false;
    }
    wrapped->mallocs_failed++;
    world_note(wrapped, "no memory", wrapped->mallocs_failed, 0, 0);
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t bytes) {
    if (malloc_fails()) {
        return NULL;
    }
    blocks += in_product();
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
    if (malloc_fails()) {
        return NULL;
    }
    blocks += in_product();
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes) {
    if (malloc_fails()) {
        return NULL;
    }
    blocks += in_product() && !memory;
    return __real_realloc(memory, bytes);
}

void __wrap_free(void *memory) {
    blocks -= in_product() && memory;
    __real_free(memory);
}

/* A little later each time, so that whoever waits for a time to pass gets there. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *time) {
    if (!wrapped) {
        return __real_clock_gettime(clock, time);
    }
    wrapped->now_ns += 20;
    uint64_t ns = wrapped->now_ns;
    if (clock == CLOCK_REALTIME) {
        ns += (uint64_t)wrapped->wall_s * 1000000000u - wrapped->start_ns;
    } else if (clock == CLOCK_BOOTTIME) {
        ns += wrapped->suspended_ns;
    }
    time->tv_sec = (time_t)(ns / 1000000000u);
    time->tv_nsec = (long)(ns % 1000000000u);
    return 0;
}

time_t __wrap_time(time_t *seconds) {
    if (!wrapped) {
        return __real_time(seconds);
    }
    time_t now =
        (time_t)(wrapped->wall_s + (int64_t)((wrapped->now_ns - wrapped->start_ns) / 1000000000u));
    if (seconds) {
        *seconds = now;
    }
    return now;
}

/* The log: nobody reads it, and sometimes nobody takes it. */
ssize_t __wrap_write(int descriptor, const void *bytes, size_t length) {
    if (kernel_knows(wrapped, descriptor)) {
        return kernel_write(wrapped, descriptor);
    }
    if (!in_product() || descriptor != STDERR_FILENO) {
        return __real_write(descriptor, bytes, length);
    }
    if (wrapped->choices.log_full || world_fault(wrapped, wrapped->choices.faults.send_again)) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)length;
}

int __wrap_poll(struct pollfd *polled, nfds_t count, int timeout_ms) {
    if (!in_product()) {
        return __real_poll(polled, count, timeout_ms);
    }
    return 1;
}

/* Listening sockets are closed by these, not by the engine. */
int __wrap_close(int descriptor) {
    if (kernel_knows(wrapped, descriptor)) {
        kernel_close(wrapped, descriptor);
        return 0;
    }
    if (!in_product() || descriptor < SOCKETS_FIRST) {
        return __real_close(descriptor);
    }
    socket_close(wrapped, sockets_find(wrapped, descriptor));
    return 0;
}

int __wrap_shutdown(int descriptor, int how) {
    if (!in_product() || descriptor < SOCKETS_FIRST) {
        return __real_shutdown(descriptor, how);
    }
    socket_shut_down(sockets_find(wrapped, descriptor), how);
    return 0;
}
