/* log: what happens, for people, on stderr.
 *
 *     2026-11-22T20:46:13.123Z 17 opened by tcp:127.0.0.1:40000 on reactor 0
 *     2026-11-22T20:46:13.124Z 17 get some_key
 *     2026-11-22T20:46:13.125Z - can't accept on 127.0.0.1:11211: Too many open files; trying again
 *
 * A line has its time (UTC), the connection's number (its descriptor, as in `stats conns`; - where
 * it is about none), and what there is to say. What a client has chosen is escaped, so that no line
 * can be forged.
 *
 * A reactor collects its lines and writes them at the end of its turn. It never waits for whoever
 * reads stderr: what can't be written stays, lines that find no room are dropped, and how many were
 * is told when there is room again.
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

#define LOG_BYTES_MAX ((size_t)64 * 1024) /* of lines that wait to be written */
#define LOG_LINE_BYTES_MAX ((size_t)1280)

/* A client's text is cut off after so many characters; a key never is, even if all of it has to be
 * escaped. */
#define LOG_TEXT_MAX 1000

/* In place of a connection's number. */
#define LOG_NO_CONNECTION (-1)

/* The lines of one reactor, which alone touches them. All zeros is an empty log. */
struct log {
    char *bytes; /* NULL before the first line */
    size_t length;
    uint64_t dropped; /* lines that nobody has been told of */
};

/* A line under way. */
struct log_entry {
    size_t length;
    char bytes[LOG_LINE_BYTES_MAX];
};

/* Makes a line of several parts. Each leaves out what does not fit any more. */
void log_begin(struct log_entry *entry, int connection);
__attribute__((format(printf, 2, 3))) void log_put(struct log_entry *entry, const char *format,
                                                   ...);
/* A client's bytes: those that aren't printable ASCII, and backslashes, as \xNN. */
void log_put_text(struct log_entry *entry, const char *bytes, size_t length);
void log_end(struct log *log, struct log_entry *entry);

/* A whole line at once. */
__attribute__((format(printf, 3, 4))) void log_add(struct log *log, int connection,
                                                   const char *format, ...);

/* Before the reactors run, and before root is dropped, which a pipe may belong to: has stderr
 * written without waiting. For this process alone: others that share it still wait there. */
void log_open(void);

/* Writes what can be written without waiting. */
void log_flush(struct log *log);

/* How long a reactor may sleep before it tries to write again. */
uint64_t log_wait_ns(const struct log *log);

/* Flushes, and frees the memory. */
void log_finish(struct log *log);

/* Says at once what concerns the start or the end of the process: "simplecache: ", the text and a
 * newline, without a time. Any thread may call it: it is one write. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

#endif
