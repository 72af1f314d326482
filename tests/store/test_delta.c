/* Arithmetic: incr and decr. */
#include "store_fixture.h"

static enum store_status delta(struct store *store, const char *key_text, int64_t by,
                               uint64_t *number) {
    struct store_key key = fixture_key(key_text);
    struct store_delta change = {.delta = (uint64_t)(by < 0 ? -by : by), .decrement = by < 0};
    struct store_item item;
    return store_delta(store, &key, &change, 1, number, &item);
}

Test(delta, results_and_padding) {
    static const struct {
        const char *before;
        int64_t by;
        uint64_t number;
        const char *after;
    } cases[] = {
        {"5", 1, 6, "6"},
        {"9", 1, 10, "10"},
        {"10", -1, 9, "9 "},
        {"5 ", 10, 15, "15"},
        {"100", -100, 0, "0  "},
        {"3", -4, 0, "0"},
        {"5 abc", 1, 6, "6    "},
        {"99999999", 1, 100000000, "100000000"},
        {"18446744073709551615", 1, 0, "0                   "},
    };
    struct store *store = fixture_store(MIB);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t number;
        fixture_write(store, STORE_SET, "n", cases[i].before, 1);
        cr_assert(eq(int, delta(store, "n", cases[i].by, &number), STORE_OK));
        cr_assert(eq(u64, number, cases[i].number));
        cr_assert(fixture_holds(store, "n", cases[i].after, 1), "after %s", cases[i].before);
    }
    store_check(store);
    store_destroy(store);
}

Test(delta, no_number) {
    struct store *store = fixture_store(MIB);
    uint64_t number;
    cr_assert(eq(int, delta(store, "n", 1, &number), STORE_NOT_FOUND));
    fixture_write(store, STORE_SET, "n", "hi", 1);
    cr_assert(eq(int, delta(store, "n", 1, &number), STORE_NON_NUMERIC));
    cr_assert(fixture_holds(store, "n", "hi", 1));
    store_destroy(store);
}

Test(delta, create_and_cas) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("n");
    struct store_delta create = {.delta = 1, .create = true, .initial = 41, .expires = 9};
    uint64_t number;
    struct store_item made, changed, item;
    cr_assert(eq(int, store_delta(store, &key, &create, 1, &number, &made), STORE_OK));
    cr_assert(eq(u64, number, 41));
    cr_assert(eq(u32, made.expires_before, 0));
    cr_assert(eq(u32, made.expires, 9));
    struct store_delta change = {.delta = 1, .compare_cas = true, .cas = made.cas + 1};
    cr_assert(eq(int, store_delta(store, &key, &change, 1, &number, &changed), STORE_EXISTS));
    change.cas = made.cas;
    cr_assert(eq(int, store_delta(store, &key, &change, 1, &number, &changed), STORE_OK));
    cr_assert(eq(u64, number, 42));
    cr_assert(ne(u64, changed.cas, made.cas));
    cr_assert(eq(int, fixture_get(store, "n", 8, &item), STORE_OK));
    cr_assert(eq(u64, item.cas, changed.cas));
    cr_assert(eq(u32, item.expires, 9));
    cr_assert(not(fixture_has(store, "n", 9)));
    store_destroy(store);
}

Test(delta, a_longer_number_keeps_flags_and_expiry) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("n");
    struct store_write write = {.value = "9", .value_length = 1, .client_flags = 7, .expires = 50};
    uint64_t number, cas;
    store_write(store, &key, &write, 1, &cas);
    cr_assert(eq(int, delta(store, "n", 9999999999999, &number), STORE_OK));
    struct store_item item;
    fixture_get(store, "n", 1, &item);
    cr_assert(eq(u32, item.client_flags, 7));
    cr_assert(eq(u32, item.expires, 50));
    cr_assert(eq(u32, item.value_length, 14));
    store_destroy(store);
}
