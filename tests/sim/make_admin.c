/* Commands about the server, and those whose answer is always the same. */
#include <stdio.h>
#include <string.h>

#include "client.h"

void make_fixed(struct client *client, struct command *command) {
    static const struct {
        const char *line, *answer;
        enum speech speech;
    } lines[] = {
        {"mn\r\n", "MN", SPEECH_META},
        {"verbosity 0\r\n", "OK", SPEECH_TEXT},
        {"ge\r\n", "ERROR", SPEECH_TEXT},
        {"get\r\n", "CLIENT_ERROR bad command line format", SPEECH_TEXT},
        {"set a 0 0 -1\r\n", "CLIENT_ERROR bad command line format", SPEECH_TEXT},
        {"set a x 0 5\r\n12345\r\n", "CLIENT_ERROR bad command line format", SPEECH_TEXT},
        {"incr a -1\r\n", "CLIENT_ERROR invalid numeric delta argument", SPEECH_TEXT},
        {"touch a abc\r\n", "CLIENT_ERROR invalid exptime argument", SPEECH_TEXT},
        {"lru_crawler sleep 10\r\n", "OK", SPEECH_TEXT},
        {"cache_memlimit 1\r\n", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
         SPEECH_TEXT},
        {"mg a v v\r\n", "CLIENT_ERROR duplicate flag", SPEECH_META},
    };
    static const struct {
        uint8_t opcode;
        uint8_t status;
    } packets[] = {{0x0a, 0}, {0x0b, 0}, {0x20, 0}, {0x66, 0x81}, {0x08, 0x20}};
    struct random *random = &client->world->random;
    command->kind = COMMAND_FIXED;
    if (client->binary) {
        uint32_t i = random_below(random, sizeof(packets) / sizeof(packets[0]));
        command->opaque = client->opaque++;
        command->opcode = packets[i].opcode;
        command->initial = packets[i].status;
        if (command->opcode == 0x08 && !client->world->choices.no_flush) {
            command->opcode = 0x0a;
            command->initial = 0;
        }
        if (command->opcode == 0x20 && !client->world->choices.logins) {
            command->opcode = 0x0a;
        }
        client->logged_in &= command->opcode != 0x20; /* the list of mechanisms ends a login */
        return;
    }
    uint32_t i = random_below(random, sizeof(lines) / sizeof(lines[0]));
    bytes_add(&client->out, lines[i].line, strlen(lines[i].line));
    command->fixed = lines[i].answer;
    command->speech = lines[i].speech;
}

void make_lines(struct client *client, struct command *command) {
    static const struct {
        const char *line, *end;
    } lines[] = {
        {"stats\r\n", "END"},
        {"stats settings\r\n", "END"},
        {"stats items\r\n", "END"},
        {"stats slabs\r\n", "END"},
        {"stats sizes\r\n", "END"},
        {"stats conns\r\n", "END"},
        {"stats cachedump 1 0\r\n", "END"},
        {"stats detail dump\r\n", "END"},
        {"lru_crawler metadump all\r\n", "END"},
        {"lru_crawler mgdump all\r\n", "EN"},
    };
    command->kind = COMMAND_LINES;
    if (client->binary) {
        command->opcode = 0x10;
        command->opaque = client->opaque++;
        return;
    }
    /* Scans may have nothing before them. */
    bool scans = client->count == 0 && !client->was_quiet;
    const struct choices *choices = &client->world->choices;
    scans = scans && !choices->no_dump && !choices->crawler_switches;
    uint32_t count = choices->no_dump ? 6 : scans ? 10 : 8;
    uint32_t i = random_below(&client->world->random, count);
    bytes_add(&client->out, lines[i].line, strlen(lines[i].line));
    command->fixed = lines[i].end;
    command->create = i >= 8; /* it is a scan */
}

/* cache_memlimit: it may grow to twice of what it was. */
static void make_memory_limit(struct client *client, struct command *command) {
    const struct choices *choices = &client->world->choices;
    uint64_t total = choices->memory_bytes * choices->reactors;
    uint32_t mib = 8 + random_below(&client->world->random, total >> 18);
    bool fits = ((uint64_t)mib << 20) / choices->reactors <= 2 * total / choices->reactors;
    bytes_print(&client->out, "cache_memlimit %u\r\n", mib);
    command->fixed = fits ? "OK" : "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust";
}

