/* outgoing: output on its way to the client, and the large values in it, which are sent from where
 * they lie.
 *
 *     output   VALUE a 0 9\r\nsome text\r\nVALUE b 0 1048576\r\n|\r\nEND\r\n
 *     leases                                                     └─ {at, owner, large, length}
 *
 * A lease is a lease of a store (see store_lease()) on a value that stands in the output before
 * byte `at`. Whoever has the lease has to end the lease; leases lie in a buffer, as an array.
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

/* What one send takes of output with leases: a value of 1 MiB as a whole, since each send wakes
 * the client, which costs as much as a third of a MiB. */
#define OUTGOING_SEND_BYTES_MAX ((size_t)1088 * 1024)

/* Once so much of large values has gone out in a turn no other send begins: about so long a small
 * request waits for them. */
#define OUTGOING_TURN_BYTES ((size_t)512 * 1024)
#define OUTGOING_PARTS_MAX 24

struct lease {
    uint64_t large; /* the store's handle */
    uint32_t owner; /* whose store */
    uint32_t length;
    size_t at;
};

/* How far it has been sent: before the byte `byte` of the output, and `offset` into the value of
 * the lease `lease` if that is at this byte. */
struct outgoing_position {
    size_t byte;
    uint32_t lease;
    uint32_t offset;
};

/* What the kernel is given of the output at once. */
struct outgoing_send {
    struct msghdr message;
    struct iovec parts[OUTGOING_PARTS_MAX];
};

struct outgoing {
    struct buffer output;
    struct buffer leases;
    struct outgoing_position position;
    uint32_t returned; /* leases whose leases have been ended */
};

/* Ends the lease that a shard's connection has on a value of the shard `owner`. False when there is
 * no credit for telling that one: try again when replies have come back. */
bool lease_end(struct shard *shard, uint32_t owner, uint64_t large);

/* Ends the leases of all leases and releases the buffer. False when some are left, as above. */
bool leases_end(struct shard *shard, struct buffer *leases);

/* Adds the lease on the value that stands at the end of the output. False without memory. */
bool leases_add(struct shard *shard, struct buffer *leases, const struct lease *lease);

/* Whether one of them is a lease of that shard's store. */
bool leases_have_owner(const struct buffer *leases, uint32_t owner);

/* Bytes of output and values together. */
size_t outgoing_bytes(const struct outgoing *outgoing);

static inline bool outgoing_is_empty(const struct outgoing *outgoing) {
    return outgoing->output.length == 0;
}

/* Whether a lease of that shard's store is still held. */
bool outgoing_has_lease_of(const struct outgoing *outgoing, uint32_t owner);

/* Everything has been sent. */
static inline bool outgoing_is_sent(const struct outgoing *outgoing) {
    return outgoing->position.byte == outgoing->output.length &&
           outgoing->position.lease * sizeof(struct lease) == outgoing->leases.length;
}

/* The next bytes to be sent, at most `bytes_max`, in up to OUTGOING_PARTS_MAX pieces; returns how
 * many those are. They last until the outgoing has landed. */
int outgoing_gather(const struct outgoing *outgoing, const struct shard *shard, size_t bytes_max,
                    struct iovec *parts);

/* So many bytes of those have been sent: ends leases on values that are through, if it can. */
void outgoing_advance(struct outgoing *outgoing, struct shard *shard, size_t sent);

/* Gives everything back, at whatever point it is. False as with leases_end(). */
bool outgoing_release(struct outgoing *outgoing, struct shard *shard);

#endif
