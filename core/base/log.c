#include "core/base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* After a write that would have had to wait. */
#define RETRY_NS ((uint64_t)100000000)

/* One line. */

static void log_put_arguments(struct log_entry *entry, const char *format, va_list arguments) {
    size_t room = sizeof(entry->bytes) - 1 - entry->length; /* a newline follows */
    int length = vsnprintf(entry->bytes + entry->length, room, format, arguments);
    assert(length >= 0);
    entry->length += (size_t)length < room ? (size_t)length : room - 1;
}

void log_put(struct log_entry *entry, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_put_arguments(entry, format, arguments);
    va_end(arguments);
}

/* The real time, not that of the turn: only people read it. */
void log_begin(struct log_entry *entry, int connection) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    entry->length = strftime(entry->bytes, sizeof(entry->bytes), "%Y-%m-%dT%H:%M:%S", &utc);
    log_put(entry, ".%03dZ ", (int)(now.tv_nsec / 1000000));
    if (connection == LOG_NO_CONNECTION) {
        log_put(entry, "-");
    } else {
        log_put(entry, "%d", connection);
    }
}

static bool log_is_plain(char byte) {
    return byte >= ' ' && byte <= '~' && byte != '\\';
}

static size_t log_put_byte(char out[4], char byte) {
    static const char digits[] = "0123456789abcdef";
    out[0] = byte;
    if (log_is_plain(byte)) {
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[(unsigned char)byte >> 4];
    out[3] = digits[byte & 15];
    return 4;
}

void log_put_text(struct log_entry *entry, const char *bytes, size_t length) {
    char *start = entry->bytes + entry->length, *at = start;
    assert(entry->length + LOG_TEXT_MAX + 4 <= sizeof(entry->bytes));
    while (length > 0 && at - start <= LOG_TEXT_MAX - 4) {
        at += log_put_byte(at, *bytes++);
        length--;
    }
    entry->length += (size_t)(at - start);
    if (length > 0) {
        log_put(entry, "...");
    }
}

/* All lines of a reactor. */

/* Makes sure that a line fits; false when it doesn't. */
static bool log_make_space(struct log *log) {
    if (!log->bytes) {
        log->bytes = malloc(LOG_BYTES_MAX);
    }
    if (log->bytes && LOG_BYTES_MAX - log->length < LOG_LINE_BYTES_MAX) {
        log_flush(log);
    }
    return log->bytes && LOG_BYTES_MAX - log->length >= LOG_LINE_BYTES_MAX;
}

void log_end(struct log *log, struct log_entry *entry) {
    if (!log_make_space(log)) {
        log->dropped++;
        return;
    }
    entry->bytes[entry->length++] = '\n';
    memcpy(log->bytes + log->length, entry->bytes, entry->length);
    log->length += entry->length;
}

void log_add(struct log *log, int connection, const char *format, ...) {
    struct log_entry entry;
    va_list arguments;
    log_begin(&entry, connection);
    log_put(&entry, " ");
    va_start(arguments, format);
    log_put_arguments(&entry, format, arguments);
    va_end(arguments);
    log_end(log, &entry);
}

/* Asking whether stderr is writable before each write is not enough: a terminal waits when its
 * buffer is full, and a pipe may be filled by others, our own reactors among them, between the
 * question and the write. Opening it again gives a file description of our own, which can be
 * non-blocking. Where that isn't allowed, the question has to do. */
void log_open(void) {
    struct stat file;
    if (fstat(STDERR_FILENO, &file) != 0 || !(S_ISFIFO(file.st_mode) || S_ISCHR(file.st_mode))) {
        return;
    }
    int again = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again < 0) {
        return;
    }
    dup2(again, STDERR_FILENO);
    close(again);
}

static bool log_is_writable(void) {
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&stream, 1, 0) > 0;
}

/* Writes whole lines, at most PIPE_BUF bytes: a pipe that is writable takes those without waiting,
 * and in one piece, so that lines of other reactors don't get in between. Returns how many bytes
 * need not be written any more. */
static size_t log_write_lines(const char *bytes, size_t length) {
    _Static_assert(LOG_LINE_BYTES_MAX <= PIPE_BUF, "a line is written at once");
    if (length > PIPE_BUF) {
        length = (size_t)((const char *)memrchr(bytes, '\n', PIPE_BUF) + 1 - bytes);
    }
    ssize_t written = write(STDERR_FILENO, bytes, length);
    if (written >= 0) {
        return (size_t)written;
    }
    /* Nothing can be done about a log that can't be written. */
    return errno == EAGAIN || errno == EINTR ? 0 : length;
}

void log_flush(struct log *log) {
    size_t done = 0, step = 1;
    if (log->length == 0) {
        return;
    }
    while (step > 0 && done < log->length && log_is_writable()) {
        step = log_write_lines(log->bytes + done, log->length - done);
        done += step;
    }
    log->length -= done;
    memmove(log->bytes, log->bytes + done, log->length);
    if (log->length > 0 || log->dropped == 0) {
        return;
    }
    uint64_t dropped = log->dropped;
    log->dropped = 0;
    log_add(log, LOG_NO_CONNECTION, "%llu lines of the log were dropped: nobody took them in time",
            (unsigned long long)dropped);
}

uint64_t log_wait_ns(const struct log *log) {
    return log->length > 0 ? RETRY_NS : UINT64_MAX;
}

void log_finish(struct log *log) {
    log_flush(log);
    log_flush(log); /* the line about dropped lines, if the first call has added it */
    free(log->bytes);
    *log = (struct log){0};
}

/* Lines that are written at once. */

#define MESSAGE_BYTES_MAX 512

void log_line(const char *format, ...) {
    char line[MESSAGE_BYTES_MAX];
    int length = snprintf(line, sizeof(line), "simplecache: ");
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, arguments);
    va_end(arguments);
    length += more < (int)sizeof(line) - length - 2 ? more : (int)sizeof(line) - length - 2;
    line[length++] = '\n';
    /* Nothing can be done about a log that can't be written. */
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written;
}
