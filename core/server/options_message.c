/* options: how messages name an option and the program, and how they refuse. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/server/options.h"
#include "core/server/version.h"

bool options_needs_value(const struct command_option *option) {
    const char *argument = option->argument;
    return argument && !(argument[0] == '[' && argument[strlen(argument) - 1] == ']');
}

const char *options_title(void) {
    return strcmp(program_invocation_short_name, "memcached") == 0
               ? "memcached " SIMPLECACHE_VERSION " (simplecache)"
               : "simplecache " SIMPLECACHE_VERSION;
}

const char *options_name(const struct command_option *option, char name[OPTION_NAME_BYTES]) {
    if (option->letter == '\0') {
        snprintf(name, OPTION_NAME_BYTES, "-o %s", option->name);
    } else if (!option->name) {
        snprintf(name, OPTION_NAME_BYTES, "-%c", option->letter);
    } else {
        snprintf(name, OPTION_NAME_BYTES, "-%c (--%s)", option->letter, option->name);
    }
    return name;
}

enum config_status options_wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("simplecache: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return CONFIG_WRONG;
}

enum config_status options_refuse(const struct command_option *option) {
    char name[OPTION_NAME_BYTES];
    return options_wrong("%s is refused: %s", options_name(option, name), option->help);
}
