/* Whether io_uring can be had here, and why not. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/io/uring_parts.h"

#define ALLOW "allow io_uring_setup, io_uring_enter and io_uring_register"

/* Reading what the kernel says of itself. */

#define STATUS_BYTES 4096

/* Returns the length of what is in the file, with a zero behind it; 0: it can't be read. */
static size_t refused_read(const char *path, char *text, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file >= 0 ? read(file, text, size - 1) : 0;
    if (file >= 0) {
        close(file);
    }
    length = length > 0 ? length : 0;
    text[length] = '\0';
    return (size_t)length;
}

/* '0' to '2'; '\0' where there is no such sysctl. */
static char refused_sysctl(void) {
    char text[8];
    refused_read("/proc/sys/kernel/io_uring_disabled", text, sizeof(text));
    return text[0];
}

/* Whether system calls of this process are filtered. */
static bool refused_is_filtered(void) {
    char text[STATUS_BYTES];
    refused_read("/proc/self/status", text, sizeof(text));
    return strstr(text, "\nSeccomp:\t2");
}

static const char *refused_forbidden(void) {
    char sysctl = refused_sysctl();
    if (sysctl == '2') {
        return "the sysctl kernel.io_uring_disabled is 2 and forbids io_uring: set it to 0";
    }
    if (sysctl == '1' && !refused_is_filtered()) {
        return "the sysctl kernel.io_uring_disabled is 1 and forbids io_uring: set it to 0, or "
               "kernel.io_uring_group to a group of this user's";
    }
    if (refused_is_filtered()) {
        return "a seccomp filter forbids io_uring: let the container's profile, or "
               "SystemCallFilter=, " ALLOW;
    }
    return "a security module (SELinux, AppArmor) forbids io_uring: let its policy allow it";
}

static const char *refused_missing(void) {
    if (refused_is_filtered() && refused_sysctl()) {
        return "a seccomp filter hides io_uring: let the container's profile " ALLOW;
    }
    if (refused_is_filtered()) {
        return "a seccomp filter hides io_uring, or the kernel has none: let the container's "
               "profile " ALLOW ", on " URING_KERNEL_NEEDED " or later";
    }
    return "this kernel has no io_uring: " URING_KERNEL_NEEDED " or later is needed";
}

const char *uring_advice(int error) {
    switch (error) {
    case -ENOSYS:
        return refused_missing();
    case -EPERM:
    case -EACCES:
        return refused_forbidden();
    case -EINVAL:
    case -EOPNOTSUPP:
        return "this kernel's io_uring is too old: " URING_KERNEL_NEEDED " or later is needed";
    case -ENOMEM:
        return "no memory for io_uring: raise the locked-memory limit (ulimit -l, LimitMEMLOCK=), "
               "or start fewer --cores";
    case -EMFILE:
    case -ENFILE:
        return "no descriptor left for io_uring: raise the limit of open files (ulimit -n, "
               "LimitNOFILE=)";
    default:
        return "io_uring can't be set up";
    }
}
