/* breaker: loaded into a server by LD_PRELOAD (tests/server/locked.py), it has whatever thread a
 * signal is sent to do what its list doesn't have, as somebody would who has taken that thread
 * over.
 *
 *     SIGRTMIN + 8   execve(2)
 *     SIGRTMIN + 9   io_uring_setup(2)
 *     SIGRTMIN + 10  opens /proc/version, to read it
 *     SIGRTMIN + 11  makes a file of the name in the variable BREAKER_FILE
 *     SIGRTMIN + 12  submits an openat to the ring that this thread has; another thread: to one of
 *                    the others
 *
 * What comes of it is a line on stderr. The server is the one that users have.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/io/io.h"

#define FIRST_SIGNAL (SIGRTMIN + 8)
#define SIGNALS 5

static __thread struct io_uring *breaker_ring;
static int breaker_last_ring = -1;

static void breaker_tell(const char *what, int result) {
    char line[64];
    int length = snprintf(line, sizeof(line), "breaker: %s: %d\n", what, result);
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written;
}

static void breaker_open(const char *name, int flags) {
    int file = open(name, flags | O_CLOEXEC, 0600);
    breaker_tell("open", file < 0 ? -errno : 0);
    if (file >= 0) {
        close(file);
    }
}

static void breaker_submitted(void *owner, struct completion *completion, int result,
                              unsigned flags) {
    (void)owner, (void)completion, (void)flags;
    breaker_tell("operation", result);
}

static struct completion breaker_completion = {.done = breaker_submitted};

/* The reactor takes the completion as it takes its own. */
static void breaker_submit(void) {
    struct io_uring_sqe *entry;
    if (!breaker_ring) {
        long result = syscall(SYS_io_uring_enter, breaker_last_ring, 1, 0, 0, NULL, 0);
        breaker_tell("operation", result < 0 ? -errno : 0);
        return;
    }
    entry = io_uring_get_sqe(breaker_ring);
    io_uring_prep_openat(entry, AT_FDCWD, "/proc/version", O_RDONLY, 0);
    io_uring_sqe_set_data64(entry, (uintptr_t)&breaker_completion);
    io_uring_submit_and_get_events(breaker_ring);
}

static void breaker_signalled(int number) {
    char *const arguments[] = {(char *)"true", NULL};
    struct io_uring_params params = {0};
    switch (number - FIRST_SIGNAL) {
    case 0:
        execve("/bin/true", arguments, arguments + 1);
        breaker_tell("execve", -errno);
        break;
    case 1:
        breaker_tell("io_uring_setup", (int)syscall(SYS_io_uring_setup, 1, &params));
        break;
    case 2:
        breaker_open("/proc/version", O_RDONLY);
        break;
    case 3:
        breaker_open(getenv("BREAKER_FILE"), O_WRONLY | O_CREAT);
        break;
    case 4:
        breaker_submit();
        break;
    default:
        break;
    }
}

/* In place of liburing's: who opens a ring is its thread. */
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params) {
    typedef int original(unsigned entries, struct io_uring *ring, struct io_uring_params *params);
    original *call = (original *)(uintptr_t)dlsym(RTLD_NEXT, "io_uring_queue_init_params");
    int result = call(entries, ring, params);
    if (result == 0 && getpid() != gettid()) {
        breaker_ring = ring;
        breaker_last_ring = ring->ring_fd;
    }
    return result;
}

__attribute__((constructor)) static void breaker_load(void) {
    struct sigaction action = {.sa_handler = breaker_signalled, .sa_flags = SA_RESTART};
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(FIRST_SIGNAL + i, &action, NULL);
    }
}
