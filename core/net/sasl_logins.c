#include "core/net/sasl_logins.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/container.h"
#include "core/base/log.h"
#include "core/net/connection.h"
#include "core/net/connection_log.h"
#include "core/pipeline/login.h"

#define SECOND_NS ((uint64_t)1000000000)

static completion_done sasl_logins_answered;
static timer_expired sasl_logins_expired;

int sasl_logins_init(struct sasl_logins *logins, int thread_wake, uint64_t timeout_ns) {
    logins->answered.done = sasl_logins_answered;
    logins->timer.expired = sasl_logins_expired;
    logins->timeout_ns = timeout_ns;
    TAILQ_INIT(&logins->timed);
    TAILQ_INIT(&logins->ended);
    return sasl_queue_init(&logins->queue, thread_wake);
}

static void sasl_logins_end(struct sasl_login *login, void (*end)(struct sasl_login *login)) {
    end(login);
    login->out = false;
    sasl_login_free(login);
}

void sasl_logins_finish(struct sasl_logins *logins, void (*end)(struct sasl_login *login)) {
    struct sasl_login *login;
    assert(TAILQ_EMPTY(&logins->timed));
    while ((login = sasl_queue_take(&logins->queue)) ||
           (login = sasl_queue_collect(&logins->queue))) {
        sasl_logins_end(login, end);
    }
    while ((login = TAILQ_FIRST(&logins->ended))) {
        TAILQ_REMOVE(&logins->ended, login, link);
        sasl_logins_end(login, end);
    }
    sasl_queue_finish(&logins->queue);
}

void sasl_logins_start(struct net *net) {
    io_wait_readable(net->io, net->sasl->queue.reactor_wake, &net->sasl->answered);
}

/* Time. All have the same, so those that begin now are due last. */

static void sasl_logins_set_time(struct net *net, struct sasl_login *login) {
    struct sasl_logins *logins = net->sasl;
    login->due_ns = net->shard.now_ns + logins->timeout_ns;
    TAILQ_INSERT_TAIL(&logins->timed, login, link);
    if (!logins->timer.set) {
        timer_set(&net->timers, &logins->timer, login->due_ns);
    }
}

/* Ends of logins. */

/* Nobody has it and nobody wants to know more. What SASL holds only the thread may give back. */
static void sasl_logins_drop(struct sasl_logins *logins, struct sasl_login *login) {
    if (!login->conversation) {
        sasl_login_free(login);
    } else if (sasl_queue_has_room(&logins->queue)) {
        sasl_queue_ask(&logins->queue, login, SASL_TASK_END);
    } else {
        TAILQ_INSERT_TAIL(&logins->ended, login, link);
    }
}

/* Parts it from its connection. */
static void sasl_logins_part(struct sasl_logins *logins, struct sasl_login *login) {
    assert(login->connection);
    TAILQ_REMOVE(&logins->timed, login, link);
    login->connection->login = NULL;
    login->connection = NULL;
    if (login->out) {
        atomic_store_explicit(&login->abandoned, true, memory_order_relaxed);
    } else {
        sasl_logins_drop(logins, login);
    }
}

void sasl_logins_leave(struct net *net, struct connection *connection) {
    struct sasl_login *login = connection->login;
    if (login->out) {
        pipeline_abandon_login(&connection->pipeline);
    }
    sasl_logins_part(net->sasl, login);
}

/* Answers. */

static void sasl_logins_tell(struct net *net, struct connection *connection,
                             const struct result *result) {
    pipeline_end_login(&connection->pipeline, &net->shard, result);
    if (connection->pipeline.logins_failed > 0) {
        connection_log_failed_logins(net, connection);
    }
}

static enum result_status sasl_logins_status(enum sasl_outcome outcome) {
    switch (outcome) {
    case SASL_OUTCOME_REFUSED:
        return RESULT_LOGIN_FAILED;
    case SASL_OUTCOME_ACCEPTED:
        return RESULT_OK;
    case SASL_OUTCOME_CONTINUES:
        return RESULT_LOGIN_CONTINUES;
    }
    assert(!"an outcome of unknown kind");
    return RESULT_LOGIN_FAILED;
}

