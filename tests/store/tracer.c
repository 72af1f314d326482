#include "tracer.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __x86_64__

#define TRAP_FLAG 0x100

#define RANGES_MAX 2

/* What the signal handlers work on; there are no ranges while nothing is traced. */
static struct {
    struct {
        char *address;
        size_t bytes;
    } ranges[RANGES_MAX];
    uint32_t count;
    tracer_stop *stop;
    void *context;
    struct sigaction segv_before;
    struct sigaction trap_before;
} tracer;

static void tracer_protect(int protection) {
    for (uint32_t i = 0; i < tracer.count; i++) {
        int result = mprotect(tracer.ranges[i].address, tracer.ranges[i].bytes, protection);
        assert(result == 0);
        (void)result;
    }
}

static void tracer_stopped(const greg_t *registers) {
    tracer_protect(PROT_READ);
    tracer.stop(tracer.context, (uintptr_t)registers[REG_RIP]);
}

static void tracer_copy(greg_t *registers, size_t bytes) {
    memcpy((char *)registers[REG_RDI], (const char *)registers[REG_RSI], bytes);
    registers[REG_RDI] += (greg_t)bytes;
    registers[REG_RSI] += (greg_t)bytes;
    registers[REG_RCX] -= (greg_t)bytes;
}

/* Does what is left of a `rep movsb` in two parts, and goes on behind it. */
static bool tracer_copies(greg_t *registers) {
    const unsigned char *code = (const unsigned char *)registers[REG_RIP];
    if (code[0] != 0xf3 || code[1] != 0xa4) {
        return false;
    }
    tracer_protect(PROT_READ | PROT_WRITE);
    tracer_copy(registers, (size_t)registers[REG_RCX] / 2);
    tracer_stopped(registers);
    tracer_protect(PROT_READ | PROT_WRITE);
    tracer_copy(registers, (size_t)registers[REG_RCX]);
    registers[REG_RIP] += 2;
    tracer_stopped(registers);
    return true;
}

static bool tracer_has(const char *at) {
    for (uint32_t i = 0; i < tracer.count; i++) {
        if (at >= tracer.ranges[i].address &&
            at < tracer.ranges[i].address + tracer.ranges[i].bytes) {
            return true;
        }
    }
    return false;
}

static void tracer_on_fault(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    char *at = info->si_addr;
    if (!tracer_has(at)) {
        sigaction(number, &tracer.segv_before, NULL); /* a real one: it comes again */
        return;
    }
    if (!tracer_copies(registers)) {
        tracer_protect(PROT_READ | PROT_WRITE);
        registers[REG_EFL] |= TRAP_FLAG;
    }
}

static void tracer_on_trap(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    tracer_stopped(registers);
}

bool tracer_begin(void *address, size_t bytes, tracer_stop *stop, void *context) {
    assert(tracer.count == 0);
    tracer.ranges[tracer.count].address = address;
    tracer.ranges[tracer.count++].bytes = bytes;
    tracer.stop = stop;
    tracer.context = context;
    struct sigaction segv = {.sa_sigaction = tracer_on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction trap = {.sa_sigaction = tracer_on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &segv, &tracer.segv_before);
    sigaction(SIGTRAP, &trap, &tracer.trap_before);
    tracer_protect(PROT_READ);
    return true;
}

void tracer_add(void *address, size_t bytes) {
    assert(tracer.count > 0 && tracer.count < RANGES_MAX);
    tracer.ranges[tracer.count].address = address;
    tracer.ranges[tracer.count++].bytes = bytes;
    tracer_protect(PROT_READ);
}

void tracer_end(void) {
    tracer_protect(PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &tracer.segv_before, NULL);
    sigaction(SIGTRAP, &tracer.trap_before, NULL);
    tracer.count = 0;
}

#else

bool tracer_begin(void *address, size_t bytes, tracer_stop *stop, void *context) {
    (void)address, (void)bytes, (void)stop, (void)context;
    return false;
}

void tracer_add(void *address, size_t bytes) {
    (void)address, (void)bytes;
}

void tracer_end(void) {
}

#endif
