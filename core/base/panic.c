#include "core/base/panic.h"

#include <execinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PANIC_LEFT_TO_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define PANIC_LEFT_TO_SANITIZER true
#endif
#endif
#ifndef PANIC_LEFT_TO_SANITIZER
#define PANIC_LEFT_TO_SANITIZER false
#endif

#define PANIC_FRAMES_MAX 64
#define PANIC_LINE_BYTES 256
#define PANIC_STACK_BYTES ((size_t)64 * 1024)

/* How long a line waits for a reader of stderr. Without one the process is to end all the same. */
#define PANIC_WAIT_MS 200

/* The first process of a pid namespace; and the status of one that has ended as by a signal is the
 * signal's number and this, as shells and containers have it. */
#define PANIC_FIRST_PROCESS 1
#define PANIC_STATUS 128

/* The only thread-local of the program: a signal's handler has no parameter that could lead it to
 * the reactor it interrupts. Set by panic_thread_init(), read by the report alone. */
static __thread struct panic_report *panic_thread_report;

struct panic_line {
    size_t length;
    char bytes[PANIC_LINE_BYTES];
};

static void panic_put(struct panic_line *line, const char *text) {
    while (*text && line->length < PANIC_LINE_BYTES - 1) {
        line->bytes[line->length++] = *text++;
    }
}

static void panic_put_number(struct panic_line *line, uint64_t number) {
    char digits[sizeof("18446744073709551615")];
    char *at = digits + sizeof(digits) - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    panic_put(line, at);
}

/* A line is less than what a stream that is writable takes without waiting. */
static bool panic_may_write(void) {
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&stream, 1, PANIC_WAIT_MS) > 0;
}

static struct panic_line panic_begin_line(void) {
    struct panic_line line = {.length = 0};
    panic_put(&line, "simplecache: panic: ");
    return line;
}

static void panic_end_line(struct panic_line *line) {
    line->bytes[line->length++] = '\n';
    if (!panic_may_write()) {
        return;
    }
    ssize_t written = write(STDERR_FILENO, line->bytes, line->length);
    (void)written; /* there is nobody else to tell */
}

static const char *panic_signal_name(int number) {
    return number == SIGABRT ? "SIGABRT" : number == SIGSEGV ? "SIGSEGV" : "SIGBUS";
}

static void panic_write_signal(int number, const struct panic_report *report) {
    struct panic_line line = panic_begin_line();
    panic_put(&line, "signal ");
    panic_put_number(&line, (uint64_t)number);
    panic_put(&line, " (");
    panic_put(&line, panic_signal_name(number));
    panic_put(&line, ")");
    if (report && report->version) {
        panic_put(&line, ", version ");
        panic_put(&line, report->version);
    }
    panic_end_line(&line);
}

static void panic_write_reactor(const struct panic_report *report) {
    struct panic_line line = panic_begin_line();
    if (report && report->reactor != PANIC_NO_REACTOR) {
        panic_put(&line, "reactor ");
        panic_put_number(&line, report->reactor);
    } else {
        panic_put(&line, "no reactor");
    }
    if (report && report->turns) {
        panic_put(&line, ", turn ");
        panic_put_number(&line, *report->turns);
    }
    panic_end_line(&line);
}

static void panic_write_work(const struct panic_report *report) {
    if (!report || !report->work || !report->describe) {
        return;
    }
    struct panic_line line = panic_begin_line();
    struct panic_work work = report->describe(report->work);
    if (work.connection == PANIC_NO_CONNECTION) {
        panic_put(&line, "no connection");
    } else {
        panic_put(&line, "connection ");
        panic_put_number(&line, (uint64_t)work.connection);
    }
    if (work.command) {
        panic_put(&line, ", command ");
        panic_put(&line, work.command);
    }
    panic_end_line(&line);
}

static void panic_write_backtrace(void) {
    void *frames[PANIC_FRAMES_MAX];
    struct panic_line line = panic_begin_line();
    panic_put(&line, "backtrace:");
    panic_end_line(&line);
    int count = backtrace(frames, PANIC_FRAMES_MAX);
    for (int i = 0; i < count && panic_may_write(); i++) {
        backtrace_symbols_fd(&frames[i], 1, STDERR_FILENO);
    }
}

/* Another thread reports already: the process ends with that. */
static void panic_wait_for_end(void) {
    for (;;) {
        pause();
    }
}

/* What is most certain to work comes first: a fault in here ends the process at once, since all
 * signals are blocked. The signal that is raised stays blocked until this handler returns, so that
 * a core file shows the place of the fault. The first process of a container is ended by no signal
 * that it sends itself, abort()'s among them, but by a fault of its own that it repeats. */
static void panic_handle(int number, siginfo_t *info, void *context) {
    const struct panic_report *report = panic_thread_report;
    if (report && atomic_exchange(report->taken, true)) {
        panic_wait_for_end();
    }
    panic_write_signal(number, report);
    panic_write_reactor(report);
    panic_write_work(report);
    panic_write_backtrace();
    (void)context;
    signal(number, SIG_DFL);
    if (getpid() == PANIC_FIRST_PROCESS && info->si_code <= 0) {
        _exit(PANIC_STATUS + number);
    }
    raise(number);
}

void panic_init(void) {
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS};
    struct sigaction action = {.sa_sigaction = panic_handle, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    void *frame;
    if (PANIC_LEFT_TO_SANITIZER) {
        return;
    }
    backtrace(&frame, 1); /* loads a library and allocates, at its first call */
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        sigaction(signals[i], &action, NULL);
    }
}

void panic_thread_init(struct panic_report *report, _Atomic bool *taken) {
    report->taken = taken;
    panic_thread_report = report;
    if (PANIC_LEFT_TO_SANITIZER) {
        return;
    }
    stack_t stack = {.ss_sp = malloc(PANIC_STACK_BYTES), .ss_size = PANIC_STACK_BYTES};
    if (stack.ss_sp && sigaltstack(&stack, NULL) != 0) {
        free(stack.ss_sp);
    }
}

void panic_thread_finish(void) {
    stack_t stack = {.ss_flags = SS_DISABLE}, before;
    panic_thread_report = NULL;
    if (PANIC_LEFT_TO_SANITIZER) {
        return;
    }
    if (sigaltstack(&stack, &before) == 0 && !(before.ss_flags & SS_DISABLE)) {
        free(before.ss_sp);
    }
}
