#include "fiber.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define start_switch __sanitizer_start_switch_fiber
#define finish_switch __sanitizer_finish_switch_fiber
#else
static void start_switch(void **fake_stack, const void *stack, size_t bytes) {
    (void)fake_stack;
    (void)stack;
    (void)bytes;
}
static void finish_switch(void *fake_stack, const void **stack, size_t *bytes) {
    (void)fake_stack;
    (void)stack;
    (void)bytes;
}
#endif

#define STACK_BYTES ((size_t)512 * 1024)

/* makecontext() passes ints: two halves of a pointer. */
static void fiber_begin(unsigned high, unsigned low) {
    struct fiber *fiber = (void *)(uintptr_t)((uint64_t)high << 32 | low);
    finish_switch(NULL, &fiber->caller_stack, &fiber->caller_stack_bytes);
    fiber->run(fiber->argument);
    fiber->finished = true;
    start_switch(NULL, fiber->caller_stack, fiber->caller_stack_bytes);
    swapcontext(&fiber->own, &fiber->caller);
}

bool fiber_init(struct fiber *fiber, void (*run)(void *argument), void *argument) {
    *fiber = (struct fiber){.run = run, .argument = argument};
    fiber->stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fiber->stack == MAP_FAILED) {
        return false;
    }
    getcontext(&fiber->own);
    fiber->own.uc_stack.ss_sp = fiber->stack;
    fiber->own.uc_stack.ss_size = STACK_BYTES;
    fiber->own.uc_link = NULL;
    uint64_t address = (uintptr_t)fiber;
    makecontext(&fiber->own, (void (*)(void))(uintptr_t)fiber_begin, 2, (unsigned)(address >> 32),
                (unsigned)address);
    return true;
}

void fiber_finish(struct fiber *fiber) {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    /* What the functions on it had poisoned would be found by whoever gets these addresses next. */
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, STACK_BYTES);
#endif
    munmap(fiber->stack, STACK_BYTES);
}

void fiber_resume(struct fiber *fiber) {
    assert(!fiber->finished);
    start_switch(&fiber->caller_fake_stack, fiber->stack, STACK_BYTES);
    swapcontext(&fiber->caller, &fiber->own);
    finish_switch(fiber->caller_fake_stack, NULL, NULL);
}

void fiber_yield(struct fiber *fiber) {
    start_switch(&fiber->fake_stack, fiber->caller_stack, fiber->caller_stack_bytes);
    swapcontext(&fiber->own, &fiber->caller);
    finish_switch(fiber->fake_stack, &fiber->caller_stack, &fiber->caller_stack_bytes);
}
