#include "core/server/cluster_session.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/server/etcd_reply.h"

#define MS_NS (CLOCK_SECOND_NS / 1000)

/* The wait after the first failure; it doubles, up to a third of the lease's time. */
#define BACKOFF_NS_MIN (100 * MS_NS)
#define BACKOFF_NS_MAX (5 * CLOCK_SECOND_NS)

/* The first of the members writes the list at once, each further one so much later, in case that
 * those before it don't. */
#define WRITE_STEP_NS (30 * MS_NS)
#define WRITE_STEPS_MAX 100

/* A failure that lasts is told again after so long. */
#define TELL_NS (60 * CLOCK_SECOND_NS)

#define AUTH_BYTES_MAX 1024

static uint64_t cluster_now(void) {
    return clock_monotonic_ns(&clock_system);
}

static const struct cluster_config *cluster_config_of(const struct cluster_session *session) {
    return &session->start.config->cluster;
}

static const char *cluster_node(const struct cluster_session *session) {
    return cluster_config_of(session)->node;
}

static void cluster_count(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void cluster_set_fact(_Atomic uint64_t *fact, uint64_t value) {
    atomic_store_explicit(fact, value, memory_order_relaxed);
}

void cluster_session_set_lease(struct cluster_session *session, uint64_t lease) {
    session->lease = lease;
    cluster_set_fact(&session->start.facts->lease, lease);
}

static void cluster_set_state(struct cluster_session *session) {
    enum cluster_state state = CLUSTER_CONNECTING;
    if (session->leaving) {
        state = CLUSTER_LEAVING;
    } else if (session->phase == CLUSTER_STEADY && session->lease != 0 &&
               session->own_lease == session->lease) {
        state = CLUSTER_REGISTERED;
    }
    atomic_store_explicit(&session->start.facts->state, state, memory_order_relaxed);
}

/* A part of the lease's time. */
uint64_t cluster_session_third_ns(const struct cluster_session *session) {
    uint64_t ttl_s = session->ttl_s ? session->ttl_s : cluster_config_of(session)->ttl_s;
    return ttl_s * CLOCK_SECOND_NS / 3;
}

/* Long enough for a busy etcd, and short enough that there is time for another one. */
static long cluster_timeout_ms(const struct cluster_session *session) {
    uint64_t third_ms = cluster_session_third_ns(session) / MS_NS;
    return third_ms < 1000 ? 1000 : third_ms > 5000 ? 5000 : (long)third_ms;
}

/* From a half of the time to all of it, so that the servers don't come all at once. */
static uint64_t cluster_session_jitter(struct cluster_session *session, uint64_t most_ns) {
    session->random ^= session->random << 13;
    session->random ^= session->random >> 7;
    session->random ^= session->random << 17;
    return most_ns / 2 + session->random % (most_ns / 2 + 1);
}

/* Failing. */

/* With several servers the next one is tried at once, until all have failed. */
static uint64_t cluster_backoff(struct cluster_session *session) {
    uint32_t servers = cluster_config_of(session)->etcd_count;
    uint32_t rounds = (session->failures - 1) / servers;
    uint64_t most = cluster_session_third_ns(session), wait = BACKOFF_NS_MIN;
    if (session->failures % servers != 0) {
        return cluster_session_jitter(session, 20 * MS_NS);
    }
    most = most < BACKOFF_NS_MAX ? most : BACKOFF_NS_MAX;
    for (uint32_t i = 0; i < rounds && wait < most; i++) {
        wait *= 2;
    }
    return cluster_session_jitter(session, wait < most ? wait : most);
}

static void cluster_tell_failure(struct cluster_session *session, const char *text) {
    const char *server = etcd_server(session->etcd);
    uint64_t now_ns = cluster_now();
    if (session->told_ns == 0 || now_ns - session->told_ns > TELL_NS) {
        log_line("etcd %s: %s; trying again, the list of servers stays", server, text);
        session->told_ns = now_ns;
    }
}

/* Gives up what is under way and begins again after a while. */
void cluster_session_fail(struct cluster_session *session, const char *text) {
    cluster_count(&session->start.facts->failures);
    session->failures++;
    /* One that fails alone among several is no news. */
    if (session->failures >= cluster_config_of(session)->etcd_count) {
        cluster_tell_failure(session, text);
    }
    etcd_cancel(session->etcd);
    etcd_next_server(session->etcd);
    session->phase = CLUSTER_WAIT;
    session->retry_ns = cluster_now() + cluster_backoff(session);
    cluster_set_state(session);
}

/* The same, because of an answer that none of etcd's version gives. */
void cluster_session_fail_broken(struct cluster_session *session) {
    cluster_session_fail(session, "its answer is none that etcd 3.4 gives");
}

/* Asking. */

void cluster_session_ask(struct cluster_session *session, enum etcd_place place, const char *path,
                         char *body) {
    long timeout_ms = place == ETCD_WATCH ? 0 : cluster_timeout_ms(session);
    cluster_count(&session->start.facts->requests);
    if (!etcd_ask(session->etcd, place, path, body, timeout_ms)) {
        cluster_session_fail(session, "no memory for a request");
    }
}

/* Reads user:password from the first line of a file. */
static bool cluster_read_auth(const char *path, char line[AUTH_BYTES_MAX], char **password) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file >= 0 ? read(file, line, AUTH_BYTES_MAX - 1) : -1;
    if (file >= 0) {
        close(file);
    }
    if (length < 0) {
        return false;
    }
    line[length] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    *password = strchr(line, ':');
    if (!*password) {
        errno = EINVAL;
        return false;
    }
    *(*password)++ = '\0';
    return true;
}

