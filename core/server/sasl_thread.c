#include "core/server/sasl_thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/server/cyrus.h"
#include "core/server/sandbox.h"
#include "core/server/version.h"

#define SECOND_NS ((uint64_t)1000000000)

struct sasl_thread {
    pthread_t thread;
    struct cyrus *cyrus;
    struct panic_report panic;
    _Atomic bool *panic_taken;
    int wake;              /* an eventfd, on which it sleeps */
    int end;               /* and one that it wakes at its end */
    _Atomic bool stopping; /* relaxed: the wake that follows it orders both */
    /* To be entered, which what is behind it goes before. NULL: none, or it has been. */
    struct sandbox *_Atomic sandbox;
    uint32_t reactors_open; /* whose queues are to be closed */
    uint32_t reactors;
    struct sasl_logins *logins; /* of each reactor */
};

static void sasl_thread_run_login(struct sasl_thread *thread, struct sasl_login *login) {
    bool wanted = login->task != SASL_TASK_END &&
                  !atomic_load_explicit(&login->abandoned, memory_order_relaxed);
    login->outcome = SASL_OUTCOME_REFUSED;
    if (wanted) {
        cyrus_run(thread->cyrus, login);
    } else {
        cyrus_end(login);
    }
    sasl_login_wipe(login);
}

static bool sasl_thread_stops(const struct sasl_thread *thread) {
    return atomic_load_explicit(&thread->stopping, memory_order_relaxed);
}

/* One login of each reactor. False when there was none. */
static bool sasl_thread_round(struct sasl_thread *thread) {
    bool any = false;
    for (uint32_t i = 0; i < thread->reactors && !sasl_thread_stops(thread); i++) {
        struct sasl_queue *queue = &thread->logins[i].queue;
        struct sasl_login *login = sasl_queue_take(queue);
        if (login) {
            sasl_thread_run_login(thread, login);
            sasl_queue_answer(queue, login);
            any = true;
        }
    }
    return any;
}

static void sasl_thread_enter(struct sasl_thread *thread) {
    struct sandbox *sandbox = atomic_load_explicit(&thread->sandbox, memory_order_acquire);
    if (sandbox) {
        atomic_store_explicit(&thread->sandbox, NULL, memory_order_relaxed);
        sandbox_enter(sandbox, SANDBOX_SASL);
    }
}

static void *sasl_thread_main(void *argument) {
    struct sasl_thread *thread = argument;
    pthread_setname_np(pthread_self(), "sasl");
    panic_thread_init(&thread->panic, thread->panic_taken);
    while (!sasl_thread_stops(thread)) {
        sasl_queue_slept(thread->wake);
        sasl_thread_enter(thread);
        while (sasl_thread_round(thread)) {
        }
    }
    panic_thread_finish();
    sasl_queue_wake(thread->end);
    return NULL;
}

/* Begin and end. */

static void sasl_thread_free(struct sasl_thread *thread) {
    for (uint32_t i = 0; i < thread->reactors_open; i++) {
        sasl_logins_finish(&thread->logins[i], cyrus_end);
    }
    if (thread->wake >= 0) {
        close(thread->wake);
    }
    if (thread->end >= 0) {
        close(thread->end);
    }
    cyrus_destroy(thread->cyrus);
    free(thread->logins);
    free(thread);
}

static int sasl_thread_open(struct sasl_thread *thread, const struct config *config) {
    void *logins = NULL;
    size_t bytes = config->cores * sizeof(*thread->logins);
    thread->wake = eventfd(0, EFD_CLOEXEC);
    thread->end = eventfd(0, EFD_CLOEXEC);
    if (thread->wake < 0 || thread->end < 0) {
        return errno;
    }
    if (posix_memalign(&logins, CACHE_LINE_BYTES, bytes) != 0) {
        return ENOMEM;
    }
    thread->logins = memset(logins, 0, bytes);
    thread->reactors = config->cores;
    for (uint32_t i = 0; i < config->cores; i++) {
        int error =
            sasl_logins_init(&thread->logins[i], thread->wake, config->sasl_timeout_s * SECOND_NS);
        if (error) {
            return -error;
        }
        thread->reactors_open++;
    }
    return pthread_create(&thread->thread, NULL, sasl_thread_main, thread);
}

struct sasl_thread *sasl_thread_create(const struct config *config, _Atomic bool *taken) {
    char line[CYRUS_LINE_BYTES];
    struct sasl_thread *thread = calloc(1, sizeof(*thread));
    if (!thread) {
        log_line("-S: no memory for SASL");
        return NULL;
    }
    thread->wake = thread->end = -1;
    thread->panic =
        (struct panic_report){.version = SIMPLECACHE_VERSION, .reactor = PANIC_NO_REACTOR};
    thread->panic_taken = taken;
    thread->cyrus = cyrus_create(line);
    log_line("%s", line);
    int error = thread->cyrus ? sasl_thread_open(thread, config) : 0;
    if (error) {
        log_line("-S: can't start the thread of SASL: %s", strerror(error));
    }
    if (thread->cyrus && !error) {
        return thread;
    }
    sasl_thread_free(thread);
    return NULL;
}

void sasl_thread_destroy(struct sasl_thread *thread) {
    if (!thread) {
        return;
    }
    struct pollfd end = {.fd = thread->end, .events = POLLIN};
    atomic_store_explicit(&thread->stopping, true, memory_order_relaxed);
    sasl_queue_wake(thread->wake);
    if (poll(&end, 1, SASL_THREAD_END_MS) > 0) {
        pthread_join(thread->thread, NULL);
        sasl_thread_free(thread);
    } else {
        pthread_detach(thread->thread);
    }
}

void sasl_thread_settle(struct sasl_thread *thread, struct sandbox *sandbox) {
    if (sandbox) {
        atomic_store_explicit(&thread->sandbox, sandbox, memory_order_release);
        sasl_queue_wake(thread->wake);
    }
}

const char *sasl_thread_file(const struct sasl_thread *thread) {
    return thread ? cyrus_file(thread->cyrus) : NULL;
}

const char *sasl_thread_mechanisms(const struct sasl_thread *thread) {
    return cyrus_mechanisms(thread->cyrus);
}

struct sasl_logins *sasl_thread_logins(struct sasl_thread *thread, uint32_t reactor) {
    return thread ? &thread->logins[reactor] : NULL;
}
