/* load_keys: which keys a load asks for, and the value of each, which follows from its key alone.
 *
 * A key is a number behind a prefix: "key00000042". Its value is a sequence of 8-byte words that
 * begins at a number mixed from prefix and key and grows by the same odd step, so that any piece of
 * it can be made and compared without the rest, and a piece of another value, or one in another
 * place, is noticed.
 *
 * One thread; nothing is allocated.
 */
#ifndef BENCH_LOAD_KEYS_H
#define BENCH_LOAD_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_DIGITS 8
#define KEYS_COUNT_MAX 100000000
#define KEYS_PREFIX_BYTES_MAX (250 - KEYS_DIGITS)
#define KEYS_SIZES_MAX 16
#define KEYS_VALUE_BYTES_MAX (1u << 30)
#define KEYS_NONE UINT32_MAX

/* A share of the keys has values of this size. */
struct keys_size {
    uint32_t bytes;
    double weights_sum; /* of this one and those before it */
};

/* Rejection-inversion for Zipf's law, W. Hormann and G. Derflinger, 1996. */
struct keys_zipf {
    double exponent; /* 0: all keys alike, and nothing below counts */
    double top, bottom, squeeze;
};

struct keys {
    const char *prefix; /* the caller's */
    uint32_t prefix_length;
    uint32_t count;
    uint32_t sizes_count;
    uint64_t seed; /* follows from the prefix */
    struct keys_size sizes[KEYS_SIZES_MAX];
    struct keys_zipf zipf;
};

/* Keys with no sizes yet. Count: 1 to KEYS_COUNT_MAX; the prefix has at most KEYS_PREFIX_BYTES_MAX
 * bytes and stays the caller's. Exponent 0: every key as often as any other. */
void keys_init(struct keys *keys, const char *prefix, uint32_t count, double exponent);

/* Takes sizes such as "100" or "32:50,1000:40,16000:10": bytes, and the weight of the keys whose
 * values have as many. False: it is none such. */
bool keys_take_sizes(struct keys *keys, const char *text);

/* The number of the next key to ask for: with an exponent, 0 is asked for most. */
uint32_t keys_next(const struct keys *keys, uint64_t *random);

static inline uint32_t keys_key_bytes(const struct keys *keys) {
    return keys->prefix_length + KEYS_DIGITS;
}

/* Writes a key, keys_key_bytes() long. Returns what follows it. */
char *keys_put(const struct keys *keys, char *out, uint32_t number);

/* The number of a key, or KEYS_NONE for bytes that are none. */
uint32_t keys_number(const struct keys *keys, const char *bytes, size_t length);

/* The size of its value, and the greatest of all sizes. */
uint32_t keys_value_bytes(const struct keys *keys, uint32_t number);
uint32_t keys_value_bytes_max(const struct keys *keys);

/* Writes `length` bytes, those at the start of the key's value. Returns what follows them. */
char *keys_put_value(const struct keys *keys, char *out, uint32_t number, size_t length);

/* Whether these are the bytes of the key's value from the byte `at` on. */
bool keys_value_matches(const struct keys *keys, uint32_t number, size_t at, const char *bytes,
                        size_t length);

#endif
