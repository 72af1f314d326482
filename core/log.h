/* log: one line on stderr per event, for people. Any thread may call it: a line is one write. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

/* Writes "simplecache: ", the text and a newline. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

#endif
