#include "core/net/tls.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/tls_bio.h"
#include "core/net/tls_files.h"
#include "core/net/tls_set.h"

#define DAY_S ((int64_t)24 * 3600)

struct tls_shared {
    const struct tls_config *config;
    const struct clock *clock;
    uint64_t start_boot_ns;
    struct tls_facts facts;
    uint32_t count;
    struct tls *all; /* of each reactor, by their numbers */
    /* Somebody reloads: whoever sets it does. Acquire and release by exchange and store. */
    _Atomic bool reloading;
};

/* Loading. */

/* Without a key file it goes on with that of the set in force, so that tickets stay good; *secret
 * is that, or cleared where there is no set yet. */
static bool tls_choose_secret(const struct tls_shared *shared, const struct tls_files *files,
                              struct tls_secret *secret, char problem[TLS_PROBLEM_BYTES]) {
    const struct tls_file *file = &files->ticket_key;
    if (!file->path) {
        return secret->period ? tls_secret_advance(secret, shared->clock)
                              : tls_secret_make(secret, shared->clock);
    }
    if (file->length >= TLS_TICKET_FILE_BYTES_MIN) {
        return tls_secret_read(secret, shared->clock, file->bytes, file->length);
    }
    snprintf(problem, TLS_PROBLEM_BYTES,
             "Error loading the ticket key: %s : it has less than %d bytes", file->path,
             TLS_TICKET_FILE_BYTES_MIN);
    return false;
}

static bool tls_make_sets(const struct tls_shared *shared, const struct tls_set *before,
                          const struct tls_files *files, struct tls_set **sets,
                          char problem[TLS_PROBLEM_BYTES]) {
    struct tls_secret secret = {0};
    if (before) {
        secret = before->policies[TRANSPORT_TLS].tickets.secret;
    }
    bool made = tls_choose_secret(shared, files, &secret, problem);
    for (uint32_t i = 0; made && i < shared->count; i++) {
        sets[i] = tls_set_create(shared->config, files, &secret, shared->clock, problem);
        made = sets[i];
    }
    OPENSSL_cleanse(&secret, sizeof(secret));
    return made;
}

/* A set for each reactor, or none and false. */
static bool tls_load(const struct tls_shared *shared, const struct tls_set *before,
                     struct tls_set **sets, char problem[TLS_PROBLEM_BYTES]) {
    struct tls_files files;
    bool made = tls_files_read(&files, shared->config, problem) &&
                tls_make_sets(shared, before, &files, sets, problem);
    tls_files_finish(&files);
    for (uint32_t i = 0; !made && i < shared->count; i++) {
        tls_set_destroy(sets[i]);
    }
    return made;
}

static void tls_note_loaded(struct tls_shared *shared, const struct tls_set *set) {
    uint32_t now = clock_tick((int64_t)(clock_boot_ns(shared->clock) - shared->start_boot_ns));
    struct tls_facts *facts = &shared->facts;
    atomic_store_explicit(&facts->loaded_at, now, memory_order_relaxed);
    atomic_fetch_add_explicit(&facts->loads, 1, memory_order_relaxed);
    atomic_store_explicit(&facts->expires_unix_s, set->expires_s, memory_order_relaxed);
}

static bool tls_set_expires_soon(const struct tls_set *set, const struct clock *clock,
                                 char problem[TLS_PROBLEM_BYTES]) {
    int64_t left_s = set->expires_s - clock_unix(clock, 0);
    *problem = '\0';
    if (left_s > TLS_EXPIRY_WARNING_S) {
        return false;
    }
    if (left_s <= 0) {
        snprintf(problem, TLS_PROBLEM_BYTES, "%s has expired: replace it and send SIGHUP",
                 set->expiring);
    } else {
        snprintf(problem, TLS_PROBLEM_BYTES, "%s expires in %" PRId64 " days: replace it in time",
                 set->expiring, left_s / DAY_S);
    }
    return true;
}

/* Start and end. */

bool tls_is_built(void) {
    return true;
}

static bool tls_init(struct tls *tls, struct tls_shared *shared) {
    tls->shared = shared;
    TAILQ_INIT(&tls->handshakes);
    TAILQ_INIT(&tls->unread);
    TAILQ_INIT(&tls->timed);
    tls->method = tls_bio_create_method();
    tls->gathered = malloc(TLS_GATHERED_BYTES_MAX);
    return tls->method && tls->gathered;
}

