/* io: the operations that the program asks of the kernel, and their completions.
 *
 *     io_send(io, socket, …, &completion)
 *            │  submitted by io_enter(), with all others of the turn
 *            ▼
 *     io_take(io, owner) ─▶ completion.done(owner, &completion, result, flags)
 *
 * One struct io belongs to one reactor and is used by that reactor's thread alone, from io_open()
 * to the last io_enter(); only io_wake() names another reactor's. Nothing here waits but
 * io_enter().
 *
 * There are several engines behind this interface: io_uring (io/uring.h), epoll (io/epoll.h) and,
 * in tests, a simulated one that is driven by a seed. The rest of the program names no type of
 * theirs.
 *
 * An operation takes a completion that its caller owns and that must stay where it is until it has
 * been called: usually a member of the struct that the operation is about. There is one call of it
 * for each operation, but for accepting, which goes on as long as IO_MORE is told. `result` is what
 * the system call of that name would have returned, or -errno. A caller that wants an operation to
 * end early shuts the socket down (io_shut_down()); it completes then. At a time there are one
 * receive and one send of a socket, and one wait for a descriptor, or one accept.
 *
 * A completion is called from io_take() alone, never from within the function that started the
 * operation. It may start other operations, with the same completion too.
 */
#ifndef CORE_IO_IO_H
#define CORE_IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct io;
struct io_source;
struct completion;

/* owner: what was given to io_take(). The completion may be used again, or freed, from within. */
typedef void completion_done(void *owner, struct completion *completion, int result,
                             unsigned flags);

struct completion {
    completion_done *done;
};

/* flags of a completion; the numbers are io_uring's. */
#define IO_LENT 1u /* a receive has brought the buffer io_lent_buffer(flags) */
#define IO_MORE 2u /* accept: the next connection will complete it again */
#define IO_BUFFER_SHIFT 16

/* Bytes of a lent buffer; and how many a reactor has, 1 MiB: one is in use from its completion to
 * the end of that turn, no longer. */
#define IO_BUFFER_BYTES ((size_t)16 * 1024)
#define IO_BUFFERS 64

/* io_enter() waits until something has completed. */
#define IO_FOREVER UINT64_MAX

struct io_engine {
    const char *name;

    /* Makes the part of one reactor, on that reactor's thread. context: whatever the engine's own
     * header says. Returns 0 or -errno. */
    int (*open)(struct io **io, void *context);
    /* Frees it. Any thread, after all reactors have ended: others' wakes go there. */
    void (*close)(struct io *io);
    /* Says in words what a failure of open() means and what to do about it. */
    const char *(*advice)(int error);

    struct io_source *(*open_source)(struct io *io, int socket, struct completion *received);
    void (*close_source)(struct io *io, struct io_source *source);
    void (*leave_source)(struct io *io, struct io_source *source);
    void (*receive)(struct io *io, struct io_source *source, char *where, size_t length);
    char *(*buffer)(const struct io *io, unsigned number);
    void (*give_buffer)(struct io *io, unsigned number);
    void (*send)(struct io *io, int socket, const void *bytes, size_t length,
                 struct completion *completion);
    void (*send_once)(struct io *io, int socket, const void *bytes, size_t length,
                      struct completion *completion);
    void (*send_vector)(struct io *io, int socket, const struct msghdr *message,
                        struct completion *completion);
    size_t (*send_now)(struct io *io, int socket, const void *bytes, size_t length, bool more);
    void (*accept)(struct io *io, int socket, struct completion *completion);
    void (*cancel_accept)(struct io *io, struct completion *completion);
    void (*wait_readable)(struct io *io, int descriptor, struct completion *completion);
    void (*wake)(struct io *io, struct io *other);

    void (*trim)(struct io *io);
    void (*enter)(struct io *io, uint64_t wait_ns);
    void (*take)(struct io *io, void *owner);
    bool (*has_events)(struct io *io);

    void (*refuse)(struct io *io, int socket, const char *text, size_t length);
    void (*shut_down)(struct io *io, int socket, int how);
    void (*close_socket)(struct io *io, int socket);
};

/* What every engine's own struct begins with; open() sets it. */
struct io {
    const struct io_engine *engine;
};

/* A socket that bytes are received from, one receive at a time; each calls `received`. NULL without
 * memory. Closing it, before the socket itself, ends a receive that is under way without a call. */
static inline struct io_source *io_open_source(struct io *io, int socket,
                                               struct completion *received) {
    return io->engine->open_source(io, socket, received);
}
static inline void io_close_source(struct io *io, struct io_source *source) {
    io->engine->close_source(io, source);
}

/* Closes a source whose socket goes on at another engine, and may come back to this one, while
 * nothing of it is under way: from here on this engine knows nothing of the socket. */
