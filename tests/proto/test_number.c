#include "proto/number.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_write(uint64_t value) {
    char out[NUMBER_DIGITS_MAX + 1];
    char expected[NUMBER_DIGITS_MAX + 1];
    snprintf(expected, sizeof(expected), "%" PRIu64, value);
    *number_write(out, value) = '\0';
    cr_assert(eq(str, out, expected));
    uint64_t back = 0;
    cr_assert(number_parse_u64(out, strlen(out), &back));
    cr_assert(eq(u64, back, value));
}

Test(number, written_and_read_back) {
    for (uint64_t value = 0; value < 20000; value++) {
        check_write(value);
    }
    for (uint64_t power = 1; power <= 1000000000000000000; power *= 10) {
        check_write(power - 1);
        check_write(power);
        check_write(power + 1);
    }
    check_write(10000000000000000000u);
    check_write(UINT64_MAX);
}

Test(number, not_a_u64) {
    static const char *const texts[] = {
        "",
        "+",
        "-",
        "-1",
        "x",
        "1x",
        "x1",
        " 1",
        "1 ",
        "++1",
        "+1",
        "-0",
        "\t1",
        "1\t",
        "00000000000000000000001",
        "18446744073709551616",
        "99999999999999999999",
        "184467440737095516150",
        "0x10",
        "1\r",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t value = 42;
        cr_assert(not(number_parse_u64(texts[i], strlen(texts[i]), &value)), "%s", texts[i]);
        cr_assert(eq(u64, value, (uint64_t)42));
    }
}

Test(number, limits) {
    uint32_t u32;
    int64_t i64;
    cr_assert(number_parse_u32("4294967295", 10, &u32));
    cr_assert(eq(u32, u32, UINT32_MAX));
    cr_assert(not(number_parse_u32("4294967296", 10, &u32)));
    cr_assert(number_parse_i64("-9223372036854775807", 20, &i64));
    cr_assert(eq(i64, i64, -INT64_MAX));
    cr_assert(not(number_parse_i64("9223372036854775808", 19, &i64)));
    cr_assert(number_parse_i64("-9223372036854775808", 20, &i64));
    cr_assert(eq(i64, i64, INT64_MIN));
    cr_assert(not(number_parse_i64("-9223372036854775809", 20, &i64)));
    cr_assert(number_parse_i32("-2147483648", 11, &i64));
    cr_assert(eq(i64, i64, (int64_t)INT32_MIN));
    cr_assert(not(number_parse_i32("-2147483649", 11, &i64)));
    cr_assert(number_parse_i32("2147483647", 10, &i64));
    cr_assert(not(number_parse_i32("2147483648", 10, &i64)));
}

static void check_i32(const char *text, bool good, int64_t wanted) {
    int64_t value = 42;
    cr_assert(eq(int, number_parse_i32(text, strlen(text), &value), good), "%s", text);
    cr_assert(eq(i64, value, good ? wanted : 42), "%s", text);
}

/* As memcached's own reader has it: a minus alone is 0, and eleven characters are the most. */
Test(number, signs_and_lengths) {
    check_i32("-0", true, 0);
    check_i32("-", true, 0);
    check_i32("00000000001", true, 1);
    check_i32("-0000000001", true, -1);
    const char *bad[] = {"", "x", "+1", "+", "-+1", "--1", " 1", "\t1", "1\t", "000000000001"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        check_i32(bad[i], false, 0);
    }
    uint32_t u32;
    cr_assert(number_parse_u32("00000000001", 11, &u32));
    cr_assert(not(number_parse_u32("000000000001", 12, &u32)));
    uint64_t u64;
    cr_assert(number_parse_u64("0000000000000000000001", 22, &u64));
    cr_assert(not(number_parse_u64("00000000000000000000001", 23, &u64)));
}

/* What strtol() makes of the same text. */
static bool front_by_libc(const char *text, int64_t *value) {
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return errno == 0 && end != text && (*end == '\0' || isspace((unsigned char)*end));
}

static void check_front(const char *text) {
    int64_t value = 42;
    int64_t wanted;
    bool good = front_by_libc(text, &wanted);
    cr_assert(eq(int, number_parse_front(text, strlen(text), &value), good), "%s", text);
    cr_assert(eq(i64, value, good ? wanted : 42), "%s", text);
}

Test(number, at_the_front_as_strtol) {
    static const char *const texts[] = {
        "1",
        "+1",
        "-1",
        "-0",
        "",
        "+",
        "-",
        "+-1",
        "--1",
        "1x",
        "1 x",
        "\t\n\v\f\r 1",
        "\t",
        " \t 7 8",
        "1\t",
        "1\tx",
        "\t+1\r",
        "x",
        "0x10",
        "00000000000000000000000000000000001",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_front(texts[i]);
    }
    int64_t value;
    cr_assert(number_parse_front("5\0x", 3, &value));
    cr_assert(eq(i64, value, (int64_t)5));
    cr_assert(number_parse_front("512", 1, &value));
    cr_assert(eq(i64, value, (int64_t)5));
}
