/* criterion: a stand-in for the library of that name, of what our tests use of it, where they are
 * compiled for another processor: the library starts each case as a new program, which an emulator
 * of processes can't. Here each case is a fork.
 */
#ifndef TESTS_CROSS_CRITERION_H
#define TESTS_CROSS_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One case; the words of Test() behind its name are members. */
struct criterion_case {
    const char *suite;
    const char *name;
    void (*run)(void);
    double timeout; /* seconds; 0: none. An emulator has several times as many */
    int signal;     /* that it has to end by; 0: by none */
    struct criterion_case *next;
};

/* Adds a case to those that main() runs. Before main(). */
void criterion_add(struct criterion_case *one);

/* Tells what does not hold, and ends the case unless it is to go on. */
__attribute__((format(printf, 5, 6))) void criterion_fail(bool goes_on, const char *file, int line,
                                                          const char *condition, const char *format,
                                                          ...);

/* Ends the case, which can't be tried here. */
void criterion_skip(const char *why);

#define Test(suite_, name_, ...)                                                                   \
    static void suite_##_##name_##_run(void);                                                      \
    static struct criterion_case suite_##_##name_##_case = {                                       \
        .suite = #suite_, .name = #name_, .run = suite_##_##name_##_run, ##__VA_ARGS__};           \
    __attribute__((constructor)) static void suite_##_##name_##_add(void) {                        \
        criterion_add(&suite_##_##name_##_case);                                                   \
    }                                                                                              \
    static void suite_##_##name_##_run(void)

#define CRITERION_CHECK(goes_on, condition, ...)                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            criterion_fail(goes_on, __FILE__, __LINE__, #condition, " " __VA_ARGS__);              \
        }                                                                                          \
    } while (0)

#define cr_assert(condition, ...) CRITERION_CHECK(false, condition, ##__VA_ARGS__)
#define cr_expect(condition, ...) CRITERION_CHECK(true, condition, ##__VA_ARGS__)
#define cr_skip(why) criterion_skip(why)
#define cr_fatal(...) criterion_fail(false, __FILE__, __LINE__, "", " " __VA_ARGS__)

#endif
