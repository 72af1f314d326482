/* outgoing: output that is being sent to the client, and the large values in it, which are sent
 * from where they lie.
 *
 *     output   VALUE a 0 9\r\nsome text\r\nVALUE b 0 1048576\r\n|\r\nEND\r\n
 *     leases                                                    └─ {at, owner, large, length}
 *
 * A struct lease stands for one lease of a store (see store_lease()), on a value that comes before
 * byte `at` of the output. Whoever has the struct has to end the lease. Leases lie in a buffer, as
 * an array, in the order of the output.
 *
 * Thread: the reactor of the connection; the owner's reactor goes on with its store meanwhile.
 */
#ifndef CORE_PIPELINE_OUTGOING_H
#define CORE_PIPELINE_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base/buffer.h"
#include "core/shard/shard.h"

/* The bytes of one send of output with leases: a value of 1 MiB as a whole, since each send wakes
 * the client, which costs as much as a third of a MiB. */
#define OUTGOING_SEND_BYTES_MAX ((size_t)1088 * 1024)

/* Budget of sends with large values per turn: when it is used up no other send begins in that turn.
 * It bounds how long a small request waits behind them. */
#define OUTGOING_TURN_BYTES ((size_t)512 * 1024)

/* The pieces of memory of one send. */
#define OUTGOING_PARTS_MAX 24

struct lease {
    uint64_t large; /* the store's handle */
    uint32_t owner; /* whose store */
    uint32_t length;
    size_t at;
};

/* How far output has been sent: up to the byte `byte`, and `offset` bytes into the value of the
 * lease with the number `lease` when that stands at this byte. */
struct outgoing_position {
    size_t byte;
    uint32_t lease;
    uint32_t offset;
};

/* The parameters of one send, which the kernel reads until it completes. */
struct outgoing_send {
    struct msghdr message;
    struct iovec parts[OUTGOING_PARTS_MAX];
};

struct outgoing {
    struct buffer output;
    struct buffer leases;
    struct outgoing_position position;
    uint32_t ended; /* of the leases: the first so many have been ended */
};

/* Ends the lease that a connection of this shard has on a value of the shard `owner`. False without
 * credit or a message for telling that one, or while its own is lent: to be called again when
 * messages, or the shard, have come back. */
bool lease_end(struct shard *shard, uint32_t owner, uint64_t large);

/* Ends all leases and releases the buffer. False when some are left, as with lease_end(). */
bool leases_end(struct shard *shard, struct buffer *leases);

/* Adds a lease. False without memory: it stays the caller's. */
bool leases_add(struct shard *shard, struct buffer *leases, const struct lease *lease);

uint32_t leases_count(const struct buffer *leases);

/* Whether one of them is a lease of that shard's store. */
bool leases_have_owner(const struct buffer *leases, uint32_t owner);

/* Bytes of output and values together. */
size_t outgoing_bytes(const struct outgoing *outgoing);

static inline bool outgoing_is_empty(const struct outgoing *outgoing) {
    return outgoing->output.length == 0;
}

/* Whether a lease of that shard's store has not been ended yet. */
bool outgoing_has_lease_of(const struct outgoing *outgoing, uint32_t owner);

/* Whether all of it has been sent. */
static inline bool outgoing_is_sent(const struct outgoing *outgoing) {
    return outgoing->position.byte == outgoing->output.length &&
           outgoing->position.lease * sizeof(struct lease) == outgoing->leases.length;
}

/* The next bytes to be sent, at most `bytes_max`, in up to OUTGOING_PARTS_MAX pieces; returns the
 * number of pieces. They last until outgoing_release(). */
int outgoing_gather(const struct outgoing *outgoing, const struct shard *shard, size_t bytes_max,
                    struct iovec *parts);

/* Notes that the next `sent` bytes have been sent, and ends the leases on values that have been
 * sent as a whole, as far as there is credit. */
void outgoing_advance(struct outgoing *outgoing, struct shard *shard, size_t sent);

/* Ends all leases and releases the memory, however much has been sent; *outgoing is empty then.
 * False when some leases are left, as with lease_end(). */
bool outgoing_release(struct outgoing *outgoing, struct shard *shard);

#endif
