#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/canned_clients.h"

/* How far apart clients are in the batches that they all send. */
#define BATCHES_APART 7

static struct canned_client *clients_find(struct canned_clients *clients, int descriptor) {
    struct canned_client *found = NULL;
    for (int i = 0; i < clients->accepted; i++) {
        struct canned_client *client = &clients->clients[i];
        if (client->descriptor == descriptor && (!client->has_ended || client->is_watched)) {
            found = client;
        }
    }
    assert(found);
    return found;
}

int canned_clients_accept(struct canned_clients *clients) {
    int number = clients->accepted++;
    struct canned_client *client = &clients->clients[number];
    client->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(client->descriptor >= 0);
    client->is_storing = number == 0;
    client->batches = (uint32_t)number * BATCHES_APART;
    client->sends_after = clients->turn + 1 + number % 2;
    return client->descriptor;
}

void canned_clients_receive(struct canned_clients *clients, struct canned_ring *ring,
                            const struct io_uring_sqe *receive) {
    struct canned_client *client = clients_find(clients, receive->fd);
    assert(!client->is_receiving);
    client->is_receiving = true;
    client->ring = ring;
    client->receive = *receive;
}

void canned_clients_send(struct canned_clients *clients, struct canned_ring *ring,
                         const struct io_uring_sqe *send, size_t length) {
    struct canned_client *client = clients_find(clients, send->fd);
    assert(length <= client->replies_left);
    client->replies_left -= length;
    client->sends_after = clients->turn + 2;
    if (!(send->flags & IOSQE_CQE_SKIP_SUCCESS)) {
        canned_ring_complete(ring, send->user_data, (int)length, 0);
    }
}

void canned_clients_watch(struct canned_clients *clients, struct canned_ring *ring,
                          const struct io_uring_sqe *poll) {
    struct canned_client *client = clients_find(clients, poll->fd);
    assert(!client->is_watched);
    client->is_watched = true;
    client->ring = ring;
    client->receive = *poll;
}

ssize_t canned_clients_take(struct canned_clients *clients, int descriptor, void *where,
                            size_t length) {
    struct canned_client *client = clients_find(clients, descriptor);
    if (client->has_ended) {
        return 0;
    }
    if (!client->left_length) {
        return -1;
    }
    if (length > client->left_length) {
        length = client->left_length;
    }
    memcpy(where, client->left, length);
    client->left += length;
    client->left_length -= length;
    client->is_told = false;
    return (ssize_t)length;
}

void canned_clients_cancel(struct canned_clients *clients, uint64_t user_data) {
    for (int i = 0; i < clients->accepted; i++) {
        struct canned_client *client = &clients->clients[i];
        if (client->is_watched && client->receive.user_data == user_data) {
            client->is_watched = false;
            canned_ring_complete(client->ring, user_data, -ECANCELED, 0);
        }
    }
}

static void clients_start(struct canned_client *client, const struct canned_batch *batch) {
    client->left = batch->bytes;
    client->left_length = batch->length;
    client->replies_left = batch->reply_length;
}

static void clients_end(struct canned_clients *clients, struct canned_client *client) {
    client->has_ended = true;
    client->is_receiving = false;
    clients->ended++;
    if (client->is_watched) {
        canned_ring_complete(client->ring, client->receive.user_data, POLLIN | POLLRDHUP,
                             IORING_CQE_F_MORE);
    } else {
        canned_ring_complete(client->ring, client->receive.user_data, 0, 0);
    }
}

static void clients_start_next(struct canned_clients *clients, struct canned_client *client) {
    if (client->is_storing) {
        clients_start(client, &clients->requests.stores[client->batches++]);
        if (client->batches == CANNED_BATCHES) {
            client->is_storing = false;
            client->batches = 0;
            clients->are_stored = true;
        }
    } else if (clients->are_stored && clients->requests_left > 0) {
        clients_start(client, &clients->requests.measured[client->batches++ % CANNED_BATCHES]);
        clients->requests_left -= clients->in_flight;
    } else if (clients->are_stored) {
        clients_end(clients, client);
    }
}

/* What is taken in parts is told of once. */
static void clients_tell(struct canned_client *client) {
    if (!client->is_told) {
        canned_ring_complete(client->ring, client->receive.user_data, POLLIN, IORING_CQE_F_MORE);
    }
    client->is_told = true;
}

static void clients_deliver(struct canned_client *client) {
    size_t length = client->left_length;
    uint32_t flags;
    char *target = canned_ring_target(client->ring, &client->receive, &length, &flags);
    memcpy(target, client->left, length);
    client->left += length;
    client->left_length -= length;
    client->is_receiving = false;
    if (client->left_length) {
        flags |= IORING_CQE_F_SOCK_NONEMPTY;
    }
    canned_ring_complete(client->ring, client->receive.user_data, (int)length, flags);
}

void canned_clients_turn(struct canned_clients *clients) {
    clients->turn++;
    for (int i = 0; i < clients->accepted; i++) {
        struct canned_client *client = &clients->clients[i];
        if (!client->is_receiving && !client->is_watched) {
            continue;
        }
        if (client->has_ended || clients->turn < client->sends_after) {
            continue;
        }
        if (!client->left_length && !client->replies_left) {
            clients_start_next(clients, client);
        }
        if (client->left_length && client->is_watched) {
            clients_tell(client);
        } else if (client->left_length) {
            clients_deliver(client);
        }
    }
}
