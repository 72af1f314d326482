/* flight: output on its way to the client, and the large values in it, which are sent from where
 * they lie.
 *
 *     output   VALUE a 0 9\r\nsome text\r\nVALUE b 0 1048576\r\n|\r\nEND\r\n
 *     loans                                                     └─ {at, owner, large, length}
 *
 * A loan is a lease of a store (see store_lease()) on a value that stands in the output before byte
 * `at`. Whoever has the loan has to end the lease; loans lie in a buffer, as an array.
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

/* What one send takes of a flight with loans: a value of 1 MiB as a whole, since each send wakes
 * the client, which costs as much as a third of a MiB. */
#define FLIGHT_SEND_BYTES_MAX ((size_t)1088 * 1024)

/* Once so much of large values has gone out in a turn no other send begins: about so long a small
 * request waits for them. */
#define FLIGHT_TURN_BYTES ((size_t)512 * 1024)
#define FLIGHT_PARTS_MAX 24

struct loan {
    uint64_t large; /* the store's handle */
    uint32_t owner; /* whose store */
    uint32_t length;
    size_t at;
};

/* How far it has been sent: before the byte `byte` of the output, and `offset` into the value of
 * the loan `loan` if that is at this byte. */
struct flight_position {
    size_t byte;
    uint32_t loan;
    uint32_t offset;
};

/* What the kernel is given of a flight at once. */
struct flight_send {
    struct msghdr message;
    struct iovec parts[FLIGHT_PARTS_MAX];
};

struct flight {
    struct buffer output;
    struct buffer loans;
    struct flight_position position;
    uint32_t returned; /* loans whose leases have been ended */
};

/* Ends the lease that a shard's connection has on a value of the shard `owner`. False when there is
 * no credit for telling that one: try again when replies have come back. */
bool loan_end(struct shard *shard, uint32_t owner, uint64_t large);

/* Ends the leases of all loans and releases the buffer. False when some are left, as above. */
bool loans_return(struct shard *shard, struct buffer *loans);

/* Adds the lease on the value that stands at the end of the output. False without memory. */
bool loans_add(struct shard *shard, struct buffer *loans, const struct loan *loan);

/* Whether one of them is a lease of that shard's store. */
bool loans_are_of(const struct buffer *loans, uint32_t owner);

/* Bytes of output and values together. */
size_t flight_bytes(const struct flight *flight);

static inline bool flight_is_empty(const struct flight *flight) {
    return flight->output.length == 0;
}

/* Whether a lease of that shard's store is still held. */
bool flight_has_loan_of(const struct flight *flight, uint32_t owner);

/* Everything has been sent. */
bool flight_is_over(const struct flight *flight);

/* The next bytes to be sent, at most `room`, in up to FLIGHT_PARTS_MAX pieces; returns how many
 * those are. They last until the flight has landed. */
int flight_gather(const struct flight *flight, const struct shard *shard, size_t room,
                  struct iovec *parts);

/* So many bytes of those have been sent: ends leases on values that are through, if it can. */
void flight_advance(struct flight *flight, struct shard *shard, size_t sent);

/* Gives everything back, at whatever point it is. False as with loans_return(). */
bool flight_land(struct flight *flight, struct shard *shard);

#endif
