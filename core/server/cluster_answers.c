/* What follows from etcd's answers. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/server/cluster_session.h"
#include "core/server/etcd_reply.h"

/* How long etcd may take to tell what it has taken. */
#define AWAIT_NS (3 * CLOCK_SECOND_NS)

static uint64_t cluster_answers_now(void) {
    return clock_monotonic_ns(&clock_system);
}

static bool cluster_answers_is_verbose(const struct cluster_session *session) {
    return session->start.config->verbosity >= LOG_CONNECTIONS;
}

static void cluster_answers_set_fact(_Atomic uint64_t *fact, uint64_t value) {
    atomic_store_explicit(fact, value, memory_order_relaxed);
}

static void cluster_answers_publish(struct cluster_session *session) {
    if (!cluster_view_publish(&session->view, cluster_answers_now())) {
        return;
    }
    const struct nodes *nodes = session->view.published;
    session->start.publish(session->start.context, nodes);
    cluster_answers_set_fact(&session->start.facts->version, nodes->version);
    cluster_answers_set_fact(&session->start.facts->nodes, nodes->count);
    if (cluster_answers_is_verbose(session)) {
        log_line("cluster %s: list %u: %u server%s", session->start.config->cluster.name,
                 nodes->version, nodes->count, nodes->count == 1 ? "" : "s");
    }
}

/* Another server has written this one's key. */
static void cluster_answers_note_other(struct cluster_session *session, uint64_t lease) {
    bool was_own = session->own_lease != 0 && session->own_lease == session->lease;
    if (was_own && lease != session->lease && !session->leaving) {
        log_line("another server says that it is %s, too (advertise)",
                 session->start.config->cluster.node);
    }
}

static bool cluster_answers_is_own(const struct cluster_session *session, const char *text,
                                   size_t length) {
    const char *node = session->start.config->cluster.node;
    return length == strlen(node) && memcmp(text, node, length) == 0;
}

static void cluster_answers_take_member(struct cluster_session *session,
                                        const struct etcd_pair *pair, const char *text,
                                        size_t length) {
    if (pair->deleted) {
        cluster_view_delete_member(&session->view, text, length, cluster_answers_now());
    } else {
        cluster_view_put_member(&session->view, text, length);
    }
    if (cluster_answers_is_own(session, text, length)) {
        if (!pair->deleted) {
            cluster_answers_note_other(session, pair->lease);
        }
        session->own_lease = pair->deleted ? 0 : pair->lease;
    }
}

static void cluster_answers_take_pair(void *context, const struct etcd_pair *pair) {
    static const char folder[] = "node/", list[] = "list";
    struct cluster_session *session = context;
    size_t front = strlen(session->prefix), node = sizeof(folder) - 1;
    if (pair->key_length < front || memcmp(pair->key, session->prefix, front) != 0) {
        return;
    }
    const char *key = pair->key + front;
    size_t length = pair->key_length - front;
    if (length > node && memcmp(key, folder, node) == 0) {
        cluster_answers_take_member(session, pair, key + node, length - node);
    } else if (length == sizeof(list) - 1 && memcmp(key, list, length) == 0) {
        if (pair->deleted) {
            cluster_view_delete_list(&session->view);
        } else {
            cluster_view_put_list(&session->view, pair->value, pair->value_length, pair->revision);
        }
    }
}

/* Each answer says which etcd it is of; false when that has changed in the middle of a session. */
static bool cluster_answers_note(struct cluster_session *session,
                                 const struct etcd_header *header) {
    struct cluster_facts *facts = session->start.facts;
    if (header->cluster_id != session->cluster_id) {
        cluster_session_fail(session, "it is another etcd than before");
        return false;
    }
    if (header->revision > session->revision) {
        session->revision = header->revision;
    }
    cluster_answers_set_fact(&facts->revision, session->revision);
    return true;
}

/* Reading all keys. */

