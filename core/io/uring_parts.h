/* uring_parts: what the files of the engine that is io_uring share.
 *
 *     uring.c          operations, their completions, opening
 *     uring_source.c   receiving: sources and lent buffers
 *     uring_queue.c    entering the kernel
 *     uring_room.c     what a ring may be asked for, and no more
 *     uring_refused.c  whether it can be had here, and why not
 *
 * Thread: the reactor's, but for opening and closing.
 */
#ifndef CORE_IO_URING_PARTS_H
#define CORE_IO_URING_PARTS_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/io/source.h"
#include "core/io/uring.h"

/* Sends that are tried once, between two submissions; others wait as all sends do. */
#define URING_ONCE_MAX 256

struct uring_once {
    struct completion *completion;
    int result;
};

struct uring {
    struct io io; /* first, so that one is found from the other */
    struct io_uring ring;

    struct source_pool sources;
    struct source_list closed; /* that the kernel has not let go of, or queued ones */

    uint32_t once_count;
    struct uring_once once[URING_ONCE_MAX];
};

static inline struct uring *uring_of(struct io *io) {
    return (struct uring *)io;
}

/* Submits what there is, and fetches completions, without waiting. */
void uring_submit(struct uring *uring);

/* Submits until there is a free entry. */
__attribute__((cold)) struct io_uring_sqe *uring_make_entry(struct uring *uring);

/* A free submission entry, never NULL: a full queue is submitted first. */
static inline struct io_uring_sqe *uring_entry(struct uring *uring) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);
    return entry ? entry : uring_make_entry(uring);
}

/* In user data: the rest of it is the address of a struct io_source. */
#define URING_SOURCE_TAG ((uint64_t)4)

/* Memory for the buffers, 0 or -ENOMEM; and all of it back, when the kernel knows the ring no more.
 */
int uring_init_sources(struct uring *uring);
void uring_finish_sources(struct uring *uring);

/* A completion entry with the tag of sources has come. */
void uring_source_event(struct uring *uring, void *owner, const struct io_uring_cqe *event);

/* Goes on with the sources that wait for it. */
void uring_take_sources(struct uring *uring, void *owner);

static inline bool uring_sources_wait(const struct uring *uring) {
    return source_pool_has_queued(&uring->sources);
}

/* Whether the kernel knows all operations that it is asked for: 0, or -EOPNOTSUPP, or another
 * -errno where it can't be told. Not of a ring that is restricted. */
int uring_try_operations(struct io_uring *ring);

/* Of a ring that was made disabled: from now on it takes what is used here alone, of whoever
 * submits it, and this thread is its only one. 0 or -errno. */
int uring_restrict(struct io_uring *ring);

/* Of struct io_engine. */
const char *uring_advice(int error);
void uring_enter(struct io *io, uint64_t wait_ns);
bool uring_has_events(struct io *io);
struct io_source *uring_open_source(struct io *io, int socket, struct completion *received);
void uring_close_source(struct io *io, struct io_source *source);
void uring_receive(struct io *io, struct io_source *source, char *where, size_t length);
char *uring_buffer(const struct io *io, unsigned number);
void uring_give_buffer(struct io *io, unsigned number);
void uring_trim(struct io *io);

#endif
