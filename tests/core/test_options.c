/* options: the table against -h, the man page and the completion, so that they can't drift apart.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/options.h"
#include "man_page.h"

#define COMPLETION SOURCE_ROOT "/core/dist/simplecache.bash-completion"

static void expect(bool holds, const char *what) {
    cr_assert(holds, "%s", what);
}

static char *help_text(void) {
    char *text;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    options_print_help(file);
    fclose(file);
    return text;
}

/* "-t, --cores, --threads N reactors, ...", "spin=N microseconds ..." */
static void entry_of(const struct command_option *option, char *entry, size_t bytes) {
    FILE *file = fmemopen(entry, bytes, "w");
    const char *value = options_needs_value(option) ? option->argument : NULL;
    if (option->letter) {
        fprintf(file, "-%c", option->letter);
    } else {
        fputs(option->name, file);
    }
    for (const struct command_option *other = option;
         option->letter && other < option_table + option_count && other->letter == option->letter;
         other++) {
        if (other->name) {
            fprintf(file, ", --%s", other->name);
        }
    }
    if (value) {
        fprintf(file, "%c%s", option->letter ? ' ' : '=', value);
    }
    fprintf(file, " %s ", option->help);
    fclose(file);
}

static bool has_token(const char *text, const char *token) {
    size_t length = strlen(token);
    for (const char *at = text; (at = strstr(at, token)); at += length) {
        bool begins = at == text || !(isalnum((unsigned char)at[-1]) || strchr("-_", at[-1]));
        bool ends = !(isalnum((unsigned char)at[length]) || strchr("-_", at[length]));
        if (begins && (ends || !at[length])) {
            return true;
        }
    }
    return false;
}

/* Every "--name" in a text is one of the table, and if told so a done one. */
static void expect_known_names(const char *text, bool done) {
    for (const char *at = text; (at = strstr(at, "--")); at += 2) {
        size_t length = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
        bool found = length == 0;
        for (size_t i = 0; i < option_count && !found; i++) {
            found = option_table[i].letter && option_table[i].name &&
                    strlen(option_table[i].name) == length &&
                    strncmp(option_table[i].name, at + 2, length) == 0 &&
                    (!done || option_table[i].kind == OPTION_DONE);
        }
        cr_assert(found, "%.*s", (int)length + 2, at);
    }
}

Test(options, table_is_well_formed) {
    for (size_t i = 0; i < option_count; i++) {
        const struct command_option *option = &option_table[i], *before = option - 1;
        bool alias = i > 0 && option->letter && option->letter == before->letter;
        expect(option->letter || option->name, "a name");
        cr_assert(eq(int, option->help ? 1 : 0, option->kind != OPTION_IGNORED && !alias));
        if (option->kind == OPTION_DONE && option->letter != 'o' && option->letter != 'h') {
            expect(option->parse, option->name);
        }
        if (option->letter && !alias) {
            cr_assert(eq(ptr, (void *)options_find_letter(option->letter), (void *)option));
        }
        if (!option->letter) {
            cr_assert(eq(ptr, (void *)options_find_word(option->name), (void *)option));
        }
        for (size_t j = 0; j < i && option->name; j++) {
            expect(!option_table[j].name || strcmp(option->name, option_table[j].name) != 0 ||
                       !option->letter != !option_table[j].letter,
                   option->name);
        }
    }
}

/* What memcached 1.6.45 takes, by its own list, and Debian's -S and -Z. */
/* memcached's long options, and its words behind -o. */
static const char *const memcached_names[] = {"unix-mask",
                                              "enable-shutdown",
                                              "enable-ssl",
                                              "port",
                                              "unix-socket",
                                              "udp-port",
                                              "memory-limit",
                                              "disable-evictions",
                                              "conn-limit",
                                              "lock-memory",
                                              "help",
                                              "license",
                                              "version",
                                              "enable-coredumps",
                                              "verbose",
                                              "daemon",
                                              "listen",
                                              "user",
                                              "pidfile",
                                              "slab-growth-factor",
                                              "slab-min-size",
                                              "threads",
                                              "enable-largepages",
                                              "max-reqs-per-event",
                                              "disable-cas",
                                              "listen-backlog",
                                              "protocol",
                                              "max-item-size",
                                              "enable-sasl",
                                              "disable-flush-all",
                                              "disable-dumping",
                                              "disable-watch",
                                              "auth-file",
                                              "memory-file",
                                              "extended",
                                              "napi-ids"};

