/* log: lines on stderr about connections, commands and errors, for people to read.
 *
 *     2026-11-22T20:46:13.123Z 17 opened by tcp:127.0.0.1:40000 on reactor 0
 *     2026-11-22T20:46:13.124Z 17 get some_key
 *     2026-11-22T20:46:13.125Z - can't accept on 127.0.0.1:11211: Too many open files; trying again
 *
 * A line has the time in UTC, the number of a connection (its descriptor, as in `stats conns`; -
 * for none), and a text. Text from a client is escaped, so that a client can't forge a line.
 *
 * A reactor collects its lines and writes them at the end of its turn. It never waits for the
 * reader of stderr: lines that can't be written yet are kept, up to LOG_BYTES_MAX; further lines
 * are dropped, and a line tells their number later.
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

/* What -v, -vv and the command verbosity ask for. */
enum log_level {
    LOG_CONNECTIONS = 1, /* and errors */
    LOG_COMMANDS = 2,
};

/* Lines of one reactor that wait to be written. */
#define LOG_BYTES_MAX ((size_t)64 * 1024)
#define LOG_LINE_BYTES_MAX ((size_t)1280)

/* A longer text of a client is cut off. A key is shorter, even if all of it has to be escaped. */
#define LOG_TEXT_MAX 1000

/* In place of a connection's number. */
#define LOG_NO_CONNECTION (-1)

/* The lines of one reactor, which alone touches them. All zeros is an empty log. */
struct log {
    char *bytes; /* NULL before the first line */
    size_t length;
    uint64_t dropped; /* lines, since a line last told the number of them */
};

/* A line that is being put together. */
struct log_entry {
    size_t length;
    char bytes[LOG_LINE_BYTES_MAX];
};

/* Put a line together from parts. What does not fit into LOG_LINE_BYTES_MAX is left out. */
void log_begin(struct log_entry *entry, int connection);
__attribute__((format(printf, 2, 3))) void log_put(struct log_entry *entry, const char *format,
                                                   ...);
/* A client's bytes: those that aren't printable ASCII, and backslashes, as \xNN. */
void log_put_text(struct log_entry *entry, const char *bytes, size_t length);
void log_end(struct log *log, struct log_entry *entry);

/* A whole line at once. */
__attribute__((format(printf, 3, 4))) void log_add(struct log *log, int connection,
                                                   const char *format, ...);

/* Makes writes to stderr return at once instead of waiting for a reader, for this process but not
 * for others that share the pipe or terminal. To be called before the reactors run, and before root
 * is dropped: the pipe may be root's. */
void log_open(void);

/* Writes what can be written without waiting. */
void log_flush(struct log *log);

/* How long a reactor may sleep before it tries to write again. */
uint64_t log_wait_ns(const struct log *log);

/* Flushes, and frees the memory. */
void log_finish(struct log *log);

/* Writes a line about the start or the end of the process at once: "simplecache: " and the text,
 * without a time. One write(2), so any thread may call it. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

#endif