static void cluster_answers_begin(struct cluster_session *session,
                                  const struct etcd_header *header) {
    uint64_t now_ns = cluster_answers_now();
    uint64_t third_ns = cluster_session_third_ns(session);
    bool goes_on = session->steady_ns != 0 && now_ns - session->steady_ns < 2 * third_ns;
    bool lost = session->cluster_id != 0 &&
                (session->cluster_id != header->cluster_id || header->revision < session->revision);
    session->cluster_id = header->cluster_id;
    session->revision = session->watched_revision = header->revision;
    cluster_answers_set_fact(&session->start.facts->cluster_id, header->cluster_id);
    cluster_answers_set_fact(&session->start.facts->revision, header->revision);
    session->awaited_revision = 0;
    session->awaits_own = false;
    session->write_ns = 0;
    session->keepalive_ns = now_ns;
    session->may_take_over = true;
    session->phase = CLUSTER_STEADY;
    cluster_view_begin(&session->view, lost, goes_on, now_ns + 3 * third_ns);
    cluster_session_ask(session, ETCD_WATCH, "/v3/watch",
                        etcd_body_watch(session->prefix, header->revision + 1));
}

static void cluster_answers_read(struct cluster_session *session, const char *bytes,
                                 size_t length) {
    struct etcd_header header;
    if (etcd_parse_range(bytes, length, &header, cluster_answers_take_pair, session) != ETCD_OK) {
        cluster_session_fail_broken(session);
        return;
    }
    cluster_answers_begin(session, &header);
    cluster_answers_publish(session);
}

static void cluster_answers_login(struct cluster_session *session, const char *bytes,
                                  size_t length) {
    char token[ETCD_TOKEN_BYTES];
    if (etcd_parse_token(bytes, length, token) != ETCD_OK) {
        cluster_session_fail_broken(session);
        return;
    }
    etcd_set_token(session->etcd, token);
    cluster_session_read(session);
}

/* What goes on while it is steady. */

static void cluster_answers_grant(struct cluster_session *session, const char *bytes,
                                  size_t length) {
    struct etcd_header header;
    uint64_t lease, ttl_s;
    if (etcd_parse_grant(bytes, length, &header, &lease, &ttl_s) != ETCD_OK || ttl_s > 86400) {
        cluster_session_fail_broken(session);
        return;
    }
    if (cluster_answers_note(session, &header)) {
        session->ttl_s = ttl_s;
        session->may_take_over = true;
        session->keepalive_ns = cluster_answers_now() + cluster_session_third_ns(session);
        cluster_session_set_lease(session, lease);
    }
}

/* What it has written comes back in the watch. */
static void cluster_answers_await(struct cluster_session *session, uint64_t revision) {
    session->awaited_revision = revision;
    session->awaited_until_ns = cluster_answers_now() + AWAIT_NS;
}

static void cluster_answers_transaction(struct cluster_session *session, const char *bytes,
                                        size_t length) {
    struct cluster_facts *facts = session->start.facts;
    struct etcd_header header;
    bool succeeded;
    if (etcd_parse_transaction(bytes, length, &header, &succeeded) != ETCD_OK) {
        cluster_session_fail_broken(session);
        return;
    }
    if (!cluster_answers_note(session, &header)) {
        return;
    }
    session->write_ns = 0;
    if (session->call == CLUSTER_WRITE) {
        atomic_fetch_add_explicit(&facts->lists_written, succeeded, memory_order_relaxed);
    } else if (session->call == CLUSTER_JOIN) {
        atomic_fetch_add_explicit(&facts->registrations, 1, memory_order_relaxed);
        session->may_take_over = false;
        session->awaits_own = true;
        if (cluster_answers_is_verbose(session)) {
            log_line("cluster %s: registered as %s", session->start.config->cluster.name,
                     session->start.config->cluster.node);
        }
    }
    if (succeeded || session->call != CLUSTER_WRITE) {
        cluster_answers_await(session, header.revision);
    } else {
        /* Somebody else was first; the watch is about to tell what that was. */
        session->write_ns = cluster_answers_now() + CLOCK_SECOND_NS / 5;
    }
    session->left |= session->call == CLUSTER_LEAVE;
}

static void cluster_answers_steady(struct cluster_session *session, const char *bytes,
                                   size_t length) {
    switch (session->call) {
    case CLUSTER_GRANT:
        cluster_answers_grant(session, bytes, length);
        return;
    case CLUSTER_JOIN:
    case CLUSTER_WRITE:
    case CLUSTER_LEAVE:
        cluster_answers_transaction(session, bytes, length);
        return;
    case CLUSTER_REVOKE:
        cluster_session_set_lease(session, 0);
        return;
    }
    assert(!"no such call");
}

