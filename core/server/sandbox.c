#include "core/server/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/sandbox_calls.h"
#include "core/server/sandbox_files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_LEFT_OUT true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANDBOX_LEFT_OUT true
#endif
#endif
#ifndef SANDBOX_LEFT_OUT
#define SANDBOX_LEFT_OUT false
#endif

#define SANDBOX_LINE_BYTES 256
#define SANDBOX_WAIT_MS 200 /* for a reader of stderr */

struct sandbox {
    uint32_t parts;
    struct sandbox_filter *filters[SANDBOX_THREADS]; /* NULL: of a kind that there is none of */
    int rules[SANDBOX_THREADS];                      /* or -1 */
    sem_t entered;
};

/* What can be had. */

/* Returns 0, -errno, or -ECANCELED where the child was ended. */
static int sandbox_wait_for_child(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECANCELED;
}

/* Tries it in a child, since an outer sandbox may end who tries. The same results. Who has started
 * the server may have ignored SIGCHLD, and then there is nothing to wait for. */
static int sandbox_try(int try(void)) {
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    struct sigaction before;
    sigaction(SIGCHLD, &plain, &before);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_DUMPABLE, 0); /* it leaves no core file */
        _exit(-try());
    }
    int result = child > 0 ? sandbox_wait_for_child(child) : -errno;
    sigaction(SIGCHLD, &before, NULL);
    return result;
}

static const char *sandbox_advice(int error) {
    switch (error) {
    case -ECANCELED:
        return "an outer sandbox ends who asks for it: let SystemCallFilter= allow seccomp, "
               "landlock_create_ruleset, landlock_add_rule and landlock_restrict_self";
    case -EPERM:
    case -EACCES:
        return "an outer sandbox forbids it: let it allow seccomp, landlock_create_ruleset, "
               "landlock_add_rule and landlock_restrict_self";
    case -EOPNOTSUPP:
        return "it was switched off at boot: add landlock to the kernel's lsm=";
    case -ENOSYS:
    case -EINVAL:
        return "the kernel has none, or an outer sandbox hides it";
    default:
        return strerror(-error);
    }
}

static void sandbox_tell(const struct config *config, const char *what, int error) {
    if (config->sandbox_asked || config->verbosity > 0) {
        log_line("sandbox: %s: %s", what, sandbox_advice(error));
    }
}

void sandbox_choose(struct config *config) {
    config->sandbox_parts = 0;
    if (config->no_sandbox) {
        return;
    }
    if (SANDBOX_LEFT_OUT || !sandbox_calls_are_built()) {
        config->no_sandbox = true;
        if (config->sandbox_asked) {
            log_line("-o drop_privileges: this program was built without: build it with "
                     "libseccomp (-Dsandbox=enabled) and without sanitizers");
        }
        return;
    }
    int calls = sandbox_try(sandbox_calls_try), files = sandbox_try(sandbox_files_try);
    if (calls) {
        sandbox_tell(config, "no system call is forbidden", calls);
    }
    if (files) {
        sandbox_tell(config, "no file is forbidden", files);
    }
    config->sandbox_parts =
        (calls ? 0u : CONFIG_SANDBOX_CALLS) | (files ? 0u : CONFIG_SANDBOX_FILES);
}

/* A call that is forbidden. */

struct sandbox_line {
    size_t length;
    char bytes[SANDBOX_LINE_BYTES];
};

static void sandbox_put(struct sandbox_line *line, const char *text) {
    while (*text && line->length < SANDBOX_LINE_BYTES - 1) {
        line->bytes[line->length++] = *text++;
    }
}

static void sandbox_put_number(struct sandbox_line *line, unsigned number) {
    char digits[sizeof("4294967295")];
    char *at = digits + sizeof(digits) - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    sandbox_put(line, at);
}

static void sandbox_put_call(struct sandbox_line *line, unsigned number) {
    const char *name = number < sandbox_call_count ? sandbox_call_names[number] : NULL;
    if (name) {
        sandbox_put(line, name);
        sandbox_put(line, " ");
    }
    sandbox_put(line, "(system call ");
    sandbox_put_number(line, number);
    sandbox_put(line, ")");
}

/* Makes calls alone that are on all lists. The signal that is raised stays blocked until this
 * handler returns, so that a core file shows the place of the call. */
