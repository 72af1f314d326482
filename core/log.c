#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_BYTES_MAX 512

void log_line(const char *format, ...) {
    char line[LINE_BYTES_MAX];
    int length = snprintf(line, sizeof line, "simplecache: ");
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
    va_end(arguments);
    length += more < (int)sizeof line - length - 2 ? more : (int)sizeof line - length - 2;
    line[length++] = '\n';
    /* Nothing can be done about a log that can't be written. */
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written;
}
