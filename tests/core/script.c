#include "tests/core/script.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 40
#define VALUE_SMALL_MAX 200
#define VALUE_LARGE_MAX 100000

uint32_t random_next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

uint32_t random_below(uint64_t *state, uint32_t bound) {
    return random_next(state) % bound;
}

static void add_bytes(struct script *script, const void *bytes, size_t length) {
    if (length == 0) {
        return;
    }
    script->bytes = realloc(script->bytes, script->length + length);
    memcpy(script->bytes + script->length, bytes, length);
    script->length += length;
}

__attribute__((format(printf, 2, 3))) static void add(struct script *script, const char *format,
                                                      ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    add_bytes(script, text, (size_t)length);
}

/* Mostly small, sometimes a number, sometimes larger than a message or a receive buffer. */
static char *random_value(uint64_t *state, size_t *length) {
    uint32_t kind = random_below(state, 20);
    *length =
        kind == 0 ? random_below(state, VALUE_LARGE_MAX) : random_below(state, VALUE_SMALL_MAX);
    char *value = malloc(*length + 32);
    if (kind < 8) {
        *length = (size_t)sprintf(value, "%u", random_next(state));
    } else {
        for (size_t i = 0; i < *length; i++) {
            value[i] = (char)('a' + (i + kind) % 26);
        }
    }
    return value;
}

static void add_storage(struct script *script, uint64_t *state) {
    static const char *const verbs[] = {"set", "set", "set", "add", "replace", "append", "prepend"};
    size_t length;
    char *value = random_value(state, &length);
    add(script, "%s k%u %u %d %zu%s\r\n", verbs[random_below(state, 7)], random_below(state, KEYS),
        random_below(state, 1000), random_below(state, 10) ? 0 : 100, length,
        random_below(state, 5) ? "" : " noreply");
    add_bytes(script, value, length);
    add(script, "\r\n");
    free(value);
}

static void add_get(struct script *script, uint64_t *state) {
    add(script, "get");
    for (uint32_t keys = 1 + random_below(state, 30); keys; keys--) {
        add(script, " k%u", random_below(state, KEYS));
    }
    add(script, "%s\r\n", random_below(state, 3) ? "" : " ");
}

static void add_text(struct script *script, uint64_t *state) {
    uint32_t kind = random_below(state, 100), key = random_below(state, KEYS);
    if (kind < 40) {
        add_storage(script, state);
    } else if (kind < 75) {
        add_get(script, state);
    } else if (kind < 80) {
        add(script, "delete k%u\r\n", key);
    } else if (kind < 88) {
        add(script, "%s k%u %u\r\n", kind % 2 ? "incr" : "decr", key, random_below(state, 99999));
    } else if (kind < 91) {
        add(script, "touch k%u 1000\r\n", key);
    } else if (kind < 94) {
        add(script, "version\r\n");
    } else if (kind < 98) {
        add(script, "%s\r\n", kind % 2 ? "nonsense" : "get");
    } else {
        add(script, "flush_all\r\n");
    }
}

struct script script_text(uint64_t seed, uint32_t commands) {
    struct script script = {0};
    uint64_t state = seed;
    while (commands--) {
        add_text(&script, &state);
    }
    return script;
}

struct packet {
    uint8_t magic, opcode;
    uint16_t key_length;
    uint8_t extras_length, data_type;
    uint16_t vbucket;
    uint32_t body_length, opaque;
    uint64_t cas;
};

static void add_packet(struct script *script, uint8_t opcode, const char *extras,
                       uint8_t extras_length, const char *key, const char *value, size_t length) {
    struct packet packet = {
        .magic = 0x80,
        .opcode = opcode,
        .key_length = htons((uint16_t)strlen(key)),
        .extras_length = extras_length,
        .body_length = htonl((uint32_t)(extras_length + strlen(key) + length)),
        .opaque = (uint32_t)script->length,
    };
    _Static_assert(sizeof(packet) == 24, "a header of the binary protocol");
    add_bytes(script, &packet, sizeof(packet));
    add_bytes(script, extras, extras_length);
    add_bytes(script, key, strlen(key));
    add_bytes(script, value, length);
}

static void add_binary_storage(struct script *script, uint64_t *state, const char *key) {
    /* set, add, replace and their quiet forms carry flags and expiry; append and prepend nothing */
    static const uint8_t opcodes[] = {0x01, 0x01, 0x02, 0x03, 0x11, 0x12, 0x13, 0x0e, 0x0f, 0x19};
    static const char extras[8] = {0, 0, 0, 7, 0, 0, 0, 0};
    uint32_t which = random_below(state, 10);
    size_t length;
    char *value = random_value(state, &length);
    add_packet(script, opcodes[which], extras, which < 7 ? 8 : 0, key, value, length);
    free(value);
}