static void cluster_ask_login(struct cluster_session *session) {
    char line[AUTH_BYTES_MAX], *password;
    const char *path = cluster_config_of(session)->auth_file;
    session->phase = CLUSTER_LOGIN;
    if (!cluster_read_auth(path, line, &password)) {
        char text[256];
        snprintf(text, sizeof(text), "no user:password in %.150s (%s)", path, strerror(errno));
        cluster_session_fail(session, text);
        return;
    }
    cluster_session_ask(session, ETCD_CALL, "/v3/auth/authenticate",
                        etcd_body_login(line, password));
    explicit_bzero(line, sizeof(line));
}

void cluster_session_read(struct cluster_session *session) {
    session->phase = CLUSTER_READ;
    cluster_view_clear(&session->view);
    session->own_lease = 0;
    cluster_session_ask(session, ETCD_CALL, "/v3/kv/range", etcd_body_range(session->prefix));
}

static void cluster_begin(struct cluster_session *session) {
    etcd_cancel(session->etcd);
    if (cluster_config_of(session)->auth_file && !etcd_has_token(session->etcd)) {
        cluster_ask_login(session);
    } else {
        cluster_session_read(session);
    }
}

static void cluster_ask_lease(struct cluster_session *session, enum cluster_call call) {
    session->call = call;
    if (call == CLUSTER_GRANT) {
        cluster_session_ask(session, ETCD_CALL, "/v3/lease/grant",
                            etcd_body_grant(cluster_config_of(session)->ttl_s));
    } else {
        cluster_session_ask(session, ETCD_CALL, "/v3/lease/revoke",
                            etcd_body_lease(session->lease));
    }
}

/* A transaction: joins, leaves, or writes the list alone, which is the caller's to free. */
static void cluster_ask_transaction(struct cluster_session *session, enum cluster_call call,
                                    struct nodes *list) {
    const struct etcd_transaction transaction = {
        .prefix = session->prefix,
        .list_revision = session->view.list_revision,
        .list = list,
        .joins = call == CLUSTER_JOIN ? cluster_node(session) : NULL,
        .leaves = call == CLUSTER_LEAVE ? cluster_node(session) : NULL,
        .lease = session->lease,
    };
    session->call = call;
    cluster_session_ask(session, ETCD_CALL, "/v3/kv/txn", etcd_body_transaction(&transaction));
}

static struct nodes *cluster_next_list(const struct cluster_session *session, const char *joins,
                                       const char *leaves) {
    return cluster_view_next_list(&session->view, joins, leaves, cluster_now(),
                                  clock_unix(&clock_system, 0));
}

/* Steps. */

static void cluster_step_member(struct cluster_session *session, enum cluster_call call) {
    const char *node = cluster_node(session);
    struct nodes *list = call == CLUSTER_JOIN ? cluster_next_list(session, node, NULL)
                                              : cluster_next_list(session, NULL, node);
    cluster_ask_transaction(session, call, list);
    nodes_free(list);
}