static const char *const memcached_words[] = {"maxconns_fast",
                                              "hashpower",
                                              "no_hashexpand",
                                              "slab_reassign",
                                              "slab_automove",
                                              "slab_automove_ratio",
                                              "slab_automove_window",
                                              "tail_repair_time",
                                              "hash_algorithm",
                                              "lru_crawler",
                                              "lru_crawler_sleep",
                                              "lru_crawler_tocrawl",
                                              "lru_maintainer",
                                              "hot_lru_pct",
                                              "warm_lru_pct",
                                              "hot_max_factor",
                                              "warm_max_factor",
                                              "temporary_ttl",
                                              "idle_timeout",
                                              "watcher_logbuf_size",
                                              "worker_logbuf_size",
                                              "slab_sizes",
                                              "slab_chunk_max",
                                              "track_sizes",
                                              "no_inline_ascii_resp",
                                              "modern",
                                              "no_modern",
                                              "no_chunked_items",
                                              "no_slab_reassign",
                                              "no_slab_automove",
                                              "no_maxconns_fast",
                                              "inline_ascii_resp",
                                              "no_lru_crawler",
                                              "no_lru_maintainer",
                                              "no_drop_privileges",
                                              "drop_privileges",
                                              "resp_obj_mem_limit",
                                              "read_buf_mem_limit",
                                              "ssl_chain_cert",
                                              "ssl_min_version",
                                              "proxy_config",
                                              "proxy_arg",
                                              "relaxed_privileges",
                                              "sock_cookie_id",
                                              "ext_path",
                                              "ext_max_sleep",
                                              "slab_automove_freeratio"};

Test(options, none_of_memcached_is_missing) {
    const char *letters = "aAZpsUmMckhiVrvdluPfntDLRCbBISFXWYeoN";
    for (const char *letter = letters; *letter; letter++) {
        expect(options_find_letter(*letter), letter);
    }
    for (size_t i = 0; i < sizeof(memcached_words) / sizeof(*memcached_words); i++) {
        expect(options_find_word(memcached_words[i]), memcached_words[i]);
    }
    for (size_t i = 0; i < sizeof(memcached_names) / sizeof(*memcached_names); i++) {
        bool found = false;
        for (size_t j = 0; j < option_count; j++) {
            found |= option_table[j].letter && option_table[j].name &&
                     strcmp(option_table[j].name, memcached_names[i]) == 0;
        }
        expect(found, memcached_names[i]);
    }
    expect(!options_find_letter('\0') && !options_find_letter('q'), "no such letter");
    for (size_t i = 0; i < 3; i++) {
        expect(!options_find_word((const char *[]){"slab_", "ssl", ""}[i]), "no such word");
    }
}

Test(options, help_and_man_page_tell_what_is_done) {
    char *help = man_page_squeeze(help_text()), *page = man_page_strip(man_page_read(MAN_PAGE));
    char *done = man_page_section(page, ".SH OPTIONS"), entry[1024];
    char *words = man_page_section(page, ".SS Words");
    strcat(strcat(done = realloc(done, strlen(done) + strlen(words) + 3), " "), words);
    strcat(done, " ");
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].kind != OPTION_DONE || !option_table[i].help) {
            continue;
        }
        entry_of(&option_table[i], entry, sizeof(entry));
        expect(strstr(help, entry), entry);
        expect(strstr(done, entry), entry);
    }
    expect_known_names(help, true);
    expect_known_names(done, true);
    free(help), free(page), free(done), free(words);
}

/* In the section of its kind, and nowhere in -h. */
Test(options, man_page_tells_what_is_not_done) {
    char *help = help_text(), *page = man_page_strip(man_page_read(MAN_PAGE));
    char *ignored = man_page_section(page, ".SS Accepted"),
         *refused = man_page_section(page, ".SS Refused");
    for (size_t i = 0; i < option_count; i++) {
        const struct command_option *option = &option_table[i];
        char name[OPTION_NAME_BYTES], letter[] = {'-', option->letter, '\0'};
        if (option->kind == OPTION_DONE) {
            continue;
        }
        const char *section = option->kind == OPTION_IGNORED ? ignored : refused;
        expect(has_token(section, options_name(option, name)), name);
        expect(!has_token(help, option->letter ? letter : option->name), name);
        if (option->kind == OPTION_REFUSED) {
            expect(strstr(section, option->help), name);
        }
    }
    expect_known_names(page, false);
    free(help), free(page), free(ignored), free(refused);
}

Test(options, completion_offers_what_is_done) {
    char *text = man_page_read(COMPLETION), name[OPTION_NAME_BYTES];
    *strstr(text, "case ") = '\0'; /* behind the lists */
    for (size_t i = 0; i < option_count; i++) {
        const struct command_option *option = &option_table[i];
        bool done = option->kind == OPTION_DONE;
        if (option->letter) {
            snprintf(name, sizeof(name), "-%c", option->letter);
            cr_assert(eq(int, has_token(text, name), done), "%s", name);
        }
        if (option->letter && option->name) {
            snprintf(name, sizeof(name), "--%s", option->name);
            cr_assert(eq(int, has_token(text, name), done), "%s", name);
        }
        if (!option->letter) {
            const char *sign = options_needs_value(option) ? "=" : "";
            snprintf(name, sizeof(name), "%s%s", option->name, sign);
            cr_assert(eq(int, has_token(text, name), done), "%s", name);
        }
    }
    expect_known_names(text, true);
    free(text);
}
