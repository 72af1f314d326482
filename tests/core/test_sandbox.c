/* core/README.md tells of the sandbox what the table in the code says. */
#include "core/server/sandbox_table.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/sandbox_files.h"
#include "man_page.h"

#define LINE_BYTES 2048

static char line[LINE_BYTES];

static void line_begin(const char *text) {
    snprintf(line, sizeof(line), "%s", text);
}

static void line_add(const char *before, const char *text, const char *behind) {
    size_t length = strlen(line);
    int more = snprintf(line + length, sizeof(line) - length, "%s%s%s", before, text, behind);
    cr_assert(lt(sz, length + (size_t)more, sizeof(line)));
}

/* The whole line has to be there. */
static void expect(const char *document) {
    char between[LINE_BYTES + 2];
    snprintf(between, sizeof(between), "\n%s\n", line);
    bool is_there = strstr(document, between);
    cr_expect(is_there, "core/README.md lacks the line: %s", line);
}

static void add_groups(uint32_t groups) {
    const char *between = " | ";
    for (uint32_t i = 0; i < SANDBOX_GROUPS; i++) {
        if (groups & SANDBOX_BIT(i)) {
            line_add(between, sandbox_groups[i].name, "");
            between = ", ";
        }
    }
}

static void add_places(uint32_t places) {
    const char *between = " | ";
    for (uint32_t i = 0; i < SANDBOX_PLACES; i++) {
        if (places & SANDBOX_BIT(i)) {
            line_add(between, sandbox_places[i].name, "");
            between = ", ";
        }
    }
}

Test(sandbox, threads) {
    char *document = man_page_read(SOURCE_ROOT "/core/README.md");
    for (size_t i = 0; i < SANDBOX_THREADS; i++) {
        line_begin("| ");
        line_add("", sandbox_rows[i].name, "");
        add_groups(sandbox_rows[i].groups);
        add_places(sandbox_rows[i].places);
        line_add("", " |", "");
        expect(document);
    }
    free(document);
}

Test(sandbox, calls) {
    char *document = man_page_read(SOURCE_ROOT "/core/README.md");
    for (size_t i = 0; i < SANDBOX_GROUPS; i++) {
        line_begin("| ");
        line_add("", sandbox_groups[i].name, " | ");
        line_add("", sandbox_groups[i].calls, " |");
        expect(document);
    }
    free(document);
}

Test(sandbox, places) {
    char *document = man_page_read(SOURCE_ROOT "/core/README.md");
    for (size_t i = 0; i < SANDBOX_PLACES; i++) {
        const struct sandbox_paths *place = &sandbox_places[i];
        line_begin("| ");
        line_add("", place->name, " |");
        line_add(place->rights & SANDBOX_READ ? " read" : "", "", "");
        line_add(place->rights & SANDBOX_WRITE ? " write" : "", "", "");
        line_add(place->rights & SANDBOX_REMOVE ? " remove" : "", "", "");
        line_add(" | ", place->options, " |");
        for (size_t j = 0; j < SANDBOX_PATHS_MAX && place->paths[j]; j++) {
            line_add(" ", place->paths[j], "");
        }
        line_add("", " |", "");
        expect(document);
    }
    free(document);
}

/* Each call stands once on a list, so that it has one set of arguments there. */
Test(sandbox, no_call_twice) {
    for (size_t i = 0; i < SANDBOX_THREADS; i++) {
        line_begin(" ");
        for (size_t j = 0; j < SANDBOX_GROUPS; j++) {
            if (!(sandbox_rows[i].groups & SANDBOX_BIT(j))) {
                continue;
            }
            char calls[LINE_BYTES], *rest = calls;
            snprintf(calls, sizeof(calls), "%s", sandbox_groups[j].calls);
            for (char *call; (call = strsep(&rest, " "));) {
                char name[80], bare[64];
                snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(call, "("), call);
                snprintf(name, sizeof(name), " %s ", bare);
                cr_expect(eq(ptr, strstr(line, name), NULL), "%s twice for %s", bare,
                          sandbox_rows[i].name);
                line_add("", bare, " ");
            }
        }
    }
}
