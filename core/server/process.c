#include "core/server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"

void process_fill_streams(void) {
    int null;
    do {
        null = open("/dev/null", O_RDWR);
    } while (null >= 0 && null <= STDERR_FILENO);
    if (null >= 0) {
        close(null);
    }
}

/* A daemon. */

/* The child writes a byte to the pipe when it serves; without one the pipe ends with the child. */
static _Noreturn void process_wait_for_child(pid_t child, int pipe_end) {
    char byte;
    int status;
    if (read(pipe_end, &byte, 1) == 1) {
        _exit(EXIT_SUCCESS);
    }
    if (waitpid(child, &status, 0) == child && WIFSIGNALED(status)) {
        log_line("ended by signal %d at the start", WTERMSIG(status));
    } else if (WIFEXITED(status)) {
        _exit(WEXITSTATUS(status)); /* it has said why */
    }
    _exit(EXIT_FAILURE);
}

int process_detach(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -errno;
    }
    pid_t child = fork();
    if (child < 0) {
        int error = -errno;
        close(ends[0]);
        close(ends[1]);
        return error;
    }
    close(ends[child > 0]);
    if (child > 0) {
        process_wait_for_child(child, ends[0]);
    }
    setsid();
    return ends[1];
}

static bool process_is_relative(const char *path) {
    return path && *path != '/';
}

static void process_leave_directory(const struct config *config) {
    bool needed = config->core_dumps || process_is_relative(config->socket_path) ||
                  process_is_relative(config->pid_file) || process_is_relative(config->users_file);
    if (!needed && chdir("/") != 0) {
        log_line("can't change to /: %s", strerror(errno));
    }
}

static void process_leave_streams(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int stream = STDIN_FILENO; null >= 0 && stream <= STDERR_FILENO; stream++) {
        dup2(null, stream);
    }
    if (null > STDERR_FILENO) {
        close(null);
    }
}

void process_ready(int caller, const struct config *config) {
    process_leave_directory(config);
    if (config->verbosity == 0) {
        process_leave_streams();
    }
    /* An error means that the parent has been killed: nobody waits. */
    ssize_t written = write(caller, "", 1);
    (void)written;
    close(caller);
}

/* Files. */

static bool process_write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    if (!file) {
        return false;
    }
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

static bool process_replace_file(const char *what, const char *path, const char *suffix,
                                 const char *text) {
    char *fresh;
    if (asprintf(&fresh, "%s%s", path, suffix) < 0) {
        log_line("no memory for the name of %s", what);
        return false;
    }
    bool written = process_write_text(fresh, text) && rename(fresh, path) == 0;
    if (!written) {
        log_line("can't write %s %s: %s", what, path, strerror(errno));
    }
    free(fresh);
    return written;
}

bool process_write_pid(const char *path) {
    char text[16];
    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    return process_replace_file("the pid file", path, ".tmp", text);
}

static bool process_holds_pid(const char *path, long pid) {
    FILE *file = fopen(path, "re");
    long found = -1;
    if (!file) {
        return false;
    }
    bool read = fscanf(file, "%ld", &found) == 1;
    fclose(file);
    return read && found == pid;
}

void process_remove_pid(const char *path) {
    if (process_holds_pid(path, getpid()) && unlink(path) != 0) {
        log_line("can't remove the pid file %s: %s", path, strerror(errno));
    }
}

bool process_write_ports(const char *path, const char *text) {
    return process_replace_file("MEMCACHED_PORT_FILENAME", path, ".lck", text);
}
