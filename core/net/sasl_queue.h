/* sasl_queue: logins on their way from a reactor to the thread that asks the system's SASL, and
 * back.
 *
 *     reactor ── asked ────▶ the thread of SASL: libsasl2, saslauthd, LDAP: it may block
 *             ◀── answered ─
 *
 * Each reactor has a queue of its own: two rings with one producer and one consumer each, and an
 * eventfd for each side to sleep on. No more logins are out than either ring holds, so a push can't
 * fail. Neither side ever waits for the other. At any moment one thread alone may touch a login,
 * but for `abandoned`.
 */
#ifndef CORE_NET_SASL_QUEUE_H
#define CORE_NET_SASL_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/mesh/ring.h"
#include "proto/login.h"

struct connection;

/* Logins of one reactor that the thread has or is to have, at most; more are refused at once. With
 * LOGIN_LENGTH_MAX this bounds the memory that a SASL which hangs costs: 16 MiB a reactor. */
#define SASL_QUEUE_LOGINS_MAX 1024

/* Bytes of what SASL says is wrong, with its NUL. */
#define SASL_PROBLEM_BYTES 160

enum sasl_task {
    SASL_TASK_BEGIN, /* with a mechanism */
    SASL_TASK_STEP,
    SASL_TASK_END, /* nobody wants to know any more: gives back what SASL holds */
};

enum sasl_outcome {
    SASL_OUTCOME_REFUSED,
    SASL_OUTCOME_ACCEPTED,
    SASL_OUTCOME_CONTINUES,
};

/* The login of one connection, from its begin until SASL has decided. */
struct sasl_login {
    /* The reactor's. */
    struct connection *connection; /* NULL: it is gone, or has been answered */
    uint64_t due_ns;               /* when its time is over, on the monotonic clock */
    bool out;                      /* the thread has it */
    bool started;                  /* a step may follow */
    TAILQ_ENTRY(sasl_login) link;

    /* Written by the reactor at any time: the thread need not ask SASL. Relaxed: it saves work, and
     * nothing depends on it. */
    _Atomic bool abandoned;

    /* Of whoever has it. */
    uint8_t task;                                   /* enum sasl_task */
    uint8_t outcome;                                /* enum sasl_outcome */
    char mechanism[LOGIN_MECHANISM_LENGTH_MAX + 1]; /* with a NUL */
    uint32_t secret_length;
    uint32_t challenge_length;
    char *secret;       /* what the client has sent, or NULL; the thread wipes and frees it */
    char *challenge;    /* for the client, or NULL; the reactor frees it */
    void *conversation; /* what SASL holds, or NULL */
    char problem[SASL_PROBLEM_BYTES]; /* an error of the system's, or "" */
};

TAILQ_HEAD(sasl_login_queue, sasl_login);

struct sasl_queue {
    struct ring asked;
    struct ring answered;
    void *asked_slots[SASL_QUEUE_LOGINS_MAX];
    void *answered_slots[SASL_QUEUE_LOGINS_MAX];
    uint32_t out;    /* the reactor's count of the logins that are in either */
    int thread_wake; /* an eventfd, the same for all queues; borrowed */
    int reactor_wake;
};

/* An empty queue. Returns 0, or -errno without a descriptor. */
int sasl_queue_init(struct sasl_queue *queue, int thread_wake);

/* Closes its descriptor. The rings are empty, or nobody will look at them again. */
void sasl_queue_finish(struct sasl_queue *queue);

/* Wakes who sleeps on an eventfd, and takes the wakes that have come. */
void sasl_queue_wake(int descriptor);
void sasl_queue_slept(int descriptor);

/* The reactor: whether one more may be out. */
static inline bool sasl_queue_has_room(const struct sasl_queue *queue) {
    return queue->out < SASL_QUEUE_LOGINS_MAX;
}

/* The reactor: hands a login over, which is the thread's until sasl_queue_collect() brings it; and
 * takes one that has come back, or NULL. */
void sasl_queue_ask(struct sasl_queue *queue, struct sasl_login *login, enum sasl_task task);
struct sasl_login *sasl_queue_collect(struct sasl_queue *queue);

/* The thread: takes the oldest, or NULL; and gives it back. */
struct sasl_login *sasl_queue_take(struct sasl_queue *queue);
void sasl_queue_answer(struct sasl_queue *queue, struct sasl_login *login);

/* NULL without memory. The copy of the secret is the login's. */
struct sasl_login *sasl_login_create(void);
bool sasl_login_set(struct sasl_login *login, const struct request *request);

/* Wipes and frees the secret. */
void sasl_login_wipe(struct sasl_login *login);

/* Frees it with all but its conversation, which is NULL. */
void sasl_login_free(struct sasl_login *login);

#endif
