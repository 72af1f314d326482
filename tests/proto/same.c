#include "same.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes shown of each text, and how many of them before the first difference. */
#define SHOWN_MAX 200
#define SHOWN_BEFORE 60

static size_t first_difference(const char *a, const char *b) {
    size_t at = 0;
    while (a[at] != '\0' && a[at] == b[at]) {
        at++;
    }
    return at;
}

/* In quotation marks, on one line. The caller frees it. */
static char *shown(const char *text, size_t start) {
    char *line = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&line, &length);
    size_t end = start + strnlen(text + start, SHOWN_MAX);
    fputs(start > 0 ? "…\"" : "\"", out);
    for (size_t i = start; i < end; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '\r' || byte == '\n') {
            fputs(byte == '\r' ? "\\r" : "\\n", out);
        } else if (byte < ' ' || byte > '~') {
            fprintf(out, "\\x%02x", byte);
        } else {
            fputc(byte, out);
        }
    }
    fputs(text[end] != '\0' ? "\"…" : "\"", out);
    fclose(out);
    return line;
}

void same_expect(const char *got, const char *expected, const char *what) {
    size_t at = first_difference(got, expected);
    size_t start = at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0;
    char *got_shown = shown(got, start);
    char *expected_shown = shown(expected, start);
    char *what_shown = shown(what, 0);
    cr_expect(strcmp(got, expected) == 0, "%s: expected %s, got %s", what_shown, expected_shown,
              got_shown);
    free(what_shown);
    free(got_shown);
    free(expected_shown);
}
