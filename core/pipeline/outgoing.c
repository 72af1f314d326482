#include "core/pipeline/outgoing.h"

#include <assert.h>

bool lease_end(struct shard *shard, uint32_t owner, uint64_t large) {
    if (shard_has(shard, owner)) {
        store_lease_end(shard->all[owner]->keys.store, large);
        return true;
    }
    if (!mesh_has_credit(shard->port, owner) || !shard_has_spare_message(shard)) {
        return false;
    }
    struct message *message = message_take(&shard->messages);
    message->kind = MESSAGE_LEASE_END;
    message->complete = shard_give_message;
    message->large = large;
    mesh_send_request(shard->port, owner, message);
    shard->counters.mesh_requests++;
    return true;
}

/* Leases. */

uint32_t leases_count(const struct buffer *leases) {
    return (uint32_t)(leases->length / sizeof(struct lease));
}

static const struct lease *lease_at(const struct buffer *leases, uint32_t i) {
    return (const struct lease *)leases->bytes + i;
}

static bool has_lease_of(const struct buffer *leases, uint32_t first, uint32_t owner) {
    for (uint32_t i = first; i < leases_count(leases); i++) {
        if (lease_at(leases, i)->owner == owner) {
            return true;
        }
    }
    return false;
}

bool leases_have_owner(const struct buffer *leases, uint32_t owner) {
    return has_lease_of(leases, 0, owner);
}

/* Of leases[*ended..end); false when some of them are left. */
static bool end_leases(struct shard *shard, const struct buffer *leases, uint32_t end,
                       uint32_t *ended) {
    for (; *ended < end; ++*ended) {
        const struct lease *lease = lease_at(leases, *ended);
        if (!lease_end(shard, lease->owner, lease->large)) {
            return false;
        }
        shard->leases--;
    }
    return true;
}

bool leases_end(struct shard *shard, struct buffer *leases) {
    uint32_t ended = 0;
    bool all = end_leases(shard, leases, leases_count(leases), &ended);
    buffer_consume(leases, ended * sizeof(struct lease));
    if (all) {
        buffer_release(&shard->buffers, leases);
    }
    return all;
}

bool leases_add(struct shard *shard, struct buffer *leases, const struct lease *lease) {
    if (!buffer_append(&shard->buffers, leases, (const char *)lease, sizeof(*lease))) {
        return false;
    }
    shard->leases++;
    return true;
}

/* Outgoing. */

size_t outgoing_bytes(const struct outgoing *outgoing) {
    size_t bytes = outgoing->output.length;
    for (uint32_t i = 0; i < leases_count(&outgoing->leases); i++) {
        bytes += lease_at(&outgoing->leases, i)->length;
    }
    return bytes;
}

bool outgoing_has_lease_of(const struct outgoing *outgoing, uint32_t owner) {
    return has_lease_of(&outgoing->leases, outgoing->ended, owner);
}

/* The lease that is at a position or the next one behind it; NULL: none is. */
static const struct lease *next_lease(const struct outgoing *outgoing,
                                      struct outgoing_position at) {
    return at.lease < leases_count(&outgoing->leases) ? lease_at(&outgoing->leases, at.lease)
                                                      : NULL;
}

/* What is in one piece from a position on. */
static struct iovec next_part(const struct outgoing *outgoing, const struct shard *shard,
                              struct outgoing_position at) {
    const struct lease *lease = next_lease(outgoing, at);
    size_t end = lease ? lease->at : outgoing->output.length;
    if (at.byte < end) {
        return (struct iovec){outgoing->output.bytes + at.byte, end - at.byte};
    }
    assert(lease);
    const char *bytes;
    uint32_t length =
        store_lease_read(shard->all[lease->owner]->keys.store, lease->large, at.offset, &bytes);
    return (struct iovec){(char *)bytes, length};
}

/* Moves a position on within the output up to the next lease, or within that. Returns how far. */
static size_t position_step(const struct outgoing *outgoing, struct outgoing_position *at,
                            size_t bytes) {
    const struct lease *lease = next_lease(outgoing, *at);
    size_t left = (lease ? lease->at : outgoing->output.length) - at->byte;
    if (left > 0) {
        size_t taken = bytes < left ? bytes : left;
        at->byte += taken;
        return taken;
    }
    assert(lease);
    left = lease->length - at->offset;
    size_t taken = bytes < left ? bytes : left;
    at->offset += (uint32_t)taken;
    if (taken == left) {
        at->lease++;
        at->offset = 0;
    }
    return taken;
}

int outgoing_gather(const struct outgoing *outgoing, const struct shard *shard, size_t bytes_max,
                    struct iovec *parts) {
    struct outgoing ahead = *outgoing;
    int count = 0;
    while (count < OUTGOING_PARTS_MAX && bytes_max > 0 && !outgoing_is_sent(&ahead)) {
        struct iovec *part = &parts[count++];
        *part = next_part(outgoing, shard, ahead.position);
        if (part->iov_len > bytes_max) {
            part->iov_len = bytes_max;
        }
        bytes_max -= part->iov_len;
        position_step(outgoing, &ahead.position, part->iov_len);
    }
    return count;
}

void outgoing_advance(struct outgoing *outgoing, struct shard *shard, size_t sent) {
    while (sent > 0) {
        sent -= position_step(outgoing, &outgoing->position, sent);
    }
    end_leases(shard, &outgoing->leases, outgoing->position.lease, &outgoing->ended);
}

bool outgoing_release(struct outgoing *outgoing, struct shard *shard) {
    if (!end_leases(shard, &outgoing->leases, leases_count(&outgoing->leases), &outgoing->ended)) {
        return false;
    }
    buffer_release(&shard->buffers, &outgoing->output);
    buffer_release(&shard->buffers, &outgoing->leases);
    *outgoing = (struct outgoing){0};
    return true;
}
