/* options: the table of all that a command line may hold, memcached's whole set and our own. What
 * reads the command line, -h, the man page's test and the completion's test go by it. */
#ifndef CORE_SERVER_OPTIONS_H
#define CORE_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/server/config_parse.h"

enum option_kind {
    OPTION_DONE,
    OPTION_IGNORED, /* means nothing here: accepted, with a warning */
    OPTION_REFUSED, /* promises what can't be kept: the server does not start */
};

struct command_option;

/* Puts what was given into config. `value` is NULL where none was given; texts are kept by
 * reference. On CONFIG_WRONG one line on stderr has said why. */
typedef enum config_status option_parser(struct config *config, const struct command_option *option,
                                         const char *value);

struct command_option {
    /* The long name, without its dashes; NULL: only a letter. Of a word for -o: the word, and with
     * a '*' at its end all that begin like it. */
    const char *name;
    char letter; /* '\0': a word for -o. In a row again: another long name, without a help text */
    enum option_kind kind;
    const char *argument; /* what is to be given, for people; "[N]": or not; NULL: nothing */
    const char *help;     /* done: what -h says of it; refused: the reason; ignored: NULL */
    option_parser *parse; /* done: always; else NULL */
    /* For those parsers that serve many: the field of config, by its offset, and its limits. */
    size_t field;
    int64_t min;
    int64_t max;
};

#define OPTIONS_MAX 128

extern const struct command_option option_table[];
extern const size_t option_count; /* at most OPTIONS_MAX */

/* Whether it is nothing without a value. */
bool options_needs_value(const struct command_option *option);

/* The first option of that letter, or the word of -o; NULL: there is none. */
const struct command_option *options_find_letter(int letter);
const struct command_option *options_find_word(const char *word);

/* The option's name as people give it ("-p (--port)", "-o spin"), in `name`, which it returns. */
#define OPTION_NAME_BYTES 64
const char *options_name(const struct command_option *option, char name[OPTION_NAME_BYTES]);

/* The program and its version, in the words that tools look for: "memcached VERSION (simplecache)"
 * where it was started by that name. */
const char *options_title(void);

/* Writes the text of -h: the options that are done. */
void options_print_help(FILE *file);

/* Says in one line on stderr what is wrong. Returns CONFIG_WRONG. */
__attribute__((format(printf, 1, 2))) enum config_status options_wrong(const char *format, ...);

/* The same for one that is refused, with its reason. */
enum config_status options_refuse(const struct command_option *option);

#endif
