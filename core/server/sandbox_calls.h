/* sandbox_calls: which system calls a thread may make (seccomp). The only header of what knows
 * libseccomp.
 */
#ifndef CORE_SERVER_SANDBOX_CALLS_H
#define CORE_SERVER_SANDBOX_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* A program that the kernel runs before each call. */
struct sandbox_filter;

/* Whether this build has it: needs libseccomp. The others then do nothing, and answer -ENOSYS. */
bool sandbox_calls_are_built(void);

/* 0 or -errno, where the kernel has it not, or refuses it: for good, for a process that is to
 * end. */
int sandbox_calls_try(void);

/* For the groups with these bits; NULL: no memory. Thread: the main one. */
struct sandbox_filter *sandbox_calls_create(uint32_t groups);
void sandbox_calls_free(struct sandbox_filter *filter);

/* From now on, for the thread that calls and those that it starts. 0 or -errno. A call that is not
 * on the list becomes a SIGSYS, without having been made. */
int sandbox_calls_enter(const struct sandbox_filter *filter);

/* The names of the processor's system calls, by their numbers; NULL between them. */
extern const char *const sandbox_call_names[];
extern const unsigned sandbox_call_count;

#endif
