/* The system calls of the engine on epoll, under simulation: kernel.c does what the kernel would.
 * The program is linked with --wrap for each of these (see meson.build). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "kernel.h"
#include "world.h"

#define SECOND_NS 1000000000u
#define MILLISECOND_NS 1000000u

int __real_epoll_create1(int flags);
int __real_epoll_ctl(int set, int operation, int descriptor, struct epoll_event *event);
int __real_epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms);
int __real_epoll_pwait2(int set, struct epoll_event *events, int max, const struct timespec *wait,
                        const sigset_t *signals);
int __real_eventfd(unsigned count, int flags);
int __real_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
ssize_t __real_recv(int socket, void *bytes, size_t length, int flags);
ssize_t __real_send(int socket, const void *bytes, size_t length, int flags);
ssize_t __real_sendmsg(int socket, const struct msghdr *message, int flags);
int __real_fcntl(int descriptor, int command, long argument);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int set, int operation, int descriptor, struct epoll_event *event);
int __wrap_epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_pwait2(int set, struct epoll_event *events, int max, const struct timespec *wait,
                        const sigset_t *signals);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
ssize_t __wrap_recv(int socket, void *bytes, size_t length, int flags);
ssize_t __wrap_send(int socket, const void *bytes, size_t length, int flags);
ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags);
int __wrap_fcntl(int descriptor, int command, ...);
int __wrap_fcntl64(int descriptor, int command, ...);

/* As libc has it. */
static long calls_result(long result) {
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* The reactors' engines are being opened. */
static bool calls_open(const struct world *world) {
    return world && world->epoll && world->in_reactor;
}

int __wrap_epoll_create1(int flags) {
    struct world *world = wrap_current();
    return calls_open(world) ? kernel_create_set(world) : __real_epoll_create1(flags);
}

int __wrap_eventfd(unsigned count, int flags) {
    struct world *world = wrap_current();
    return calls_open(world) ? kernel_create_event(world) : __real_eventfd(count, flags);
}

int __wrap_epoll_ctl(int set, int operation, int descriptor, struct epoll_event *event) {
    struct world *world = wrap_current();
    return kernel_knows(world, set)
               ? (int)calls_result(kernel_control(world, set, operation, descriptor, event))
               : __real_epoll_ctl(set, operation, descriptor, event);
}

int __wrap_epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms) {
    struct world *world = wrap_current();
    if (!kernel_knows(world, set)) {
        return __real_epoll_wait(set, events, max, timeout_ms);
    }
    uint64_t wait_ns = timeout_ms < 0 ? IO_FOREVER : (uint64_t)timeout_ms * MILLISECOND_NS;
    return (int)calls_result(kernel_wait(world, set, events, max, wait_ns));
}

/* Some kernels don't know it yet. */
int __wrap_epoll_pwait2(int set, struct epoll_event *events, int max, const struct timespec *wait,
                        const sigset_t *signals) {
    struct world *world = wrap_current();
    if (!kernel_knows(world, set)) {
        return __real_epoll_pwait2(set, events, max, wait, signals);
    }
    if (world->seed % 4 == 0) {
        return (int)calls_result(-ENOSYS);
    }
    uint64_t wait_ns = (uint64_t)wait->tv_sec * SECOND_NS + (uint64_t)wait->tv_nsec;
    return (int)calls_result(kernel_wait(world, set, events, max, wait_ns));
}

int __wrap_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags) {
    struct world *world = wrap_current();
    return kernel_knows(world, socket) ? (int)calls_result(kernel_accept(world, socket))
                                       : __real_accept4(socket, address, length, flags);
}

ssize_t __wrap_recv(int socket, void *bytes, size_t length, int flags) {
    struct world *world = wrap_current();
    return kernel_knows(world, socket) ? calls_result(kernel_receive(world, socket, bytes, length))
                                       : __real_recv(socket, bytes, length, flags);
}

ssize_t __wrap_send(int socket, const void *bytes, size_t length, int flags) {
    struct world *world = wrap_current();
    return kernel_knows(world, socket) ? calls_result(kernel_send(world, socket, bytes, length))
                                       : __real_send(socket, bytes, length, flags);
}

ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags) {
    struct world *world = wrap_current();
    return kernel_knows(world, socket) ? calls_result(kernel_send_message(world, socket, message))
                                       : __real_sendmsg(socket, message, flags);
}

static int calls_fcntl(int descriptor, int command, long argument) {
    struct world *world = wrap_current();
    return kernel_knows(world, descriptor)
               ? (int)calls_result(kernel_flags(world, descriptor, command, (int)argument))
               : __real_fcntl(descriptor, command, argument);
}

int __wrap_fcntl(int descriptor, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return calls_fcntl(descriptor, command, argument);
}

int __wrap_fcntl64(int descriptor, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return calls_fcntl(descriptor, command, argument);
}
