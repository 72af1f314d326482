#include "proto/number.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
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
    cr_assert(not(number_parse_i64("-", 1, &i64)));
    cr_assert(not(number_parse_i64("-+1", 3, &i64)));
    cr_assert(number_parse_i64("+5", 2, &i64));
    cr_assert(eq(i64, i64, (int64_t)5));
    cr_assert(number_parse_seconds("-2147483648", 11, &i64));
    cr_assert(eq(i64, i64, (int64_t)INT32_MIN));
    cr_assert(not(number_parse_seconds("-2147483649", 11, &i64)));
    cr_assert(number_parse_seconds("2147483647", 10, &i64));
    cr_assert(not(number_parse_seconds("2147483648", 10, &i64)));
    cr_assert(not(number_parse_seconds("x", 1, &i64)));
}
