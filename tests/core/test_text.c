/* A string that grows, and bytes as strings of JSON. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "core/base/text.h"

static void expect_json(const char *bytes, size_t length, const char *json) {
    struct text text = {0};
    text_add_json(&text, bytes, length);
    cr_assert(not(text.failed));
    cr_assert(text.length == strlen(json) && memcmp(text.bytes, json, text.length) == 0,
              "expected %s, got %.*s", json, (int)text.length, text.bytes);
    text_free(&text);
}

#define EXPECT_JSON(bytes, json) expect_json(bytes, sizeof(bytes) - 1, json)

Test(text, json) {
    EXPECT_JSON("", "\"\"");
    EXPECT_JSON("key-1:a", "\"key-1:a\"");
    EXPECT_JSON("\"\\", "\"\\u0022\\u005c\"");
    EXPECT_JSON("<b>&'</b>", "\"\\u003cb\\u003e\\u0026\\u0027\\u003c/b\\u003e\"");
    EXPECT_JSON("a\nb\x7f\0c", "\"a\\\\x0ab\\\\x7f\\\\x00c\"");
    EXPECT_JSON("gr\xc3\xb6\xc3\x9f"
                "e \xe6\x97\xa5 \xf0\x9f\x98\x80",
                "\"gr\xc3\xb6\xc3\x9f"
                "e \xe6\x97\xa5 \xf0\x9f\x98\x80\"");
    EXPECT_JSON("\xff\xfe", "\"\\\\xff\\\\xfe\"");
    EXPECT_JSON("\xc0\xaf", "\"\\\\xc0\\\\xaf\"");            /* too long a form */
    EXPECT_JSON("\xed\xa0\x80", "\"\\\\xed\\\\xa0\\\\x80\""); /* half a pair of UTF-16 */
    EXPECT_JSON("\xf4\x90\x80\x80", "\"\\\\xf4\\\\x90\\\\x80\\\\x80\"");
    EXPECT_JSON("\xe6\x97", "\"\\\\xe6\\\\x97\""); /* cut off */
    EXPECT_JSON("\xc2\x85", "\"\\\\xc2\\\\x85\""); /* a control character */
}

Test(text, characters) {
    cr_assert(eq(sz, text_character("a", 1), 1));
    cr_assert(eq(sz, text_character("\xc3\xb6x", 3), 2));
    cr_assert(eq(sz, text_character("\xc3\xb6", 1), 0));
    cr_assert(eq(sz, text_character("\x80", 1), 0));
    cr_assert(eq(sz, text_character("", 0), 0));
}

/* Beyond its first memory, to the byte. */
Test(text, grows) {
    struct text text = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        text_format(&text, "%04u,", i);
        text_add(&text, "x");
    }
    cr_assert(eq(sz, text.length, 30000));
    cr_assert(memcmp(text.bytes + 29994, "4999,x", 6) == 0);
    text_free(&text);
    cr_assert(zero(sz, text.capacity));
}
