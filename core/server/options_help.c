/* options: the text of -h. */
#include <string.h>

#include "core/server/options.h"

#define COLUMNS 100
#define TEXT_COLUMN 28

/* Writes a text from TEXT_COLUMN on, in lines of up to COLUMNS; `column` is where the line is now.
 */
static void options_print_text(FILE *file, size_t column, const char *text) {
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column > TEXT_COLUMN && column + 1 + length <= COLUMNS) {
            fputc(' ', file);
            column++;
        } else if (column != TEXT_COLUMN) {
            fprintf(file, "\n%*s", TEXT_COLUMN, "");
            column = TEXT_COLUMN;
        }
        fwrite(text, 1, length, file);
        column += length;
        text += length + (text[length] == ' ');
    }
    fputc('\n', file);
}

/* "  -t, --cores, --threads N", "    spin=N": all names of the option that begins at `option`. */
static int options_print_names(FILE *file, const struct command_option *option) {
    const char *value = options_needs_value(option) ? option->argument : NULL;
    if (option->letter == '\0') {
        return fprintf(file, "    %s%s%s", option->name, value ? "=" : "", value ? value : "");
    }
    int length = fprintf(file, "  -%c", option->letter);
    const struct command_option *other = option;
    do {
        if (other->name) {
            length += fprintf(file, ", --%s", other->name);
        }
        other++;
    } while (other < option_table + option_count && other->letter == option->letter);
    if (value) {
        length += fprintf(file, " %s", value);
    }
    return length;
}

static void options_print_option(FILE *file, const struct command_option *option) {
    int length = options_print_names(file, option);
    bool has_room = length + 2 <= TEXT_COLUMN;
    if (has_room) {
        fprintf(file, "%*s", TEXT_COLUMN - length, "");
    }
    options_print_text(file, has_room ? TEXT_COLUMN : 0, option->help);
}

void options_print_help(FILE *file) {
    fprintf(file, "%s: a memcached-compatible cache, one reactor per core\n\n", options_title());
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].kind == OPTION_DONE && option_table[i].help) {
            options_print_option(file, &option_table[i]);
        }
    }
}
