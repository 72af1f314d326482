#include "keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/random.h"

#define TOKEN_DIGITS 8
#define NUMBER_STEP ((uint64_t)1 << 40) /* more than is added to a number in a round */

/* Of the requests for a key so many of KEY_REQUESTS write. The smallest are for keys that expire,
 * which they can when nobody writes them for seconds. */
#define SHARES 10
static const uint32_t shares[2][SHARES] = {
    {10, 20, 50, 100, 200, 500, 1000, 3000, 10000, 30000},
    {1, 1, 2, 2, 3, 3, 5, 10, 1000, 10000},
};

void keys_init(struct keys *keys, uint32_t round, uint64_t seed, uint32_t fills) {
    *keys = (struct keys){.round = round, .random = random_mixed(seed * 1000003 + round)};
    keys->fills = fills;
    keys->count = 1 + (uint32_t)random_below(&keys->random, KEYS_MAX);
    static const uint32_t flushes[] = {0, 0, 3000, 30000};
    keys->flush_every = flushes[random_below(&keys->random, 4)];
    for (uint32_t i = 0; i < keys->count; i++) {
        struct key *key = &keys->keys[i];
        snprintf(key->name, sizeof(key->name), "%" PRIx64 ".%u:%c%u", seed, round, "ab"[i % 2], i);
        key->is_number = random_below(&keys->random, 4) == 0;
        key->is_missed = true;
        key->history.vanishes = fills > 0 || random_below(&keys->random, 3) == 0;
        key->writes = shares[key->history.vanishes][random_below(&keys->random, SHARES)];
    }
}

void keys_finish(struct keys *keys) {
    for (uint32_t i = 0; i < keys->count; i++) {
        history_finish(&keys->keys[i].history);
        free(keys->keys[i].known);
    }
    keys->count = 0;
}

uint32_t keys_choose(struct keys *keys) {
    for (int tries = 0; tries < 20; tries++) {
        uint32_t number = (uint32_t)random_below(&keys->random, keys->count);
        if (keys->keys[number].under_way < KEY_UNDER_WAY_MAX) {
            return number;
        }
    }
    return OPERATION_NONE;
}

/* Values. */

/* The dots of a token. */
static uint32_t token_dots(uint32_t token) {
    uint64_t mixed = random_mixed(token);
    return (uint32_t)((mixed >> 32) % (mixed % 16 == 0 ? TOKEN_BYTES_MAX - TOKEN_DIGITS - 2 : 30));
}

char *keys_put_value(struct keys *keys, const struct key *key, char *out, struct value *value) {
    uint32_t token = ++keys->tokens;
    if (key->is_number) {
        uint64_t number = token * NUMBER_STEP;
        *value = value_of(number);
        return out + sprintf(out, "%" PRIu64, number);
    }
    *value = value_of(token);
    out += sprintf(out, "(%08" PRIx32, token);
    uint32_t dots = token_dots(token);
    memset(out, '.', dots);
    out[dots] = ')';
    return out + dots + 1;
}

/* The number in its hexadecimal digits; 0: they are none. */
static uint32_t token_read(const char *bytes) {
    uint32_t token = 0;
    for (int i = 0; i < TOKEN_DIGITS; i++) {
        const char *digits = "0123456789abcdef", *digit = memchr(digits, bytes[i], 16);
        if (!digit) {
            return 0;
        }
        token = token << 4 | (uint32_t)(digit - digits);
    }
    return token;
}

static bool text_read(const char *bytes, size_t length, struct value *value) {
    for (*value = (struct value){0}; length > 0;) {
        uint32_t token = length > TOKEN_DIGITS && *bytes == '(' ? token_read(bytes + 1) : 0;
        uint32_t dots = token_dots(token);
        size_t taken = 1 + TOKEN_DIGITS + dots + 1;
        if (token == 0 || length < taken || bytes[taken - 1] != ')' ||
            strspn(bytes + 1 + TOKEN_DIGITS, ".") != dots) {
            return false;
        }
        *value = value_joined(*value, value_of(token));
        bytes += taken;
        length -= taken;
    }
    return value->tokens > 0;
}

bool keys_read_value(const struct key *key, const char *bytes, size_t length, struct value *value) {
    if (!key->is_number) {
        return text_read(bytes, length, value);
    }
    char digits[32], *end;
    if (length == 0 || length >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, bytes, length);
    digits[length] = '\0';
    *value = value_of(strtoull(digits, &end, 10));
    while (*end == ' ') { /* a number that got shorter by a decr */
        end++;
    }
    return *end == '\0';
}

/* CAS values. */

void keys_note_cas(struct key *key, uint64_t cas, struct value value) {
    if (key->known_count == key->known_capacity) {
        key->known_capacity = key->known_capacity > 0 ? 2 * key->known_capacity : 1024;
        key->known = realloc(key->known, key->known_capacity * sizeof(*key->known));
        assert(key->known);
    }
    key->last = (struct known){.cas = cas, .value = value};
    key->known[key->known_count++] = key->last;
}

static int known_compare(const void *first, const void *second) {
    const struct known *a = first, *b = second;
    return a->cas < b->cas ? -1 : a->cas > b->cas;
}

bool keys_check_cas(struct key *key, uint64_t *cas) {
    if (key->known_count > 1) {
        qsort(key->known, key->known_count, sizeof(*key->known), known_compare);
    }
    for (uint32_t i = 1; i < key->known_count; i++) {
        *cas = key->known[i].cas;
        if (key->known[i - 1].cas == *cas &&
            !value_is(key->known[i - 1].value, key->known[i].value)) {
            return false;
        }
    }
    return true;
}