static inline void io_leave_source(struct io *io, struct io_source *source) {
    io->engine->leave_source(io, source);
}

/* Receives up to `length` bytes to a place of the caller's, which nothing is written to but from
 * within io_take(). */
static inline void io_receive(struct io *io, struct io_source *source, char *where, size_t length) {
    io->engine->receive(io, source, where, length);
}

/* Receives up to `length` bytes, at most IO_BUFFER_BYTES, into a buffer of the engine's, which is
 * the caller's until io_give_buffer(). Only a result above 0 brings one. While all are lent it
 * waits. */
static inline void io_receive_lent(struct io *io, struct io_source *source, size_t length) {
    io->engine->receive(io, source, NULL, length);
}

/* The number of the buffer that a completion with IO_LENT brings; its bytes; and its return. */
static inline unsigned io_lent_buffer(unsigned flags) {
    return flags >> IO_BUFFER_SHIFT;
}
static inline char *io_buffer(const struct io *io, unsigned number) {
    return io->engine->buffer(io, number);
}
static inline void io_give_buffer(struct io *io, unsigned number) {
    io->engine->give_buffer(io, number);
}

/* Sends all the bytes, unless the connection ends before: a short result needs another call. What
 * is sent to has a source, which may be closed meanwhile. */
static inline void io_send(struct io *io, int socket, const void *bytes, size_t length,
                           struct completion *completion) {
    io->engine->send(io, socket, bytes, length, completion);
}

/* Sends what the socket takes at once, when it is submitted: at the first io_take() behind the next
 * io_enter() it has completed, and may be short, or -EAGAIN. When all has been sent, that alone
 * doesn't end a wait: it is for bytes behind which nothing else is to be done. */
static inline void io_send_once(struct io *io, int socket, const void *bytes, size_t length,
                                struct completion *completion) {
    io->engine->send_once(io, socket, bytes, length, completion);
}

/* Sends as much of the parts of a message as the socket takes; the message must stay until the
 * completion. */
static inline void io_send_vector(struct io *io, int socket, const struct msghdr *message,
                                  struct completion *completion) {
    io->engine->send_vector(io, socket, message, completion);
}

/* Sends what the socket takes at this moment, while no other send of it is under way, and returns
 * how many bytes; after an error too, which the next send tells. more: what belongs to the same
 * packets follows at once. It enters the kernel by itself: it is for bytes that would have to be
 * copied to wait. */
static inline size_t io_send_now(struct io *io, int socket, const void *bytes, size_t length,
                                 bool more) {
    return io->engine->send_now(io, socket, bytes, length, more);
}

/* Accepts connections, one for each call of the completion; each result is a descriptor that the
 * caller owns, or -errno. Without IO_MORE it has ended. io_cancel_accept() ends it, with
 * -ECANCELED; it does nothing when there is no such accept. It comes before the listener is closed.
 */
static inline void io_accept(struct io *io, int socket, struct completion *completion) {
    io->engine->accept(io, socket, completion);
}
static inline void io_cancel_accept(struct io *io, struct completion *completion) {
    io->engine->cancel_accept(io, completion);
}

/* Completes once a descriptor can be read. Its number isn't used for another such descriptor while
 * the engine is open. */
static inline void io_wait_readable(struct io *io, int descriptor, struct completion *completion) {
    io->engine->wait_readable(io, descriptor, completion);
}

/* Makes another reactor's io_enter() return. It never gets lost: where the kernel fails, the engine
 * tries again, unless the other's thread has ended. */
static inline void io_wake(struct io *io, struct io *other) {
    io->engine->wake(io, other);
}

/* Gives the memory of buffers that can be lent back to the system, if none is lent, but for a few.
 */
static inline void io_trim(struct io *io) {
    io->engine->trim(io);
}

/* Submits the operations started since the last call. With wait_ns > 0 it returns when something
 * has completed, a wake has come, or wait_ns have passed. */
static inline void io_enter(struct io *io, uint64_t wait_ns) {
    io->engine->enter(io, wait_ns);
}

/* Calls the completions of the operations that have ended. */
static inline void io_take(struct io *io, void *owner) {
    io->engine->take(io, owner);
}

/* Whether io_take() would call a completion. It reads memory, and enters the kernel only to fetch
 * completions that are ready there. */
static inline bool io_has_events(struct io *io) {
    return io->engine->has_events(io);
}

/* These act at once. Refusing sends a last line, or as much of it as the socket takes, and closes.
 */
static inline void io_refuse(struct io *io, int socket, const char *text, size_t length) {
    io->engine->refuse(io, socket, text, length);
}
static inline void io_shut_down(struct io *io, int socket, int how) {
    io->engine->shut_down(io, socket, how);
}
static inline void io_close_socket(struct io *io, int socket) {
    io->engine->close_socket(io, socket);
}

#endif