static void cluster_step_list(struct cluster_session *session, uint64_t now_ns) {
    struct nodes *list = cluster_next_list(session, NULL, NULL);
    if (!list) {
        session->write_ns = 0;
        return;
    }
    if (session->write_ns == 0) {
        uint32_t rank = cluster_view_rank(&session->view, cluster_node(session));
        rank = rank < WRITE_STEPS_MAX ? rank : WRITE_STEPS_MAX;
        session->write_ns = now_ns + rank * WRITE_STEP_NS;
    }
    if (now_ns >= session->write_ns) {
        cluster_ask_transaction(session, CLUSTER_WRITE, list);
    }
    nodes_free(list);
}

static bool cluster_must_join(const struct cluster_session *session) {
    return session->own_lease == 0 ||
           (session->own_lease != session->lease && session->may_take_over);
}

/* Whether the watch has told what this server has written. */
static bool cluster_has_arrived(struct cluster_session *session, uint64_t now_ns) {
    bool arrived = session->awaited_revision <= session->watched_revision;
    bool lacks_own = session->awaits_own && session->own_lease == 0;
    if (arrived ? lacks_own : now_ns >= session->awaited_until_ns) {
        cluster_session_fail(session, "it doesn't tell what has been written");
        return false;
    }
    if (arrived) {
        session->awaited_revision = 0;
        session->awaits_own = false;
    }
    return arrived;
}

static void cluster_step_steady(struct cluster_session *session, uint64_t now_ns) {
    if (etcd_is_busy(session->etcd, ETCD_CALL)) {
        return;
    }
    if (!cluster_has_arrived(session, now_ns)) {
        return;
    }
    if (session->leaving) {
        session->left |= session->own_lease == 0 || session->own_lease != session->lease;
        if (!session->left) {
            cluster_step_member(session, CLUSTER_LEAVE);
        } else if (session->lease != 0) {
            cluster_ask_lease(session, CLUSTER_REVOKE);
        }
    } else if (session->lease == 0) {
        cluster_ask_lease(session, CLUSTER_GRANT);
    } else if (cluster_must_join(session)) {
        cluster_step_member(session, CLUSTER_JOIN);
    } else {
        cluster_step_list(session, now_ns);
    }
}

static void cluster_step_keepalive(struct cluster_session *session, uint64_t now_ns) {
    if (session->lease != 0 && now_ns >= session->keepalive_ns &&
        !etcd_is_busy(session->etcd, ETCD_KEEPALIVE)) {
        session->keepalive_ns = now_ns + cluster_session_third_ns(session);
        cluster_session_ask(session, ETCD_KEEPALIVE, "/v3/lease/keepalive",
                            etcd_body_lease(session->lease));
    }
}

static uint64_t cluster_least(uint64_t wait_ns, uint64_t due_ns, uint64_t now_ns) {
    uint64_t due_in_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    return due_in_ns < wait_ns ? due_in_ns : wait_ns;
}

/* Until something is due, unless an answer comes before. */
static uint64_t cluster_wait_ns(const struct cluster_session *session, uint64_t now_ns) {
    uint64_t wait_ns = 60 * CLOCK_SECOND_NS;
    if (session->phase == CLUSTER_WAIT) {
        return cluster_least(wait_ns, session->retry_ns, now_ns);
    }
    if (session->phase != CLUSTER_STEADY) {
        return wait_ns;
    }
    uint64_t missing_ns = cluster_view_wait_ns(&session->view, now_ns);
    wait_ns = missing_ns < wait_ns ? missing_ns : wait_ns;
    if (session->lease != 0 && !etcd_is_busy(session->etcd, ETCD_KEEPALIVE)) {
        wait_ns = cluster_least(wait_ns, session->keepalive_ns, now_ns);
    }
    if (session->write_ns != 0 && !etcd_is_busy(session->etcd, ETCD_CALL)) {
        wait_ns = cluster_least(wait_ns, session->write_ns, now_ns);
    }
    if (session->awaited_revision != 0) {
        wait_ns = cluster_least(wait_ns, session->awaited_until_ns, now_ns);
    }
    return wait_ns;
}

int cluster_session_step(struct cluster_session *session) {
    uint64_t now_ns = cluster_now();
    if (session->phase == CLUSTER_WAIT && now_ns >= session->retry_ns) {
        cluster_begin(session);
    }
    if (session->phase == CLUSTER_STEADY) {
        cluster_step_keepalive(session, now_ns);
    }
    if (session->phase == CLUSTER_STEADY) {
        cluster_step_steady(session, now_ns);
    }
    cluster_set_state(session);
    return (int)(cluster_wait_ns(session, now_ns) / MS_NS) + 1;
}