/* A lease that is gone is answered with success, and without a time. */
static void cluster_answers_keepalive(struct cluster_session *session, const char *bytes,
                                      size_t length) {
    struct etcd_header header;
    uint64_t ttl_s;
    if (etcd_parse_keepalive(bytes, length, &header, &ttl_s) != ETCD_OK) {
        cluster_session_fail_broken(session);
        return;
    }
    if (!cluster_answers_note(session, &header)) {
        return;
    }
    if (ttl_s == 0) {
        cluster_session_set_lease(session, 0);
        log_line("cluster %s: the lease is gone, registering again",
                 session->start.config->cluster.name);
    }
    session->failures = 0;
    if (session->told_ns != 0) {
        log_line("etcd %s answers again", etcd_server(session->etcd));
        session->told_ns = 0;
    }
}

static void cluster_answers_note_word(struct cluster_session *session) {
    uint64_t now_ns = cluster_answers_now();
    cluster_answers_set_fact(&session->start.facts->heard_ns, now_ns);
    if (session->phase == CLUSTER_STEADY) {
        session->steady_ns = now_ns;
    }
}

static void cluster_answers_answered(void *context, enum etcd_place place, const char *bytes,
                                     size_t length) {
    struct cluster_session *session = context;
    cluster_answers_note_word(session);
    if (place == ETCD_KEEPALIVE) {
        cluster_answers_keepalive(session, bytes, length);
        return;
    }
    switch (session->phase) {
    case CLUSTER_LOGIN:
        cluster_answers_login(session, bytes, length);
        return;
    case CLUSTER_READ:
        cluster_answers_read(session, bytes, length);
        return;
    case CLUSTER_STEADY:
        cluster_answers_steady(session, bytes, length);
        return;
    case CLUSTER_WAIT:
        break;
    }
    assert(!"nothing was asked for");
}

static void cluster_answers_watched(void *context, const char *bytes, size_t length) {
    struct cluster_session *session = context;
    struct etcd_watch watch;
    cluster_answers_note_word(session);
    if (etcd_parse_watch(bytes, length, &watch, cluster_answers_take_pair, session) != ETCD_OK) {
        cluster_session_fail_broken(session);
        return;
    }
    if (!cluster_answers_note(session, &watch.header)) {
        return;
    }
    if (watch.canceled) {
        /* What it was to tell has been compacted: all keys are read again. */
        etcd_cancel(session->etcd);
        cluster_session_read(session);
        return;
    }
    if (watch.header.revision > session->watched_revision) {
        session->watched_revision = watch.header.revision;
    }
    cluster_answers_publish(session);
}

static void cluster_answers_failed(void *context, enum etcd_place place,
                                   const struct etcd_failure *failure) {
    struct cluster_session *session = context;
    bool steady_call = place == ETCD_CALL && session->phase == CLUSTER_STEADY;
    if (steady_call && failure->code == ETCD_CODE_NOT_FOUND) {
        /* The lease is gone. */
        cluster_session_set_lease(session, 0);
        return;
    }
    if (failure->code == ETCD_CODE_UNAUTHENTICATED) {
        etcd_set_token(session->etcd, "");
    }
    cluster_session_fail(session, failure->text);
}

static const struct etcd_events cluster_answers_events = {
    .answered = cluster_answers_answered,
    .failed = cluster_answers_failed,
    .watched = cluster_answers_watched,
};

/* Begin and end. */

bool cluster_session_init(struct cluster_session *session, const struct cluster_start *start) {
    const struct cluster_config *config = &start->config->cluster;
    *session = (struct cluster_session){.start = *start};
    if (!cluster_view_init(&session->view)) {
        return false;
    }
    session->etcd = etcd_create(config, &cluster_answers_events, session);
    if (!session->etcd) {
        cluster_view_finish(&session->view);
        return false;
    }
    snprintf(session->prefix, sizeof(session->prefix), "simplecache/%s/", config->name);
    random_fill(&session->random, sizeof(session->random), NULL);
    session->random |= 1;
    return true;
}

void cluster_session_finish(struct cluster_session *session) {
    etcd_destroy(session->etcd);
    cluster_view_finish(&session->view);
}