/* Nothing comes back, but the end. */
static void make_shutdown(struct client *client, struct command *command) {
    struct world *world = client->world;
    bytes_print(&client->out, "shutdown%s\r\n",
                random_one_in(&world->random, 2) ? " graceful" : "");
    command->fixed = "SERVER_ERROR: shutdown not enabled";
    if (world->choices.shutdown_enabled) {
        world->stopping = true;
        client->said_quit = true;
    }
}

enum administration {
    ADMINISTRATION_RESET,
    ADMINISTRATION_DETAIL,
    ADMINISTRATION_CRAWL,
    ADMINISTRATION_SWITCH,
    ADMINISTRATION_MEMORY,
    ADMINISTRATION_VERBOSITY,
    ADMINISTRATION_SHUTDOWN,
    ADMINISTRATION_FLUSH,
    ADMINISTRATION_DUMP,
    ADMINISTRATIONS,
};

/* One of some lines. */
static void make_line(struct client *client, const char *const lines[], uint32_t count) {
    const char *line = lines[random_below(&client->world->random, count)];
    bytes_add(&client->out, line, strlen(line));
}

static void make_administration_of(struct client *client, struct command *command,
                                   enum administration kind) {
    static const char *const details[] = {"stats detail on\r\n", "stats detail off\r\n"};
    static const char *const crawls[] = {"lru_crawler crawl all\r\n", "lru_crawler tocrawl 10\r\n"};
    static const char *const switches[] = {"lru_crawler enable\r\n", "lru_crawler disable\r\n"};
    static const char *const levels[] = {"verbosity 1\r\n", "verbosity 2\r\n"};
    static const char *const resets[] = {"stats reset\r\n"};
    static const char *const flushes[] = {"flush_all\r\n", "flush_all 2\r\n"};
    static const char *const dumps[] = {"stats cachedump 1 0\r\n"};
    const struct choices *choices = &client->world->choices;
    command->fixed = "OK";
    switch (kind) {
    case ADMINISTRATION_RESET:
        make_line(client, resets, 1);
        command->fixed = "RESET";
        client->world->was_reset = true;
        return;
    case ADMINISTRATION_DETAIL:
        make_line(client, details, 2);
        command->fixed = choices->no_dump ? "CLIENT_ERROR stats detail not allowed" : "OK";
        return;
    case ADMINISTRATION_CRAWL:
        make_line(client, crawls, 2);
        return;
    case ADMINISTRATION_SWITCH:
        make_line(client, switches, 2);
        return;
    case ADMINISTRATION_MEMORY:
        make_memory_limit(client, command);
        return;
    case ADMINISTRATION_VERBOSITY:
        make_line(client, levels, 2);
        return;
    case ADMINISTRATION_SHUTDOWN:
        make_shutdown(client, command);
        return;
    case ADMINISTRATION_FLUSH:
        make_line(client, flushes, 2);
        command->fixed = "CLIENT_ERROR flush_all not allowed";
        return;
    case ADMINISTRATION_DUMP:
        make_line(client, dumps, 1);
        command->fixed = "CLIENT_ERROR stats cachedump not allowed";
        return;
    case ADMINISTRATIONS:
        break;
    }
}

/* What the seed allows. */
static bool may_administer(const struct choices *choices, enum administration kind) {
    switch (kind) {
    case ADMINISTRATION_RESET:
        return choices->resets;
    case ADMINISTRATION_CRAWL:
        return !choices->crawler_switches;
    case ADMINISTRATION_SWITCH:
        return choices->crawler_switches;
    case ADMINISTRATION_VERBOSITY:
        return choices->verbosity > 0;
    case ADMINISTRATION_FLUSH:
        return choices->no_flush;
    case ADMINISTRATION_DUMP:
        return choices->no_dump;
    case ADMINISTRATION_DETAIL:
    case ADMINISTRATION_MEMORY:
    case ADMINISTRATION_SHUTDOWN:
    case ADMINISTRATIONS:
        break;
    }
    return true;
}

void make_administration(struct client *client, struct command *command) {
    struct world *world = client->world;
    enum administration kind;
    do {
        kind = (enum administration)random_below(&world->random, ADMINISTRATIONS);
    } while (!may_administer(&world->choices, kind));
    command->kind = COMMAND_FIXED;
    command->speech = SPEECH_TEXT;
    make_administration_of(client, command, kind);
}