static void sandbox_forbidden(int number, siginfo_t *info, void *context) {
    struct sandbox_line line = {.length = 0};
    char name[16] = "";
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    (void)context;
    prctl(PR_GET_NAME, name);
    sandbox_put(&line, "simplecache: sandbox: thread \"");
    sandbox_put(&line, name);
    sandbox_put(&line, "\" was about to call ");
    sandbox_put_call(&line, (unsigned)info->si_syscall);
    sandbox_put(&line, ", which is not on its list: this is a fault, of the list or of what calls; "
                       "-o no_sandbox serves without");
    line.bytes[line.length++] = '\n';
    if (poll(&stream, 1, SANDBOX_WAIT_MS) > 0) {
        ssize_t written = write(STDERR_FILENO, line.bytes, line.length);
        (void)written; /* there is nobody else to tell */
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void sandbox_take_signal(void) {
    struct sigaction action = {.sa_sigaction = sandbox_forbidden,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    sigaction(SIGSYS, &action, NULL);
}

/* Where it was blocked when the server was started it would end the process without a word. */
static void sandbox_unblock_signal(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The lists. */

static bool sandbox_has_kind(const struct config *config, enum sandbox_thread kind) {
    switch (kind) {
    case SANDBOX_MAIN:
    case SANDBOX_FIRST:
        return true;
    case SANDBOX_REACTOR:
        return config->cores > 1;
    case SANDBOX_METRICS:
        return config->metrics.count > 0;
    case SANDBOX_CLUSTER:
        return config->cluster.name;
    case SANDBOX_SASL:
        return config->system_sasl;
    }
    return false;
}

/* Reactors have one of the two engines. */
static uint32_t sandbox_groups_of(const struct config *config, enum sandbox_thread kind) {
    uint32_t groups = sandbox_rows[kind].groups;
    if (kind == SANDBOX_FIRST || kind == SANDBOX_REACTOR) {
        groups &= ~SANDBOX_BIT(config->io == IO_EPOLL ? SANDBOX_RING : SANDBOX_EPOLL);
    }
    return groups;
}

/* 0 or -errno. */
static int sandbox_prepare(struct sandbox *sandbox, const struct config *config, const char *logins,
                           enum sandbox_thread kind) {
    if (sandbox->parts & CONFIG_SANDBOX_CALLS) {
        sandbox->filters[kind] = sandbox_calls_create(sandbox_groups_of(config, kind));
        if (!sandbox->filters[kind]) {
            return -ENOMEM;
        }
    }
    if (sandbox->parts & CONFIG_SANDBOX_FILES) {
        int rules = sandbox_files_create(config, logins, sandbox_rows[kind].places);
        if (rules < 0) {
            return rules;
        }
        sandbox->rules[kind] = rules;
    }
    return 0;
}

bool sandbox_create(struct sandbox **result, const struct config *config, const char *logins) {
    *result = NULL;
    if (config->sandbox_parts == 0) {
        return true;
    }
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    int error = sandbox ? 0 : -ENOMEM;
    for (unsigned i = 0; sandbox && i < SANDBOX_THREADS; i++) {
        sandbox->rules[i] = -1;
    }
    if (sandbox) {
        sandbox->parts = config->sandbox_parts;
        sem_init(&sandbox->entered, 0, 0);
        tzset(); /* reads a file, at its first call */
        sandbox_take_signal();
    }
    for (unsigned i = 0; i < SANDBOX_THREADS && !error; i++) {
        error = sandbox_has_kind(config, i) ? sandbox_prepare(sandbox, config, logins, i) : 0;
    }
    if (error) {
        log_line("can't prepare the sandbox: %s; -o no_sandbox starts without", strerror(-error));
        sandbox_destroy(sandbox);
        return false;
    }
    *result = sandbox;
    return true;
}

/* They have been entered, or never will be. */
static void sandbox_free_lists(struct sandbox *sandbox) {
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        sandbox_calls_free(sandbox->filters[i]);
        sandbox->filters[i] = NULL;
        if (sandbox->rules[i] >= 0) {
            close(sandbox->rules[i]);
        }
        sandbox->rules[i] = -1;
    }
}

void sandbox_destroy(struct sandbox *sandbox) {
    if (sandbox) {
        sandbox_free_lists(sandbox);
        sem_destroy(&sandbox->entered);
    }
    free(sandbox);
}

/* Entering. */

static void sandbox_check_entered(int error, const char *call) {
    if (error) {
        log_line("can't enter the sandbox: %s: %s; -o no_sandbox starts without", call,
                 strerror(-error));
        exit(EXIT_FAILURE);
    }
}

/* Files first: the filter forbids the calls for that. */
static void sandbox_enter_lists(struct sandbox *sandbox, enum sandbox_thread kind) {
    sandbox_unblock_signal();
    if (sandbox->parts & CONFIG_SANDBOX_FILES) {
        sandbox_check_entered(sandbox_files_enter(sandbox->rules[kind]), "landlock_restrict_self");
    }
    if (sandbox->parts & CONFIG_SANDBOX_CALLS) {
        sandbox_check_entered(sandbox_calls_enter(sandbox->filters[kind]), "seccomp");
    }
}

void sandbox_enter(struct sandbox *sandbox, enum sandbox_thread kind) {
    if (sandbox) {
        sandbox_enter_lists(sandbox, kind);
        sem_post(&sandbox->entered);
    }
}

void sandbox_settle(struct sandbox *sandbox, uint32_t threads) {
    if (!sandbox) {
        return;
    }
    while (threads > 0) {
        threads -= sem_wait(&sandbox->entered) == 0;
    }
    sandbox_enter_lists(sandbox, SANDBOX_MAIN);
    sandbox_free_lists(sandbox);
}
