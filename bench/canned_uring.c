#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/canned_uring.h"

#define START_NS 1000000000000
#define CALL_NS 1000 /* from one look at the clock to the next */
#define NS_PER_S 1000000000
#define REALTIME_START_S 1600000000
#define RANDOM_BYTE 0x5a

/* The functions that stand in for others have no parameter that leads to it. */
static struct canned_uring canned = {.signal_descriptor = -1, .clock_ns = START_NS};

static long canned_setting(const char *name) {
    const char *text = getenv(name);
    if (!text) {
        fprintf(stderr, "canned_uring: the environment has no %s\n", name);
        exit(1);
    }
    return atol(text);
}

/* Before the server's first instruction, and so before its threads. */
__attribute__((constructor)) static void canned_start(void) {
    const char *kind = getenv("CANNED_KIND");
    struct canned_clients *clients = &canned.clients;
    canned.cores = (int)canned_setting("CANNED_CORES");
    clients->count = (int)canned_setting("CANNED_CONNECTIONS");
    clients->in_flight = (int)canned_setting("CANNED_IN_FLIGHT");
    clients->requests_left = canned_setting("CANNED_REQUESTS");
    assert(canned.cores > 0);
    assert(canned.cores <= CANNED_RINGS_MAX);
    assert(clients->count > 0);
    assert(clients->count <= CANNED_CLIENTS_MAX);
    assert(clients->in_flight > 0);
    canned_requests_make(&clients->requests, kind ? kind : "", clients->in_flight);
}

static struct canned_ring *canned_find(const struct io_uring *uring) {
    struct canned_ring *found = NULL;
    for (int i = 0; i < CANNED_RINGS_MAX; i++) {
        if (canned.rings[i].ring == uring) {
            found = &canned.rings[i];
        }
    }
    assert(found);
    return found;
}

static struct canned_ring *canned_find_descriptor(int descriptor) {
    struct canned_ring *found = NULL;
    for (int i = 0; i < CANNED_RINGS_MAX; i++) {
        if (canned.rings[i].ring && canned.rings[i].ring->ring_fd == descriptor) {
            found = &canned.rings[i];
        }
    }
    assert(found);
    return found;
}

/* Threads start in any order, so each ring has the number in its thread's name. Those that the main
 * thread opens are tried before any reactor starts, and closed again. */
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params) {
    char name[16] = "";
    int number;
    prctl(PR_GET_NAME, name);
    if (sscanf(name, "reactor %d", &number) != 1) {
        number = atomic_fetch_add(&canned.rings_count, 1);
    }
    assert(number < CANNED_RINGS_MAX);
    canned_ring_init(&canned.rings[number], ring, entries, params);
    return 0;
}

int io_uring_register_ring_fd(struct io_uring *ring) {
    (void)ring;
    return 1;
}

int io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *reg,
                               unsigned flags) {
    (void)flags;
    struct canned_ring *found = canned_find(ring);
    found->buffers = (struct io_uring_buf_ring *)(uintptr_t)reg->ring_addr;
    found->buffers_count = reg->ring_entries;
    return 0;
}

/* A canned ring does nothing that it could be kept from. */
int io_uring_register(unsigned fd, unsigned what, const void *argument, unsigned count) {
    (void)fd, (void)what, (void)argument, (void)count;
    return 0;
}

/* All operations that the server asks for are known. */
int io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned count) {
    (void)ring;
    probe->last_op = (uint8_t)(count - 1);
    for (unsigned i = 0; i < count; i++) {
        probe->ops[i].flags = IO_URING_OP_SUPPORTED;
    }
    return 0;
}

void io_uring_queue_exit(struct io_uring *ring) {
    canned_find(ring)->ring = NULL;
    close(ring->ring_fd);
}

static size_t canned_message_length(const struct io_uring_sqe *send) {
    const struct msghdr *message = (const struct msghdr *)(uintptr_t)send->addr;
    size_t length = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        length += message->msg_iov[i].iov_len;
    }
    return length;
}

static void canned_poll(struct canned_ring *ring, const struct io_uring_sqe *request) {
    if (request->fd == canned.signal_descriptor) {
        canned.signal = (struct canned_waiting){ring, request->user_data};
    } else if (request->len & IORING_POLL_ADD_MULTI) {
        canned_clients_watch(&canned.clients, ring, request);
    }
}

/* Timeouts never run out. */
static void canned_take(struct canned_ring *ring, const struct io_uring_sqe *request) {
    switch (request->opcode) {
    case IORING_OP_RECV:
        canned_clients_receive(&canned.clients, ring, request);
        break;
    case IORING_OP_SEND:
        canned_clients_send(&canned.clients, ring, request, request->len);
        break;
    case IORING_OP_SENDMSG:
        canned_clients_send(&canned.clients, ring, request, canned_message_length(request));
        break;
    case IORING_OP_POLL_ADD:
        canned_poll(ring, request);
        break;
    case IORING_OP_ACCEPT:
        canned.accept = (struct canned_waiting){ring, request->user_data};
        break;
    case IORING_OP_MSG_RING:
        canned_ring_complete(canned_find_descriptor(request->fd), request->off, (int)request->len,
                             0);
        break;
    case IORING_OP_ASYNC_CANCEL:
        canned_clients_cancel(&canned.clients, request->addr);
        break;
    case IORING_OP_TIMEOUT:
    case IORING_OP_TIMEOUT_REMOVE:
        break;
    default:
        fprintf(stderr, "canned_uring: a request with opcode %d\n", request->opcode);
        abort();
    }
}

