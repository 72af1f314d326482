/* The test vectors of RFC 4648, section 10, and malformed base64. */
#include "proto/base64.h"
#include "random.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(base64, vectors) {
    static const struct {
        const char *bytes;
        const char *text;
    } cases[] = {
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xef\xbf", "/++/"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t length = strlen(cases[i].bytes);
        size_t encoded = strlen(cases[i].text);
        char out[16] = {0};
        cr_assert(eq(sz, BASE64_LENGTH(length), encoded));
        cr_assert(eq(sz, (size_t)(base64_encode(out, cases[i].bytes, length) - out), encoded));
        cr_assert(eq(str, out, (char *)cases[i].text));
        memset(out, 0, sizeof(out));
        cr_assert(eq(sz, base64_decode(out, cases[i].text, encoded), length));
        cr_assert(eq(str, out, (char *)cases[i].bytes));
    }
    cr_assert(eq(sz, BASE64_LENGTH(0), (size_t)0));
}

Test(base64, malformed) {
    static const char *const texts[] = {
        "",     "Z",    "Zg",   "Zm9",      "Zm9v=",    "====", "Z===",     "=m9v",
        "Zm=v", "Zm9-", "Zm9_", "Zm9v\r\n", "Zg==Zg==", "Zm 9", "Zm9v====", "Zm9\xff",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char out[16];
        cr_assert(eq(sz, base64_decode(out, texts[i], strlen(texts[i])), (size_t)0), "%s",
                  texts[i]);
    }
}

Test(base64, there_and_back) {
    uint64_t seed = 1;
    for (size_t length = 1; length <= 250; length++) {
        char bytes[250];
        char text[BASE64_LENGTH(250)];
        char back[BASE64_LENGTH(250)];
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (char)random_next(&seed);
        }
        char *end = base64_encode(text, bytes, length);
        cr_assert(eq(sz, base64_decode(back, text, (size_t)(end - text)), length));
        cr_assert(eq(int, memcmp(back, bytes, length), 0));
    }
}