static void add_binary(struct script *script, uint64_t *state) {
    static const uint8_t gets[] = {0x00, 0x09, 0x0c, 0x0d};
    static const char delta[20] = {0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0};
    uint32_t kind = random_below(state, 100);
    char key[16];
    snprintf(key, sizeof(key), "k%u", random_below(state, KEYS));
    if (kind < 40) {
        add_binary_storage(script, state, key);
    } else if (kind < 75) {
        add_packet(script, gets[random_below(state, 4)], NULL, 0, key, NULL, 0);
    } else if (kind < 80) {
        add_packet(script, kind % 2 ? 0x04 : 0x14, NULL, 0, key, NULL, 0);
    } else if (kind < 88) {
        add_packet(script, kind % 2 ? 0x05 : 0x06, delta, sizeof(delta), key, NULL, 0);
    } else if (kind < 92) {
        add_packet(script, 0x0b, NULL, 0, "", NULL, 0);
    } else if (kind < 96) {
        add_packet(script, 0x0a, NULL, 0, "", NULL, 0);
    } else if (kind < 98) {
        add_packet(script, 0x77, NULL, 0, "", NULL, 0);
    } else {
        add_packet(script, 0x08, NULL, 0, "", NULL, 0);
    }
}

struct script script_binary(uint64_t seed, uint32_t commands) {
    struct script script = {0};
    uint64_t state = seed;
    while (commands--) {
        add_binary(&script, &state);
    }
    return script;
}

static void add_meta_storage(struct script *script, uint64_t *state) {
    static const char modes[] = "SSSEAPR";
    size_t length;
    char *value = random_value(state, &length);
    add(script, "ms k%u %zu M%c F%u%s%s%s O%u k\r\n", random_below(state, KEYS), length,
        modes[random_below(state, 7)], random_below(state, 1000),
        random_below(state, 3) ? "" : " T100", random_below(state, 3) ? "" : " N50",
        random_below(state, 4) ? "" : " q", random_below(state, 100000));
    add_bytes(script, value, length);
    add(script, "\r\n");
    free(value);
}

static void add_meta(struct script *script, uint64_t *state) {
    static const char *const gets[] = {"v",       "s v k",    "t f v O1", "k q v",
                                       "v N30 t", "v R200 h", ""};
    static const char *const deletes[] = {"", "q", "I T30", "x", "k O9"};
    uint32_t kind = random_below(state, 100), key = random_below(state, KEYS);
    if (kind < 35) {
        add_meta_storage(script, state);
    } else if (kind < 75) {
        add(script, "mg k%u %s\r\n", key, gets[random_below(state, 7)]);
    } else if (kind < 82) {
        add(script, "md k%u %s\r\n", key, deletes[random_below(state, 5)]);
    } else if (kind < 92) {
        add(script, "ma k%u %s D%u v\r\n", key, kind % 2 ? "MI" : "MD N0 J5",
            random_below(state, 999));
    } else if (kind < 96) {
        add(script, "mn\r\n");
    } else {
        add(script, "%s\r\n", kind % 2 ? "mg k1 v v" : "ms k1 abc");
    }
}

struct script script_meta(uint64_t seed, uint32_t commands) {
    struct script script = {0};
    uint64_t state = seed;
    while (commands--) {
        add_meta(&script, &state);
    }
    return script;
}

/* What the expanded words need at most. */
static size_t script_expanded_max(const char *words, const char *key) {
    size_t length = strlen(words);
    for (const char *at = words; (at = strpbrk(at, "$<")); at++) {
        length += *at == '$' ? strlen(key) : strtoul(at + 1, NULL, 10);
    }
    return length;
}

struct script script_expand(const char *words, const char *key) {
    struct script script = {malloc(script_expanded_max(words, key)), 0};
    for (; *words; words++) {
        char *at = script.bytes + script.length, *end;
        if (*words == '$') {
            script.length += (size_t)sprintf(at, "%s", key);
        } else if (*words == '<') {
            unsigned long length = strtoul(words + 1, &end, 10);
            for (unsigned long i = 0; i < length; i++) {
                at[i] = (char)('a' + (i / 26 + i) % 26);
            }
            script.length += length;
            words = end;
        } else {
            *at = *words;
            script.length++;
        }
    }
    return script;
}
