#include "core/pipeline/outgoing.h"

#include <assert.h>

bool loan_end(struct shard *shard, uint32_t owner, uint64_t large) {
    if (owner == shard->id) {
        store_lease_end(shard->store, large);
        return true;
    }
    if (!mesh_has_credit(shard->port, owner) || !shard_has_spare_message(shard)) {
        return false;
    }
    struct message *message = message_take(&shard->messages);
    message->kind = MESSAGE_LEASE_END;
    message->large = large;
    mesh_send_request(shard->port, owner, message);
    return true;
}

/* Loans. */

static uint32_t count_of(const struct buffer *loans) {
    return (uint32_t)(loans->length / sizeof(struct loan));
}

static const struct loan *loan_of(const struct buffer *loans, uint32_t i) {
    return (const struct loan *)loans->bytes + i;
}

static bool has_loan_of(const struct buffer *loans, uint32_t first, uint32_t owner) {
    for (uint32_t i = first; i < count_of(loans); i++) {
        if (loan_of(loans, i)->owner == owner) {
            return true;
        }
    }
    return false;
}

bool loans_are_of(const struct buffer *loans, uint32_t owner) {
    return has_loan_of(loans, 0, owner);
}

/* Of loans[*returned..end); false when some of them are left. */
static bool end_leases(struct shard *shard, const struct buffer *loans, uint32_t end,
                       uint32_t *returned) {
    for (; *returned < end; ++*returned) {
        const struct loan *loan = loan_of(loans, *returned);
        if (!loan_end(shard, loan->owner, loan->large)) {
            return false;
        }
        shard->loans--;
    }
    return true;
}

bool loans_return(struct shard *shard, struct buffer *loans) {
    uint32_t returned = 0;
    bool all = end_leases(shard, loans, count_of(loans), &returned);
    buffer_consume(loans, returned * sizeof(struct loan));
    if (all) {
        buffer_release(&shard->buffers, loans);
    }
    return all;
}

bool loans_add(struct shard *shard, struct buffer *loans, const struct loan *loan) {
    if (!buffer_append(&shard->buffers, loans, (const char *)loan, sizeof(*loan))) {
        return false;
    }
    shard->loans++;
    return true;
}

/* Flights. */

size_t flight_bytes(const struct flight *flight) {
    size_t bytes = flight->output.length;
    for (uint32_t i = 0; i < count_of(&flight->loans); i++) {
        bytes += loan_of(&flight->loans, i)->length;
    }
    return bytes;
}

bool flight_has_loan_of(const struct flight *flight, uint32_t owner) {
    return has_loan_of(&flight->loans, flight->returned, owner);
}

bool flight_is_over(const struct flight *flight) {
    return flight->position.byte == flight->output.length &&
           flight->position.loan == count_of(&flight->loans);
}

/* The loan that is at a position or the next one behind it; NULL: none is. */
static const struct loan *next_loan(const struct flight *flight, struct flight_position at) {
    return at.loan < count_of(&flight->loans) ? loan_of(&flight->loans, at.loan) : NULL;
}

/* What is in one piece from a position on. */
static struct iovec next_part(const struct flight *flight, const struct shard *shard,
                              struct flight_position at) {
    const struct loan *loan = next_loan(flight, at);
    size_t end = loan ? loan->at : flight->output.length;
    if (at.byte < end) {
        return (struct iovec){flight->output.bytes + at.byte, end - at.byte};
    }
    assert(loan);
    const char *bytes;
    uint32_t length =
        store_lease_read(shard->all[loan->owner]->store, loan->large, at.offset, &bytes);
    return (struct iovec){(char *)bytes, length};
}

/* Moves a position on within the output up to the next loan, or within that. Returns how far. */
static size_t step(const struct flight *flight, struct flight_position *at, size_t bytes) {
    const struct loan *loan = next_loan(flight, *at);
    size_t left = (loan ? loan->at : flight->output.length) - at->byte;
    if (left > 0) {
        size_t taken = bytes < left ? bytes : left;
        at->byte += taken;
        return taken;
    }
    assert(loan);
    left = loan->length - at->offset;
    size_t taken = bytes < left ? bytes : left;
    at->offset += (uint32_t)taken;
    if (taken == left) {
        at->loan++;
        at->offset = 0;
    }
    return taken;
}

int flight_gather(const struct flight *flight, const struct shard *shard, size_t room,
                  struct iovec *parts) {
    struct flight ahead = *flight;
    int count = 0;
    while (count < FLIGHT_PARTS_MAX && room > 0 && !flight_is_over(&ahead)) {
        struct iovec *part = &parts[count++];
        *part = next_part(flight, shard, ahead.position);
        if (part->iov_len > room) {
            part->iov_len = room;
        }
        room -= part->iov_len;
        step(flight, &ahead.position, part->iov_len);
    }
    return count;
}

void flight_advance(struct flight *flight, struct shard *shard, size_t sent) {
    while (sent > 0) {
        sent -= step(flight, &flight->position, sent);
    }
    end_leases(shard, &flight->loans, flight->position.loan, &flight->returned);
}

bool flight_land(struct flight *flight, struct shard *shard) {
    if (!end_leases(shard, &flight->loans, count_of(&flight->loans), &flight->returned)) {
        return false;
    }
    buffer_release(&shard->buffers, &flight->output);
    buffer_release(&shard->buffers, &flight->loans);
    *flight = (struct flight){0};
    return true;
}