/* As in memcached a step may follow one that was refused. */
static bool sasl_logins_goes_on(const struct sasl_login *login) {
    return login->outcome == SASL_OUTCOME_CONTINUES ||
           (login->started && login->task == SASL_TASK_STEP &&
            login->outcome == SASL_OUTCOME_REFUSED);
}

static void sasl_logins_settle(struct net *net, struct sasl_login *login) {
    struct connection *connection = login->connection;
    struct result result = {
        .status = (uint8_t)sasl_logins_status((enum sasl_outcome)login->outcome),
        .value = login->challenge ? login->challenge : "",
        .value_length = login->challenge_length,
    };
    if (login->problem[0]) {
        connection_log_problem(net, connection, login->problem);
    }
    login->started = sasl_logins_goes_on(login);
    sasl_logins_tell(net, connection, &result);
    free(login->challenge);
    login->challenge = NULL;
    login->challenge_length = 0;
    if (login->started) {
        TAILQ_REMOVE(&net->sasl->timed, login, link);
        sasl_logins_set_time(net, login);
    } else {
        sasl_logins_part(net->sasl, login);
    }
}

static void sasl_logins_answered(void *owner, struct completion *completion, int result,
                                 unsigned flags) {
    struct net *net = owner;
    struct sasl_logins *logins = container_of(completion, struct sasl_logins, answered);
    struct sasl_login *login;
    (void)result, (void)flags;
    sasl_queue_slept(logins->queue.reactor_wake);
    while ((login = sasl_queue_collect(&logins->queue))) {
        if (login->connection) {
            sasl_logins_settle(net, login);
        } else {
            sasl_logins_drop(logins, login);
        }
    }
    while ((login = TAILQ_FIRST(&logins->ended)) && sasl_queue_has_room(&logins->queue)) {
        TAILQ_REMOVE(&logins->ended, login, link);
        sasl_logins_drop(logins, login);
    }
    io_wait_readable(net->io, logins->queue.reactor_wake, completion);
}

/* SASL has not answered, or the client has not gone on. */
static void sasl_logins_time_out(struct net *net, struct sasl_login *login) {
    const struct result refused = {.status = RESULT_LOGIN_FAILED};
    struct connection *connection = login->connection;
    bool waits = login->out;
    sasl_logins_part(net->sasl, login);
    if (waits) {
        net->shard.counters.auth_timeouts++;
        connection_log_problem(net, connection, "the system's SASL has not answered in time");
        sasl_logins_tell(net, connection, &refused);
    }
}

static void sasl_logins_expired(void *owner, struct timer *timer) {
    struct net *net = owner;
    struct sasl_logins *logins = container_of(timer, struct sasl_logins, timer);
    struct sasl_login *login;
    while ((login = TAILQ_FIRST(&logins->timed)) && login->due_ns <= net->shard.now_ns) {
        sasl_logins_time_out(net, login);
    }
    if (login) {
        timer_set(&net->timers, timer, login->due_ns);
    }
}

/* Begins. */

static struct sasl_login *sasl_logins_of(struct net *net, struct connection *connection) {
    struct sasl_login *login = connection->login;
    if (login) {
        TAILQ_REMOVE(&net->sasl->timed, login, link);
    } else {
        login = sasl_login_create();
    }
    if (!login) {
        net->shard.counters.malloc_fails++;
        return NULL;
    }
    connection->login = login;
    login->connection = connection;
    sasl_logins_set_time(net, login);
    return login;
}

bool sasl_logins_begin(struct net *net, struct pipeline *pipeline, const struct request *request) {
    struct connection *connection = container_of(pipeline, struct connection, pipeline);
    struct sasl_login *login = connection->login;
    bool step = login_is_step(request);
    if (step && !(login && login->started)) {
        return false;
    }
    if (!sasl_queue_has_room(&net->sasl->queue)) {
        connection_log_problem(net, connection, "too many logins wait for the system's SASL");
        return false;
    }
    login = sasl_logins_of(net, connection);
    if (!login) {
        return false;
    }
    if (!sasl_login_set(login, request)) {
        net->shard.counters.malloc_fails++;
        sasl_logins_part(net->sasl, login);
        return false;
    }
    sasl_queue_ask(&net->sasl->queue, login, step ? SASL_TASK_STEP : SASL_TASK_BEGIN);
    return true;
}
