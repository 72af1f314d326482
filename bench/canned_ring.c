#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "bench/canned_ring.h"

#define RING_WORDS 8

static void ring_set_words(struct io_uring *uring) {
    unsigned *words = calloc(RING_WORDS, sizeof(*words));
    assert(words);
    uring->sq.khead = words;
    uring->sq.ktail = words + 1;
    uring->sq.kflags = words + 2;
    uring->sq.kdropped = words + 3;
    uring->cq.khead = words + 4;
    uring->cq.ktail = words + 5;
    uring->cq.kflags = words + 6;
    uring->cq.koverflow = words + 7;
}

void canned_ring_init(struct canned_ring *ring, struct io_uring *uring, unsigned submissions,
                      struct io_uring_params *params) {
    unsigned completions = params->cq_entries ? params->cq_entries : 2 * submissions;
    memset(uring, 0, sizeof(*uring));
    ring_set_words(uring);
    uring->sq.array = calloc(submissions, sizeof(*uring->sq.array));
    uring->sq.sqes = calloc(submissions, sizeof(*uring->sq.sqes));
    uring->cq.cqes = calloc(completions, sizeof(*uring->cq.cqes));
    assert(uring->sq.array);
    assert(uring->sq.sqes);
    assert(uring->cq.cqes);
    uring->sq.ring_entries = submissions;
    uring->sq.ring_mask = submissions - 1;
    uring->cq.ring_entries = completions;
    uring->cq.ring_mask = completions - 1;
    uring->flags = params->flags;
    uring->features = params->features = ~0u & ~IORING_FEAT_CQE_SKIP;
    uring->ring_fd = uring->enter_ring_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    *ring = (struct canned_ring){.ring = uring};
}

void canned_ring_complete(struct canned_ring *ring, uint64_t user_data, int result,
                          uint32_t flags) {
    struct io_uring_cq *completions = &ring->ring->cq;
    unsigned tail = *completions->ktail;
    assert(tail - *completions->khead < completions->ring_entries);
    completions->cqes[tail & completions->ring_mask] =
        (struct io_uring_cqe){.user_data = user_data, .res = result, .flags = flags};
    *completions->ktail = tail + 1;
}

bool canned_ring_is_ready(const struct canned_ring *ring) {
    return *ring->ring->cq.khead != *ring->ring->cq.ktail;
}

char *canned_ring_target(struct canned_ring *ring, const struct io_uring_sqe *receive,
                         size_t *length, uint32_t *flags) {
    size_t room = receive->len;
    uint64_t address = receive->addr;
    *flags = 0;
    if (receive->flags & IOSQE_BUFFER_SELECT) {
        assert(ring->buffers_taken != ring->buffers->tail);
        const struct io_uring_buf *buffer =
            &ring->buffers->bufs[ring->buffers_taken & (ring->buffers_count - 1)];
        ring->buffers_taken++;
        room = buffer->len;
        address = buffer->addr;
        *flags = IORING_CQE_F_BUFFER | (uint32_t)buffer->bid << IORING_CQE_BUFFER_SHIFT;
    }
    if (*length > room) {
        *length = room;
    }
    return (char *)(uintptr_t)address;
}
