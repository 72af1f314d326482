#include "man_page.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX ((size_t)1 << 16)

char *man_page_read(const char *path) {
    char *text = calloc(1, TEXT_BYTES_MAX);
    FILE *file = fopen(path, "r");
    bool is_there = file;
    cr_assert(is_there, "%s", path);
    size_t length = fread(text, 1, TEXT_BYTES_MAX - 1, file);
    cr_assert(length > 0 && length < TEXT_BYTES_MAX - 1, "%s", path);
    fclose(file);
    return text;
}

char *man_page_squeeze(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (!isspace((unsigned char)*from)) {
            *to++ = *from;
        } else if (to > text && to[-1] != ' ') {
            *to++ = ' ';
        }
    }
    *to = '\0';
    return text;
}

char *man_page_strip(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        bool line_begins = from == text || from[-1] == '\n';
        if (line_begins && strncmp(from, ".TP\n", 4) == 0) {
            from += 3;
        }
        if (from[0] == '\\' && from[1] == 'f') {
            from += 2;
        } else if (*from != '\\') {
            *to++ = *from;
        }
    }
    *to = '\0';
    return man_page_squeeze(text);
}

char *man_page_section(const char *page, const char *heading) {
    const char *begin = strstr(page, heading);
    bool is_there = begin;
    cr_assert(is_there, "%s", heading);
    const char *end = strstr(begin + strlen(heading), " .S");
    return end ? strndup(begin, (size_t)(end - begin)) : strdup(begin);
}
