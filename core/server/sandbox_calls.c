/* The only file that knows libseccomp. */
#include "core/server/sandbox_calls.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/server/sandbox_table.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* the C library names its memory */
#endif

#define NAME_BYTES 64

struct sandbox_filter {
    struct sock_fprog program;
};

bool sandbox_calls_are_built(void) {
    return true;
}

/* With which arguments. */

struct calls_condition {
    const char *name;
    unsigned argument;
    enum scmp_compare how;
    uint64_t values[2];
    bool self;   /* the value is the number of this process */
    bool hidden; /* ENOSYS, whatever the arguments are */
};

/* Of a name that stands here more than once any will do. */
static const struct calls_condition calls_conditions[] = {
    {"self", 0, SCMP_CMP_EQ, {0}, .self = true},
    {"name", 0, SCMP_CMP_EQ, {PR_SET_NAME}, .self = false},
    {"name", 0, SCMP_CMP_EQ, {PR_GET_NAME}, .self = false},
    {"name", 0, SCMP_CMP_EQ, {PR_SET_VMA}, .self = false},
    {"data", 2, SCMP_CMP_MASKED_EQ, {PROT_EXEC, 0}, .self = false},
    {"unix", 0, SCMP_CMP_EQ, {AF_UNIX}, .self = false},
    {"query", 1, SCMP_CMP_EQ, {TCGETS}, .self = false},
    {"query", 1, SCMP_CMP_EQ, {FIONREAD}, .self = false},
    {"query", 1, SCMP_CMP_EQ, {FIONBIO}, .self = false},
    {"thread", 0, SCMP_CMP_MASKED_EQ, {CLONE_THREAD, CLONE_THREAD}, .self = false},
    {"read", 2, SCMP_CMP_EQ, {0}, .self = false},
    {"hidden", 0, SCMP_CMP_EQ, {0}, .hidden = true},
};
#define CONDITIONS (sizeof(calls_conditions) / sizeof(*calls_conditions))

static int calls_add_condition(scmp_filter_ctx context, int number,
                               const struct calls_condition *condition) {
    const struct scmp_arg_cmp compared = {
        .arg = condition->argument,
        .op = condition->how,
        .datum_a = condition->self ? (uint64_t)getpid() : condition->values[0],
        .datum_b = condition->values[1],
    };
    if (condition->hidden) {
        return seccomp_rule_add_array(context, SCMP_ACT_ERRNO(ENOSYS), number, 0, NULL);
    }
    return seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, 1, &compared);
}

/* One call of a group: name, or name(condition). The library may not know it, or the processor not
 * have it: then nobody makes it. */
static int calls_add(scmp_filter_ctx context, const char *call, size_t length) {
    char text[NAME_BYTES], *condition;
    if (length >= sizeof(text)) {
        return -EINVAL;
    }
    memcpy(text, call, length);
    text[length] = '\0';
    condition = strchr(text, '(');
    if (condition) {
        *condition++ = '\0';
        condition[strcspn(condition, ")")] = '\0';
    }
    int number = seccomp_syscall_resolve_name(text), result = condition ? -EINVAL : 0;
    if (number < 0) {
        return 0;
    }
    if (!condition) {
        result = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, 0, NULL);
    }
    for (size_t i = 0; condition && i < CONDITIONS; i++) {
        if (strcmp(condition, calls_conditions[i].name) == 0) {
            result = calls_add_condition(context, number, &calls_conditions[i]);
        }
    }
    return result == -EEXIST ? 0 : result;
}

static int calls_add_group(scmp_filter_ctx context, const char *calls) {
    int error = 0;
    while (*calls && !error) {
        size_t length = strcspn(calls, " ");
        error = calls_add(context, calls, length);
        calls += length + strspn(calls + length, " ");
    }
    return error;
}

/* Filters. */

/* The library writes the program to a file, of memory. */
static bool calls_export(scmp_filter_ctx context, struct sandbox_filter *filter) {
    int file = memfd_create("filter", MFD_CLOEXEC);
    bool written = file >= 0 && seccomp_export_bpf(context, file) == 0;
    off_t bytes = written ? lseek(file, 0, SEEK_END) : 0;
    filter->program.len = (unsigned short)((size_t)bytes / sizeof(struct sock_filter));
    filter->program.filter = bytes > 0 ? malloc((size_t)bytes) : NULL;
    bool read = filter->program.filter &&
                pread(file, filter->program.filter, (size_t)bytes, 0) == (ssize_t)bytes;
    if (file >= 0) {
        close(file);
    }
    return read;
}

struct sandbox_filter *sandbox_calls_create(uint32_t groups) {
    struct sandbox_filter *filter = calloc(1, sizeof(*filter));
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_TRAP);
    int error = context && filter ? 0 : -ENOMEM;
    if (!error) {
        /* Calls of another processor's kind. */
        error = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        /* A tree, since a call that has conditions is looked for each time. */
        seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    }
    for (uint32_t i = 0; i < SANDBOX_GROUPS && !error; i++) {
        error = groups & SANDBOX_BIT(i) ? calls_add_group(context, sandbox_groups[i].calls) : 0;
    }
    bool made = !error && calls_export(context, filter);
    seccomp_release(context);
    if (!made) {
        sandbox_calls_free(filter);
        return NULL;
    }
    return filter;
}

void sandbox_calls_free(struct sandbox_filter *filter) {
    if (filter) {
        free(filter->program.filter);
    }
    free(filter);
}

/* Without the flag kernels before 5.16 slow such threads down, against attacks that only a process
 * which runs code of others has to fear. */
int sandbox_calls_enter(const struct sandbox_filter *filter) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                &filter->program) != 0) {
        return -errno;
    }
    return 0;
}

int sandbox_calls_try(void) {
    uint32_t needed = SECCOMP_RET_TRAP;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &needed) != 0) {
        return -errno;
    }
    struct sandbox_filter *filter = sandbox_calls_create(SANDBOX_BIT(SANDBOX_BASE));
    return filter ? sandbox_calls_enter(filter) : -ENOMEM;
}
