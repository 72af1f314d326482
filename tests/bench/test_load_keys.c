/* Keys of a load: numbers, how often each is asked for, sizes, and values that tell their keys. */
#include "bench/load_keys.h"

#include "bench/random.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DRAWS 200000
#define VALUE_BYTES 100

static struct keys keys_of(uint32_t count, double exponent, const char *sizes) {
    struct keys keys;
    keys_init(&keys, "key", count, exponent);
    cr_assert(keys_take_sizes(&keys, sizes));
    return keys;
}

Test(load_keys, written_and_read_back) {
    struct keys keys = keys_of(KEYS_COUNT_MAX, 0, "1");
    uint64_t random = 1;
    char key[16];
    for (uint32_t number = 0; number < KEYS_COUNT_MAX; number = number * 2 + 1) {
        *keys_put(&keys, key, number) = '\0';
        cr_assert(eq(sz, strlen(key), keys_key_bytes(&keys)));
        cr_assert(eq(u32, keys_number(&keys, key, strlen(key)), number));
    }
    cr_assert(eq(int, strcmp(key, "key67108863"), 0));
    for (int i = 0; i < 1000; i++) {
        cr_assert(lt(u32, keys_next(&keys, &random), KEYS_COUNT_MAX));
    }
}

Test(load_keys, no_keys) {
    static const char *const others[] = {
        "", "key", "key0000001", "key000000012", "kez00000001", "key0000000x", "key-0000001"};
    struct keys keys = keys_of(10, 0, "1");
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        cr_assert(eq(u32, keys_number(&keys, others[i], strlen(others[i])), KEYS_NONE));
    }
}

/* Each of the first keys as often as its weight says, within five standard deviations. */
static void check_distribution(uint32_t count, double exponent) {
    struct keys keys = keys_of(count, exponent, "1");
    uint32_t drawn[8] = {0};
    uint64_t random = 1;
    double sum = 0;
    for (uint32_t rank = 1; rank <= count; rank++) {
        sum += pow(rank, -exponent);
    }
    for (int i = 0; i < DRAWS; i++) {
        uint32_t number = keys_next(&keys, &random);
        cr_assert(lt(u32, number, count));
        drawn[number < 7 ? number : 7]++;
    }
    for (uint32_t i = 0; i < 7 && i < count; i++) {
        double share = pow(i + 1, -exponent) / sum, deviation = sqrt(DRAWS * share * (1 - share));
        cr_assert(le(dbl, fabs(drawn[i] - DRAWS * share), 5 * deviation), "%u of %u, exponent %g",
                  i, count, exponent);
    }
}

Test(load_keys, as_often_as_the_distribution_says) {
    static const double exponents[] = {0, 0.2, 0.5, 0.99, 1, 1.01, 1.2, 3};
    for (size_t i = 0; i < sizeof(exponents) / sizeof(*exponents); i++) {
        check_distribution(1, exponents[i]);
        check_distribution(2, exponents[i]);
        check_distribution(10, exponents[i]);
        check_distribution(1000000, exponents[i]);
    }
}

Test(load_keys, sizes_in_their_shares) {
    struct keys keys = keys_of(DRAWS, 0, "32:50,1000:40,0:9.5,16000:0.5");
    uint32_t counts[4] = {0};
    for (uint32_t number = 0; number < DRAWS; number++) {
        uint32_t bytes = keys_value_bytes(&keys, number);
        cr_assert(eq(u32, bytes, keys_value_bytes(&keys, number)));
        counts[bytes == 32 ? 0 : bytes == 1000 ? 1 : bytes == 0 ? 2 : 3]++;
    }
    cr_assert(lt(int, abs((int)counts[0] - DRAWS / 2), DRAWS / 200));
    cr_assert(lt(int, abs((int)counts[1] - DRAWS * 4 / 10), DRAWS / 200));
    cr_assert(lt(int, abs((int)counts[2] - DRAWS * 95 / 1000), DRAWS / 200));
    cr_assert(lt(int, abs((int)counts[3] - DRAWS / 200), DRAWS / 1000));
    keys = keys_of(10, 0, "70000");
    cr_assert(eq(u32, keys_value_bytes(&keys, 3), 70000));
}

Test(load_keys, no_sizes) {
    static const char *const texts[] = {
        "",     "x",   "-1",    "1:",    "1:0",        "1:-1",
        "1:x",  "1,",  ",1",    "1 2",   "1073741825", "1:2:3",
        "1:2,", "1;2", "1:nan", "1:inf", "1,,2",       "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"};
    struct keys keys;
    keys_init(&keys, "key", 1, 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        cr_assert(not(keys_take_sizes(&keys, texts[i])), "\"%s\"", texts[i]);
    }
}

Test(load_keys, any_piece_of_a_value_is_recognised) {
    struct keys keys = keys_of(10, 0, "100");
    char value[VALUE_BYTES + 1];
    value[VALUE_BYTES] = '.';
    cr_assert(eq(ptr, keys_put_value(&keys, value, 3, VALUE_BYTES), value + VALUE_BYTES));
    cr_assert(eq(chr, value[VALUE_BYTES], '.'));
    for (size_t at = 0; at <= VALUE_BYTES; at++) {
        for (size_t length = 0; at + length <= VALUE_BYTES; length++) {
            cr_assert(keys_value_matches(&keys, 3, at, value + at, length));
        }
    }
}

Test(load_keys, any_changed_bit_is_noticed) {
    struct keys keys = keys_of(10, 0, "100");
    char value[VALUE_BYTES];
    keys_put_value(&keys, value, 3, VALUE_BYTES);
    for (size_t at = 0; at < VALUE_BYTES; at++) {
        for (int bit = 0; bit < 8; bit++) {
            value[at] = (char)(value[at] ^ 1 << bit);
            for (size_t start = 0; start <= at; start++) {
                cr_assert(
                    not(keys_value_matches(&keys, 3, start, value + start, VALUE_BYTES - start)));
            }
            value[at] = (char)(value[at] ^ 1 << bit);
        }
    }
}

/* A value of another key or prefix, and a piece from elsewhere in the same value. */
Test(load_keys, other_values_are_noticed) {
    struct keys keys = keys_of(10, 0, "100"), others;
    char value[VALUE_BYTES];
    keys_init(&others, "kex", 10, 0);
    keys_put_value(&keys, value, 3, VALUE_BYTES);
    for (uint32_t number = 0; number < 10; number++) {
        cr_assert(eq(int, keys_value_matches(&keys, number, 0, value, 8), number == 3));
        cr_assert(not(keys_value_matches(&others, number, 0, value, 8)));
    }
    for (size_t at = 1; at + 8 <= VALUE_BYTES; at++) {
        cr_assert(not(keys_value_matches(&keys, 3, 0, value + at, 8)));
    }
}
