/* options: the table of everything that a command line may have, memcached's options and our own.
 * The command line is read by it, -h is printed from it, and tests compare the man page and the
 * completion for bash with it. */
#ifndef CORE_SERVER_OPTIONS_H
#define CORE_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/server/config_parse.h"

enum option_kind {
    OPTION_DONE,
    OPTION_IGNORED, /* has no meaning here: accepted, with a warning */
    OPTION_REFUSED, /* asks for what there isn't: the server does not start */
};

struct command_option;

/* Puts the value of an option into config. `value` is NULL where none was given; config keeps
 * pointers to texts. On CONFIG_WRONG one line on stderr has said why. */
typedef enum config_status option_parser(struct config *config, const struct command_option *option,
                                         const char *value);

struct command_option {
    /* The long name, without its dashes; NULL: there is only a letter. Of a word for -o: the word;
     * a
     * '*' at its end stands for all words that begin like it. */
    const char *name;
    /* '\0': this is a word for -o. The same letter as in the row before: another long name of that
     * option, without a help text. */
    char letter;
    enum option_kind kind;
    /* What stands for the value in -h; all in brackets: it may be left out; NULL: there is no
     * value. */
    const char *argument;
    /* Done: what -h says; refused: the reason; ignored: NULL. */
    const char *help;
    /* Of all that are done but -o and -h, which config_parse() does itself; else NULL. */
    option_parser *parse;
    /* For parsers that several options have: the offset of their field in config, and the limits of
     * its value. */
    size_t field;
    int64_t min;
    int64_t max;
};

#define OPTIONS_MAX 128

extern const struct command_option option_table[];
extern const size_t option_count; /* at most OPTIONS_MAX */

/* True when it must have a value. */
bool options_needs_value(const struct command_option *option);

/* The first option of that letter, or the word of -o; NULL: there is none. */
const struct command_option *options_find_letter(int letter);
const struct command_option *options_find_word(const char *word);

/* Writes the option's name as messages have it ("-p (--port)", "-o spin") to `name`, and returns
 * it. */
#define OPTION_NAME_BYTES 64
const char *options_name(const struct command_option *option, char name[OPTION_NAME_BYTES]);

/* "simplecache VERSION"; or "memcached VERSION (simplecache)" when the program was started by that
 * name, since tools look for it. */
const char *options_title(void);

/* Writes the text of -h: the options that are done. */
void options_print_help(FILE *file);

/* Says in one line on stderr what is wrong. Returns CONFIG_WRONG. */
__attribute__((format(printf, 1, 2))) enum config_status options_wrong(const char *format, ...);

/* The same for one that is refused, with its reason. */
enum config_status options_refuse(const struct command_option *option);

#endif
