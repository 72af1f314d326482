/* Lines about items, as memcached's dumps have them. */
#include "proto/reply.h"
#include "same.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

typedef size_t write_line(char *out, const struct item_line *item);

static void check(write_line *write, const struct item_line *item, const char *expected) {
    char out[REPLY_ITEM_LINE_MAX + 1] = {0};
    struct item_line line = *item;
    line.key_length = (uint32_t)strlen(line.key);
    size_t length = write(out, &line);
    same_expect(out, expected, "line");
    cr_assert(eq(sz, length, strlen(expected)));
}

static const struct item_line with_all = {
    .key = "a%b&c/d~e-._",
    .exptime = 1795370820,
    .last_access = 1795370720,
    .cas = 2,
    .bytes = 78,
    .value_length = 3,
    .client_flags = 7,
};
static const struct item_line plain = {
    .key = "plain",
    .fetched = true,
    .exptime = -1,
    .last_access = 1795370720,
    .cas = 3,
    .bytes = 74,
    .value_length = 10,
};
static const struct item_line binary = {
    .key = "foo bar",
    .binary_key = true,
    .exptime = -1,
    .last_access = 1795370720,
    .cas = 4,
    .bytes = 68,
    .value_length = 2,
};

Test(reply_item, metadump) {
    check(reply_metadump_line, &with_all,
          "key=a%25b%26c%2Fd~e-._ exp=1795370820 la=1795370720 cas=2 fetch=no cls=1 size=78 "
          "flags=7 \n");
    check(reply_metadump_line, &plain,
          "key=plain exp=-1 la=1795370720 cas=3 fetch=yes cls=1 size=74 flags=0 \n");
    check(reply_metadump_line, &binary,
          "key=foo%20bar exp=-1 la=1795370720 cas=4 fetch=no cls=1 size=68 flags=0 \n");
}

Test(reply_item, mgdump) {
    check(reply_mgdump_line, &with_all, "mg a%b&c/d~e-._\r\n");
    check(reply_mgdump_line, &plain, "mg plain\r\n");
    check(reply_mgdump_line, &binary, "mg Zm9vIGJhcg== b\r\n");
}

Test(reply_item, cachedump) {
    check(reply_cachedump_line, &with_all, "ITEM a%b&c/d~e-._ [3 b; 1795370820 s]\r\n");
    check(reply_cachedump_line, &plain, "ITEM plain [10 b; 0 s]\r\n");
    check(reply_cachedump_line, &binary, "");
}

/* The longest key and numbers fit. */
Test(reply_item, of_the_longest) {
    char key[KEY_LENGTH_MAX + 1] = {0};
    memset(key, 0xff, KEY_LENGTH_MAX);
    const struct item_line item = {
        .key = key,
        .key_length = KEY_LENGTH_MAX,
        .exptime = INT64_MAX,
        .last_access = INT64_MAX,
        .cas = UINT64_MAX,
        .bytes = UINT64_MAX,
        .value_length = UINT32_MAX,
        .client_flags = UINT32_MAX,
    };
    char out[REPLY_ITEM_LINE_MAX];
    cr_assert(le(sz, reply_metadump_line(out, &item), sizeof(out)));
    cr_assert(le(sz, reply_cachedump_line(out, &item), sizeof(out)));
    struct item_line encoded = item;
    encoded.binary_key = true;
    cr_assert(le(sz, reply_mgdump_line(out, &encoded), sizeof(out)));
}
