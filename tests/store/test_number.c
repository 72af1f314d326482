#include "store/number.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* As memcached 1.6.18 answered. */
Test(number, what_counts_as_one) {
    static const struct {
        const char *text;
        bool good;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},
        {"5", true, 5},
        {"5 ", true, 5},
        {" 5", true, 5},
        {"+5", true, 5},
        {"\t7", true, 7},
        {"5\r", true, 5},
        {"5\n6", true, 5},
        {"5 abc", true, 5},
        {"1 -", true, 1},
        {"-0", true, 0},
        {"5abc", false, 0},
        {"", false, 0},
        {"hi", false, 0},
        {"-1", false, 0},
        {"-", false, 0},
        {"+", false, 0},
        {" ", false, 0},
        {"+-1", false, 0},
        {"1.5", false, 0},
        {"00000000000000000000000005", true, 5},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999999", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t number = 0;
        const char *text = cases[i].text;
        bool good = number_parse(text, (uint32_t)strlen(text), &number);
        cr_assert(good == cases[i].good && number == cases[i].number, "\"%s\"", text);
    }
}

Test(number, a_zero_byte_ends_it_and_the_length_too) {
    uint64_t number;
    cr_assert(number_parse("5\0x", 3, &number));
    cr_assert(eq(u64, number, 5));
    cr_assert(number_parse("512", 1, &number));
    cr_assert(eq(u64, number, 5));
}

Test(number, format_then_parse_gives_the_same) {
    static const uint64_t numbers[] = {0, 9, 10, 99, 100, 1234567890, UINT64_MAX - 1, UINT64_MAX};
    char text[NUMBER_DIGITS_MAX];
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t number;
        uint32_t length = number_format(numbers[i], text);
        cr_assert(number_parse(text, length, &number));
        cr_assert(eq(u64, number, numbers[i]));
    }
    cr_assert(eq(u32, number_format(0, text), 1));
    cr_assert(eq(u32, number_format(UINT64_MAX, text), NUMBER_DIGITS_MAX));
}
