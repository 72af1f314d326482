/* tracer: runs part of a test store by store: it stops after each instruction that writes to one of
 * a few ranges of memory. They are read-only meanwhile; an instruction that faults is let through
 * alone, with the processor's trap flag. Long copies by `rep movsb` stop once, in the middle.
 *
 * One at a time, on one thread. x86-64 only: elsewhere tracer_begin() returns false. */
#ifndef TESTS_STORE_TRACER_H
#define TESTS_STORE_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called at each stop, with the address of the instruction behind the one that wrote. It may do
 * what it likes, but for writing to the ranges. */
typedef void tracer_stop(void *context, uintptr_t at);

bool tracer_begin(void *address, size_t bytes, tracer_stop *stop, void *context);
/* Adds a range to those that are traced. */
void tracer_add(void *address, size_t bytes);
void tracer_end(void);

#endif
