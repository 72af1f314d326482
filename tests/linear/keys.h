/* keys: the few keys of a round, what is known of each, and the bytes of their values.
 *
 * Each key has values of one kind. Texts are tokens one behind the other, "(0000002a....)": a
 * number that is never written twice, and as many dots as follow from it, so that bytes of two
 * values that are mixed up are noticed. Numbers are decimal, and what is added to them makes others
 * that nothing else has.
 */
#ifndef TESTS_LINEAR_KEYS_H
#define TESTS_LINEAR_KEYS_H

#include <stddef.h>

#include "operation.h"

#define KEYS_MAX 8
#define KEY_REQUESTS 100000
#define KEY_BYTES_MAX 32
#define TOKEN_BYTES_MAX 800

/* The most that may be under way on a key, of all connections; and of these, that change something:
 * the time of the checker grows with their orders. */
#define KEY_UNDER_WAY_MAX 60
#define KEY_WRITING_MAX 5

/* Which value a CAS value was told with. */
struct known {
    uint64_t cas;
    struct value value;
};

struct key {
    char name[KEY_BYTES_MAX];
    bool is_number;
    uint32_t writes; /* of KEY_REQUESTS requests for it */
    uint32_t under_way, writing;
    bool is_missed; /* the last get found nothing */
    struct history history;
    struct known last; /* 0: none is known yet */
    struct known *known;
    uint32_t known_count, known_capacity;
};

struct keys {
    struct key keys[KEYS_MAX];
    uint32_t count;
    uint32_t round;
    uint64_t random;
    uint32_t tokens;      /* that have been written */
    uint32_t flush_every; /* requests; 0: never */
    uint32_t fills;       /* of a hundred requests, that store other keys until memory is full */
};

/* A round of keys that no other had, with what is done to them following from the seed. */
void keys_init(struct keys *keys, uint32_t round, uint64_t seed, uint32_t fills);
void keys_finish(struct keys *keys);

/* One key that may have another request; OPERATION_NONE: none can. */
uint32_t keys_choose(struct keys *keys);

/* Writes a new value for a key. Returns what follows it; *value tells it. */
char *keys_put_value(struct keys *keys, const struct key *key, char *out, struct value *value);

/* What a value that was read is; false: it is none that a key of this kind can have. */
bool keys_read_value(const struct key *key, const char *bytes, size_t length, struct value *value);

/* A value was told together with its CAS value. */
void keys_note_cas(struct key *key, uint64_t cas, struct value value);

/* Whether each CAS value was told with one value only; else *cas is one that was not. */
bool keys_check_cas(struct key *key, uint64_t *cas);

#endif
