#include "criterion/criterion.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* An emulated processor is slow. */
#define TIMES_SLOWER 20

struct cases {
    struct criterion_case *first;
    bool failed; /* the running one, of which cr_expect() has failed */
};

static struct cases *cases_all(void) {
    static struct cases all;
    return &all;
}

void criterion_add(struct criterion_case *one) {
    struct cases *all = cases_all();
    one->next = all->first;
    all->first = one;
}

void criterion_fail(bool goes_on, const char *file, int line, const char *condition,
                    const char *format, ...) {
    va_list arguments;
    printf("# %s:%d: %s", file, line, condition);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    cases_all()->failed = true;
    if (!goes_on) {
        _exit(EXIT_FAILURE);
    }
}

#define STATUS_SKIPPED 77

void criterion_skip(const char *why) {
    printf("# skipped: %s\n", why);
    fflush(stdout);
    _exit(STATUS_SKIPPED);
}

static void cases_run_here(const struct criterion_case *one) {
    if (one->timeout > 0) {
        alarm((unsigned)(one->timeout * TIMES_SLOWER) + 1);
    }
    one->run();
    _exit(cases_all()->failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* Whether it has ended as it should. */
static bool cases_run(const struct criterion_case *one) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        cases_run_here(one);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return false;
    }
    if (one->signal) {
        return WIFSIGNALED(status) && WTERMSIG(status) == one->signal;
    }
    return WIFEXITED(status) &&
           (WEXITSTATUS(status) == EXIT_SUCCESS || WEXITSTATUS(status) == STATUS_SKIPPED);
}

/* Its arguments are those of criterion's, and say nothing that it doesn't do. */
int main(void) {
    int number = 0, failed = 0;
    for (const struct criterion_case *one = cases_all()->first; one; one = one->next) {
        bool passed = cases_run(one);
        printf("%sok %d - %s::%s\n", passed ? "" : "not ", ++number, one->suite, one->name);
        failed += !passed;
    }
    printf("1..%d\n", number);
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
