/* What a ring may be asked for, and no more. System call filters don't see what is submitted to a
 * ring; the kernel refuses here what is not on these lists (EACCES), for good. */
#include <errno.h>
#include <stdlib.h>

#include "core/io/uring_parts.h"

/* Operations that are submitted. */
static const uint8_t room_operations[] = {
    IORING_OP_SEND,     IORING_OP_SENDMSG,      IORING_OP_ACCEPT,
    IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_MSG_RING,
};
#define ROOM_OPERATIONS (sizeof(room_operations) / sizeof(*room_operations))

/* Flags that entries may have. Those of sends and receives lie elsewhere. */
#define ROOM_FLAGS IOSQE_CQE_SKIP_SUCCESS

int uring_try_operations(struct io_uring *ring) {
    size_t size = sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op);
    struct io_uring_probe *probe = calloc(1, size);
    int result = probe ? io_uring_register_probe(ring, probe, 256) : -ENOMEM;
    for (size_t i = 0; i < ROOM_OPERATIONS && result == 0; i++) {
        result = io_uring_opcode_supported(probe, room_operations[i]) ? 0 : -EOPNOTSUPP;
    }
    free(probe);
    return result;
}

/* The functions that liburing has for the two exist in its header alone: version 2.3 as a shared
 * library lacks them (findings/liburing-restrictions.sh). */
static int room_register(const struct io_uring *ring, unsigned what, const void *rules,
                         unsigned count) {
    return io_uring_register((unsigned)ring->ring_fd, what, rules, count);
}

/* Nothing is registered with it any more, so no such call is on the list; enabling needs none. */
int uring_restrict(struct io_uring *ring) {
    struct io_uring_restriction rules[ROOM_OPERATIONS + 1] = {
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = ROOM_FLAGS},
    };
    for (size_t i = 0; i < ROOM_OPERATIONS; i++) {
        rules[i + 1].opcode = IORING_RESTRICTION_SQE_OP;
        rules[i + 1].sqe_op = room_operations[i];
    }
    int error = room_register(ring, IORING_REGISTER_RESTRICTIONS, rules, ROOM_OPERATIONS + 1);
    return error ? error : room_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}
