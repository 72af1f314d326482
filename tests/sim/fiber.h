/* fiber: a stack of its own for each simulated reactor, all in one thread. */
#ifndef TESTS_SIM_FIBER_H
#define TESTS_SIM_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

struct fiber {
    ucontext_t own;
    ucontext_t caller;
    char *stack;
    void (*run)(void *argument);
    void *argument;
    bool finished; /* run() has returned */

    /* What the address sanitizer wants to know of a change of stacks. */
    void *fake_stack;
    void *caller_fake_stack;
    const void *caller_stack;
    size_t caller_stack_bytes;
};

/* Prepares one; run(argument) begins with the first fiber_resume(). False without memory. */
bool fiber_init(struct fiber *fiber, void (*run)(void *argument), void *argument);
void fiber_finish(struct fiber *fiber);

/* From outside: goes on inside until it yields or has finished. */
void fiber_resume(struct fiber *fiber);

/* From inside: goes on outside, behind fiber_resume(). */
void fiber_yield(struct fiber *fiber);

#endif