static void canned_accept(void) {
    while (canned.accept.ring && canned.clients.accepted < canned.clients.count) {
        int descriptor = canned_clients_accept(&canned.clients);
        canned_ring_complete(canned.accept.ring, canned.accept.user_data, descriptor,
                             IORING_CQE_F_MORE);
    }
}

/* Once all clients have ended and the reactors know it. */
static void canned_stop(void) {
    bool is_over = canned.signal.ring && canned.clients.ended == canned.clients.count;
    for (int i = 0; i < canned.cores; i++) {
        is_over = is_over && !canned_ring_is_ready(&canned.rings[i]);
    }
    if (is_over) {
        canned_ring_complete(canned.signal.ring, canned.signal.user_data, POLLIN, 0);
        canned.signal.ring = NULL;
        canned.is_signal_pending = true;
        canned.is_stopping = true;
    }
}

/* What happens while the reactor is in the kernel. */
static void canned_world_turn(void) {
    canned_accept();
    canned_clients_turn(&canned.clients);
    canned_stop();
}

static void canned_wait_for_turn(int number) {
    while (canned.turn_of != number && !canned.is_stopping) {
        sched_yield();
    }
}

static void canned_submit(struct canned_ring *ring) {
    struct io_uring_sq *submissions = &ring->ring->sq;
    for (; submissions->sqe_head != submissions->sqe_tail; submissions->sqe_head++) {
        canned_take(ring, &submissions->sqes[submissions->sqe_head & submissions->ring_mask]);
    }
    *submissions->ktail = *submissions->khead = submissions->sqe_tail;
}

/* Waits for a completion only where there is to be one. Returns how many were submitted. */
static int canned_enter(struct io_uring *uring, unsigned completions) {
    struct canned_ring *ring = canned_find(uring);
    int number = (int)(ring - canned.rings);
    int submitted = (int)(uring->sq.sqe_tail - uring->sq.sqe_head);
    if (!ring->calls++) {
        assert(!submitted);
        return 0;
    }
    if (ring->calls == 2) {
        canned_wait_for_turn(number);
    }
    canned_submit(ring);
    do {
        if (canned.cores == 1 || !canned.is_stopping) {
            canned_world_turn();
        }
        canned.turn_of = (number + 1) % canned.cores;
        canned_wait_for_turn(number);
        if (canned.is_stopping) {
            sched_yield();
        }
    } while (completions && !canned_ring_is_ready(ring) && !canned.is_stopping);
    return submitted;
}

int io_uring_submit_and_get_events(struct io_uring *ring) {
    return canned_enter(ring, 0);
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr) {
    return canned_enter(ring, wait_nr);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe_ptr,
                                     unsigned wait_nr, struct __kernel_timespec *ts,
                                     sigset_t *sigmask) {
    (void)cqe_ptr;
    (void)ts;
    (void)sigmask;
    return canned_enter(ring, wait_nr);
}

/* Of clients alone. */
ssize_t recv(int fd, void *buf, size_t n, int flags) {
    (void)flags;
    ssize_t taken = canned_clients_take(&canned.clients, fd, buf, n);
    errno = taken < 0 ? EAGAIN : errno;
    return taken;
}

int signalfd(int fd, const sigset_t *mask, int flags) {
    (void)fd;
    (void)mask;
    (void)flags;
    canned.signal_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return canned.signal_descriptor;
}

/* Of the descriptor that signalfd returned: SIGTERM, once. */
ssize_t read(int fd, void *buf, size_t nbytes) {
    if (canned.signal_descriptor < 0 || fd != canned.signal_descriptor) {
        return syscall(SYS_read, fd, buf, nbytes);
    }
    if (!canned.is_signal_pending) {
        errno = EAGAIN;
        return -1;
    }
    struct signalfd_siginfo info = {.ssi_signo = SIGTERM};
    assert(nbytes >= sizeof(info));
    canned.is_signal_pending = false;
    memcpy(buf, &info, sizeof(info));
    return sizeof(info);
}

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
    (void)flags;
    memset(buffer, RANDOM_BYTE, length);
    return (ssize_t)length;
}

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
    int64_t ns = atomic_fetch_add(&canned.clock_ns, CALL_NS) + CALL_NS;
    tp->tv_sec = ns / NS_PER_S + (clock_id == CLOCK_REALTIME ? REALTIME_START_S : 0);
    tp->tv_nsec = ns % NS_PER_S;
    return 0;
}