static struct tls_shared *tls_shared_allocate(const struct tls_config *config,
                                              const struct clock *clock, uint64_t start_boot_ns,
                                              uint32_t count) {
    struct tls_shared *shared = calloc(1, sizeof(*shared));
    if (!shared) {
        return NULL;
    }
    shared->config = config;
    shared->clock = clock;
    shared->start_boot_ns = start_boot_ns;
    shared->count = count;
    shared->all = calloc(count, sizeof(*shared->all));
    bool ready = shared->all;
    for (uint32_t i = 0; ready && i < count; i++) {
        ready = tls_init(&shared->all[i], shared);
    }
    if (!ready) {
        tls_shared_destroy(shared);
        return NULL;
    }
    return shared;
}

/* The sets are given out by `give` to each reactor. */
static bool tls_shared_load(struct tls_shared *shared, const struct tls_set *before,
                            void (*give)(struct tls *tls, struct tls_set *set),
                            char problem[TLS_PROBLEM_BYTES]) {
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): these are pointers */
    struct tls_set **sets = calloc(shared->count, sizeof(*sets));
    if (!sets) {
        snprintf(problem, TLS_PROBLEM_BYTES, "Error loading the certificates: no memory");
        return false;
    }
    bool loaded = tls_load(shared, before, sets, problem);
    if (loaded) {
        tls_note_loaded(shared, sets[0]);
        tls_set_expires_soon(sets[0], shared->clock, problem);
    }
    for (uint32_t i = 0; loaded && i < shared->count; i++) {
        give(&shared->all[i], sets[i]);
    }
    free(sets);
    return loaded;
}

static void tls_give_first(struct tls *tls, struct tls_set *set) {
    tls->set = set;
}

struct tls_shared *tls_shared_create(const struct tls_config *config, const struct clock *clock,
                                     uint64_t start_boot_ns, uint32_t count,
                                     char problem[TLS_PROBLEM_BYTES]) {
    struct tls_shared *shared = tls_shared_allocate(config, clock, start_boot_ns, count);
    if (!shared) {
        snprintf(problem, TLS_PROBLEM_BYTES, "no memory for TLS");
        return NULL;
    }
    if (!tls_shared_load(shared, NULL, tls_give_first, problem)) {
        tls_shared_destroy(shared);
        return NULL;
    }
    return shared;
}

void tls_shared_destroy(struct tls_shared *shared) {
    if (!shared) {
        return;
    }
    for (uint32_t i = 0; shared->all && i < shared->count; i++) {
        tls_set_destroy(shared->all[i].set);
        tls_set_destroy(atomic_load(&shared->all[i].mailbox));
        BIO_meth_free(shared->all[i].method);
        free(shared->all[i].gathered);
    }
    free(shared->all);
    free(shared);
}

struct tls *tls_of_reactor(struct tls_shared *shared, uint32_t reactor) {
    return shared ? &shared->all[reactor] : NULL;
}

const struct tls_facts *tls_shared_facts(const struct tls_shared *shared) {
    return shared ? &shared->facts : NULL;
}

/* Reloading. */

static void tls_give_newer(struct tls *tls, struct tls_set *set) {
    tls_set_destroy(atomic_exchange(&tls->mailbox, set));
}

bool tls_reload(struct tls *tls, char problem[TLS_PROBLEM_BYTES]) {
    struct tls_shared *shared = tls->shared;
    if (atomic_exchange(&shared->reloading, true)) {
        snprintf(problem, TLS_PROBLEM_BYTES, "Error another refresh_certs is under way");
        return false;
    }
    bool loaded = tls_shared_load(shared, tls->set, tls_give_newer, problem);
    atomic_store(&shared->reloading, false);
    return loaded;
}

const char *tls_answer_reload(struct tls *tls) {
    if (!tls) {
        return "Error TLS not enabled";
    }
    return tls_reload(tls, tls->answer) ? "OK" : tls->answer;
}

static void tls_end_set(struct tls_set *set) {
    if (set->replaced && set->sessions == 0) {
        tls_set_destroy(set);
    }
}

/* Takes a newer set out of the mailbox. */
static void tls_update(struct tls *tls) {
    if (!atomic_load_explicit(&tls->mailbox, memory_order_relaxed)) {
        return;
    }
    struct tls_set *newer = atomic_exchange(&tls->mailbox, NULL);
    tls->set->replaced = true;
    tls_end_set(tls->set);
    tls->set = newer;
}

bool tls_expires_soon(struct tls *tls, char problem[TLS_PROBLEM_BYTES]) {
    tls_update(tls);
    return tls_set_expires_soon(tls->set, tls->shared->clock, problem);
}

struct tls_set *tls_take_set(struct tls *tls) {
    tls_update(tls);
    tls->set->sessions++;
    return tls->set;
}

void tls_leave_set(struct tls *tls, struct tls_set *set) {
    (void)tls;
    set->sessions--;
    tls_end_set(set);
}
