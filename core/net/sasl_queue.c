#include "core/net/sasl_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Wakes. */

void sasl_queue_wake(int descriptor) {
    uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof(one));
    assert(written == sizeof(one) || errno == EAGAIN); /* a full counter wakes, too */
}

void sasl_queue_slept(int descriptor) {
    uint64_t count;
    ssize_t taken = read(descriptor, &count, sizeof(count));
    assert(taken == sizeof(count) || errno == EAGAIN || errno == EINTR);
}

/* The queue. */

int sasl_queue_init(struct sasl_queue *queue, int thread_wake) {
    ring_init(&queue->asked, queue->asked_slots, SASL_QUEUE_LOGINS_MAX);
    ring_init(&queue->answered, queue->answered_slots, SASL_QUEUE_LOGINS_MAX);
    queue->out = 0;
    queue->thread_wake = thread_wake;
    queue->reactor_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return queue->reactor_wake < 0 ? -errno : 0;
}

void sasl_queue_finish(struct sasl_queue *queue) {
    close(queue->reactor_wake);
}

/* Each push is published at once, so that the one who is woken finds it. */
static void sasl_queue_push(struct ring *ring, struct sasl_login *login, int wake) {
    ring_push(ring, login);
    ring_publish(ring);
    sasl_queue_wake(wake);
}

static struct sasl_login *sasl_queue_pop(struct ring *ring) {
    void *login;
    return ring_pop(ring, &login, 1) > 0 ? login : NULL;
}

void sasl_queue_ask(struct sasl_queue *queue, struct sasl_login *login, enum sasl_task task) {
    assert(sasl_queue_has_room(queue));
    assert(!login->out);
    login->out = true;
    login->task = (uint8_t)task;
    login->problem[0] = '\0';
    queue->out++;
    sasl_queue_push(&queue->asked, login, queue->thread_wake);
}

struct sasl_login *sasl_queue_collect(struct sasl_queue *queue) {
    struct sasl_login *login = sasl_queue_pop(&queue->answered);
    if (login) {
        assert(queue->out > 0);
        queue->out--;
        login->out = false;
    }
    return login;
}

struct sasl_login *sasl_queue_take(struct sasl_queue *queue) {
    return sasl_queue_pop(&queue->asked);
}

void sasl_queue_answer(struct sasl_queue *queue, struct sasl_login *login) {
    sasl_queue_push(&queue->answered, login, queue->reactor_wake);
}

/* A login. */

struct sasl_login *sasl_login_create(void) {
    return calloc(1, sizeof(struct sasl_login));
}

bool sasl_login_set(struct sasl_login *login, const struct request *request) {
    assert(!login->secret);
    assert(request->key_length <= LOGIN_MECHANISM_LENGTH_MAX);
    assert(request->value_length <= LOGIN_LENGTH_MAX);
    memcpy(login->mechanism, request->key, request->key_length);
    login->mechanism[request->key_length] = '\0';
    login->secret_length = request->value_length;
    if (request->value_length == 0) {
        return true;
    }
    login->secret = malloc(request->value_length);
    if (!login->secret) {
        return false;
    }
    memcpy(login->secret, request->value, request->value_length);
    return true;
}

void sasl_login_wipe(struct sasl_login *login) {
    if (login->secret) {
        explicit_bzero(login->secret, login->secret_length);
    }
    free(login->secret);
    login->secret = NULL;
    login->secret_length = 0;
}

void sasl_login_free(struct sasl_login *login) {
    assert(!login->conversation);
    assert(!login->out);
    sasl_login_wipe(login);
    free(login->challenge);
    free(login);
}
