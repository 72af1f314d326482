/* canned_ring: an io_uring ring in plain memory, without a kernel behind it. */
#ifndef BENCH_CANNED_RING_H
#define BENCH_CANNED_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct canned_ring {
    struct io_uring *ring; /* the reactor's own */
    struct io_uring_buf_ring *buffers;
    uint32_t buffers_count; /* a power of two */
    uint16_t buffers_taken; /* since the start, modulo 2^16 like the ring's tail */
    int64_t calls;          /* for completions */
};

/* Gives the reactor's ring its memory, with room for so many submissions, a power of two. Whatever
 * a kernel can do is said to be there, but for leaving out completions. */
void canned_ring_init(struct canned_ring *ring, struct io_uring *uring, unsigned submissions,
                      struct io_uring_params *params);

/* Adds a completion, for which there must be room. */
void canned_ring_complete(struct canned_ring *ring, uint64_t user_data, int result, uint32_t flags);

/* Are there completions that the reactor has not taken? */
bool canned_ring_is_ready(const struct canned_ring *ring);

/* Where bytes for this receive go: its own memory, or the next of the ring's buffers, of which
 * there must be one. *length: at most so many on return. *flags: what the completion says about it.
 */
char *canned_ring_target(struct canned_ring *ring, const struct io_uring_sqe *receive,
                         size_t *length, uint32_t *flags);

#endif
