/* command: the table of commands of the text stream, and where in it the parser is. Private to
 * proto/text. */
#ifndef PROTO_TEXT_COMMAND_H
#define PROTO_TEXT_COMMAND_H

#include "proto/line.h"

/* Where in the stream the text parser is: parser.state. */
enum text_state {
    TEXT_LINE,          /* at the start of a command line */
    TEXT_KEYS,          /* at a key of a get line; its newline is at parser.scanned */
    TEXT_TOUCH_KEYS,    /* the same for gat, with parser.exptime */
    TEXT_STREAMED_KEYS, /* at a key of a get line longer than TEXT_GET_LINE_WHOLE_MAX */
    TEXT_SKIP_LINE,     /* in a line that is refused already, before its newline */
};

struct text_command {
    char word[16]; /* padded with zeros */
    uint8_t length;
    uint8_t op; /* enum op */
    bool cas;   /* gets and gats return it, cas compares it */
    line_parse *parse;
};

/* The command that the line's first word names, or NULL. */
const struct text_command *text_find_command(const struct line *line, struct word word);

/* unknown.c: a command that is not known. */
line_parse text_parse_unknown;

/* keys.c: the first key of a get or gat line. */
line_parse text_parse_get;
line_parse text_parse_gat;

/* Take the next key of such a line. */
enum parse_status text_next_key(struct parse *parse);
enum parse_status text_next_streamed_key(struct parse *parse);

/* store.c */
line_parse text_parse_store;

/* login.c: any line of a connection that must log in. */
line_parse text_parse_login;

/* admin.c */
line_parse text_parse_lru_crawler;
line_parse text_parse_lru;
line_parse text_parse_slabs;
line_parse text_parse_memory_limit;
line_parse text_parse_shutdown;
line_parse text_parse_config;
line_parse text_parse_watch;
line_parse text_parse_debug_time;

#endif
