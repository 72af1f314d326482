/* What the meta commands do to items, each as memcached 1.6.45 answered when it was asked. */
#include "store_fixture.h"

static struct store_item read_item(struct store *store, const char *key_text,
                                   const struct store_read *read, uint32_t now) {
    struct store_key key = fixture_key(key_text);
    struct store_item item = {0};
    cr_assert(eq(int, store_read(store, &key, read, now, &item), STORE_OK), "%s", key_text);
    return item;
}

static struct store_item get(struct store *store, const char *key_text, uint32_t now) {
    struct store_read read = {0};
    return read_item(store, key_text, &read, now);
}

static struct store_item peek(struct store *store, const char *key_text, uint32_t now) {
    struct store_key key = fixture_key(key_text);
    struct store_item item = {0};
    cr_assert(eq(int, store_peek(store, &key, now, &item), STORE_OK), "%s", key_text);
    return item;
}

static enum store_status write_item(struct store *store, const char *key_text,
                                    const struct store_write *write, uint64_t *cas) {
    struct store_key key = fixture_key(key_text);
    return store_write(store, &key, write, 1, cas);
}

static enum store_status removed(struct store *store, const char *key_text,
                                 const struct store_removal *removal) {
    struct store_key key = fixture_key(key_text);
    return store_delete(store, &key, removal, 1);
}

static bool has(struct store_item item, enum store_state state) {
    return (item.state & state) != 0;
}

/* Whether the state is exactly these marks: W won, Z token sent, X stale, h hit before, b binary
 * key. */
static bool is(const struct store_item *item, const char *marks) {
    unsigned state =
        (strchr(marks, 'W') ? STORE_WON : 0) | (strchr(marks, 'Z') ? STORE_TOKEN_SENT : 0) |
        (strchr(marks, 'X') ? STORE_STALE : 0) | (strchr(marks, 'h') ? STORE_FETCHED : 0) |
        (strchr(marks, 'b') ? STORE_BINARY_KEY : 0);
    return item->state == state;
}

static const struct store_removal mark = {.mark_stale = true};

/* mg viv N30 s v t c, twice, then ms */
Test(meta, a_miss_is_vivified_and_won_once) {
    struct store *store = fixture_store(MIB);
    struct store_read read = {.vivify = true, .vivify_expires = 31};
    struct store_item first = read_item(store, "viv", &read, 1);
    cr_assert(is(&first, "W"));
    cr_assert(eq(u32, first.value_length, 0));
    cr_assert(eq(u32, first.expires, 31));
    cr_assert(eq(u32, first.expires_before, 0));
    struct store_item second = read_item(store, "viv", &read, 2);
    cr_assert(is(&second, "Zh"));
    cr_assert(eq(u64, second.cas, first.cas));
    cr_assert(eq(u32, second.expires_before, 31));
    cr_assert(eq(u32, second.access, 1));
    fixture_write(store, STORE_SET, "viv", "ab", 2);
    struct store_item third = get(store, "viv", 2);
    cr_assert(is(&third, ""));
    cr_assert(not(fixture_has(store, "nope", 2)));
    cr_assert(eq(u64, fixture_stats(store).items_stored, 2));
    store_check(store);
    store_destroy(store);
}

Test(meta, a_vivified_item_has_the_cas_asked_for) {
    struct store *store = fixture_store(MIB);
    struct store_read read = {
        .vivify = true, .set_cas = true, .new_cas = 1ull << 63 | 5, .binary_key = true};
    cr_assert(eq(u64, read_item(store, "viv", &read, 1).cas, 1ull << 63 | 5));
    read.new_cas = 7;
    struct store_item second = read_item(store, "viv", &read, 1);
    cr_assert(eq(u64, second.cas, 1ull << 63 | 5));
    cr_assert(has(second, STORE_BINARY_KEY));
    store_destroy(store);
}

/* R wins an item that expires before its time, not at it, and not one that never expires; once. */
Test(meta, recache_is_won_before_the_item_expires) {
    struct store *store = fixture_store(MIB);
    struct store_read read = {.recache = true, .recache_expires = 100};
    fixture_set_bytes(store, "a", 1, 100, 1);
    cr_assert(not(has(read_item(store, "a", &read, 1), STORE_WON)));
    read.recache_expires = 101;
    cr_assert(has(read_item(store, "a", &read, 1), STORE_WON));
    struct store_item again = read_item(store, "a", &read, 1);
    cr_assert(is(&again, "Zh"));
    fixture_write(store, STORE_SET, "never", "x", 1);
    cr_assert(not(has(read_item(store, "never", &read, 1), STORE_WON)));
    store_destroy(store);
}

/* mg R200 T1000 wins, mg T1000 R200 does not. */
Test(meta, recache_before_and_after_a_touch) {
    struct store *store = fixture_store(MIB);
    struct store_read read = {
        .recache = true, .recache_expires = 200, .touch = true, .expires = 1000};
    fixture_set_bytes(store, "a", 1, 100, 1);
    struct store_item item = read_item(store, "a", &read, 1);
    cr_assert(has(item, STORE_WON));
    cr_assert(eq(u32, item.expires, 1000));
    cr_assert(eq(u32, item.expires_before, 100));
    fixture_set_bytes(store, "a", 1, 100, 1);
    read.recache_after_touch = true;
    cr_assert(not(has(read_item(store, "a", &read, 1), STORE_WON)));
    read.expires = 150;
    cr_assert(has(read_item(store, "a", &read, 1), STORE_WON));
    store_destroy(store);
}

/* md st I T30, then mg twice, md I again, ms */
Test(meta, stale_is_won_once_until_it_is_stored) {
    struct store *store = fixture_store(MIB);
    struct store_removal touch = {.mark_stale = true, .touch = true, .expires = 31};
    fixture_write(store, STORE_SET, "st", "abc", 1);
    uint64_t cas = get(store, "st", 1).cas;
    cr_assert(eq(int, removed(store, "st", &touch), STORE_OK));
    struct store_item item = peek(store, "st", 1);
    cr_assert(is(&item, "Xh"));
    item = get(store, "st", 1);
    cr_assert(is(&item, "WXh"));
    cr_assert(eq(u32, item.expires, 31));
    cr_assert(ne(u64, item.cas, cas));
    item = get(store, "st", 1);
    cr_assert(is(&item, "ZXh"));
    cr_assert(eq(int, removed(store, "st", &mark), STORE_OK));
    item = get(store, "st", 1);
    cr_assert(is(&item, "WXh"));
    cr_assert(eq(u32, item.expires, 31), "without a touch the time stays");
    fixture_write(store, STORE_SET, "st", "xyz", 1);
    item = get(store, "st", 1);
    cr_assert(is(&item, ""));
    store_destroy(store);
}

/* Neither get nor gat takes the token away, and add leaves it. */
Test(meta, only_meta_wins) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    struct store_item item;
    fixture_write(store, STORE_SET, "a", "x", 1);
    removed(store, "a", &mark);
    fixture_has(store, "a", 1);
    store_touch(store, &key, 50, 1, &item);
    cr_assert(eq(int, fixture_write(store, STORE_ADD, "a", "y", 1), STORE_NOT_STORED));
    item = get(store, "a", 1);
    cr_assert(is(&item, "WXh"));
    cr_assert(eq(u32, item.expires, 50));
    store_destroy(store);
}

Test(meta, unbumped_reads_leave_no_trace) {
    struct store *store = fixture_store(MIB);
    struct store_read read = {.no_bump = true};
    fixture_write(store, STORE_SET, "a", "x", 1);
    removed(store, "a", &mark);
    cr_assert(has(read_item(store, "a", &read, 5), STORE_WON), "but the token goes");
    struct store_item item = peek(store, "a", 5);
    cr_assert(is(&item, "ZX"));
    cr_assert(eq(u32, item.access, 1));
    get(store, "a", 5);
    item = peek(store, "a", 6);
    cr_assert(has(item, STORE_FETCHED));
    cr_assert(eq(u32, item.access, 5));
    store_destroy(store);
}

/* Append to a stale item makes it fresh, as every write does. */
Test(meta, append_makes_fresh_and_may_create) {
    struct store *store = fixture_store(MIB);
    struct store_write write = {.mode = STORE_APPEND,
                                .value = "y",
                                .value_length = 1,
                                .client_flags = 5,
                                .expires = 90,
                                .create_expires = 30,
                                .compare_cas = true,
                                .cas = 5};
    uint64_t cas;
    cr_assert(eq(int, write_item(store, "a", &write, &cas), STORE_NOT_STORED));
    write.create = true;
    cr_assert(eq(int, write_item(store, "a", &write, &cas), STORE_OK));
    struct store_item item = get(store, "a", 1);
    cr_assert(eq(u32, item.client_flags, 5));
    cr_assert(eq(u32, item.expires, 30));
    removed(store, "a", &mark);
    cr_assert(eq(int, write_item(store, "a", &write, &cas), STORE_EXISTS));
    write.cas = peek(store, "a", 1).cas;
    write.set_cas = true;
    write.new_cas = 1ull << 50;
    cr_assert(eq(int, write_item(store, "a", &write, &cas), STORE_OK));
    item = get(store, "a", 1);
    cr_assert(is(&item, ""));
    cr_assert(eq(u32, item.value_length, 2));
    cr_assert(eq(u64, item.cas, 1ull << 50));
    cr_assert(eq(u64, cas, 1ull << 50));
    store_destroy(store);
}

/* ms C99 I T500 F9 onto C100 */
Test(meta, an_older_value_stores_as_stale) {
    struct store *store = fixture_store(MIB);
    struct store_write write = {.value = "a",
                                .value_length = 1,
                                .set_cas = true,
                                .new_cas = UINT64_MAX - 5,
                                .expires = 50,
                                .client_flags = 3};
    uint64_t cas;
    write_item(store, "i", &write, &cas);
    write = (struct store_write){.value = "b",
                                 .value_length = 1,
                                 .compare_cas = true,
                                 .cas = UINT64_MAX - 4,
                                 .stale_if_older = true,
                                 .expires = 500,
                                 .client_flags = 9};
    cr_assert(eq(int, write_item(store, "i", &write, &cas), STORE_EXISTS), "a newer one");
    write.cas = 0;
    cr_assert(eq(int, write_item(store, "i", &write, &cas), STORE_EXISTS), "none");
    write.cas = UINT64_MAX - 6;
    cr_assert(eq(int, write_item(store, "i", &write, &cas), STORE_OK));
    struct store_item item = get(store, "i", 1);
    cr_assert(is(&item, "WX"));
    cr_assert(eq(u32, item.expires, 50));
    cr_assert(eq(u32, item.client_flags, 9));
    cr_assert(eq(u64, item.cas, cas));
    write.cas = cas - 1;
    write.mode = STORE_REPLACE;
    cr_assert(eq(int, write_item(store, "i", &write, &cas), STORE_OK));
    item = get(store, "i", 1);
    cr_assert(is(&item, "ZX"), "the token stays sent");
    write.cas = cas;
    cr_assert(eq(int, write_item(store, "i", &write, &cas), STORE_OK));
    item = get(store, "i", 1);
    cr_assert(is(&item, ""));
    cr_assert(eq(u32, item.expires, 500), "with the right CAS it is an ordinary write");
    cr_assert(eq(int, write_item(store, "nope", &write, &cas), STORE_NOT_FOUND));
    store_destroy(store);
}

Test(meta, add_takes_no_notice_of_a_cas) {
    struct store *store = fixture_store(MIB);
    struct store_write write = {
        .mode = STORE_ADD, .value = "a", .value_length = 1, .compare_cas = true, .cas = 5};
    uint64_t cas;
    cr_assert(eq(int, write_item(store, "a", &write, &cas), STORE_OK));
    cr_assert(eq(int, write_item(store, "a", &write, &cas), STORE_NOT_STORED));
    store_destroy(store);
}

/* md x: value, client flags and time go, the CAS stays. */
Test(meta, emptied) {
    struct store *store = fixture_store(MIB);
    struct store_write write = {.value = "abc",
                                .value_length = 3,
                                .client_flags = 7,
                                .expires = 50,
                                .set_cas = true,
                                .new_cas = 1ull << 60,
                                .binary_key = true};
    struct store_removal empty = {.empty = true};
    uint64_t cas;
    write_item(store, "x", &write, &cas);
    get(store, "x", 1);
    cr_assert(eq(int, removed(store, "x", &empty), STORE_OK));
    struct store_item item = get(store, "x", 1);
    cr_assert(eq(u32, item.value_length, 0));
    cr_assert(eq(u32, item.client_flags, 0));
    cr_assert(eq(u32, item.expires, 0));
    cr_assert(eq(u64, item.cas, 1ull << 60));
    cr_assert(is(&item, "b"));
    empty = (struct store_removal){
        .empty = true, .mark_stale = true, .touch = true, .expires = 30, .client_flags = 3};
    cr_assert(eq(int, removed(store, "x", &empty), STORE_OK));
    item = get(store, "x", 1);
    cr_assert(is(&item, "WXb"));
    cr_assert(eq(u32, item.expires, 30));
    cr_assert(eq(u32, item.client_flags, 3));
    cr_assert(lt(u64, item.cas, 1ull << 48));
    empty = (struct store_removal){.empty = true, .set_cas = true, .new_cas = 200};
    cr_assert(eq(int, removed(store, "x", &empty), STORE_OK));
    item = get(store, "x", 1);
    cr_assert(is(&item, "b"), "emptying alone makes fresh");
    cr_assert(eq(u64, item.cas, 200));
    store_check(store);
    store_destroy(store);
}

Test(meta, marked_stale_with_a_cas_of_its_own) {
    struct store *store = fixture_store(MIB);
    fixture_write(store, STORE_SET, "a", "abc", 1);
    struct store_removal long_cas = {.mark_stale = true, .set_cas = true, .new_cas = UINT64_MAX};
    cr_assert(eq(int, removed(store, "a", &long_cas), STORE_OK));
    cr_assert(eq(u64, peek(store, "a", 1).cas, UINT64_MAX));
    struct store_removal compare = {
        .mark_stale = true, .compare_cas = true, .cas = 5, .set_cas = true, .new_cas = 6};
    cr_assert(eq(int, removed(store, "a", &compare), STORE_EXISTS));
    compare.cas = UINT64_MAX;
    cr_assert(eq(int, removed(store, "a", &compare), STORE_OK));
    cr_assert(eq(u64, peek(store, "a", 1).cas, 6));
    cr_assert(fixture_holds(store, "a", "abc", 1));
    cr_assert(eq(int, removed(store, "nope", &compare), STORE_NOT_FOUND));
    store_destroy(store);
}

static struct store_item add(struct store *store, uint64_t by, struct store_delta delta) {
    struct store_key key = fixture_key("n");
    struct store_item item = {0};
    uint64_t number;
    delta.delta = by;
    cr_assert(eq(int, store_delta(store, &key, &delta, 1, &number, &item), STORE_OK));
    return item;
}

/* A number that gets longer is a new version of the item; any other is written in place. */
Test(meta, arithmetic_on_a_stale_item) {
    struct store *store = fixture_store(MIB);
    fixture_write(store, STORE_SET, "n", "5", 1);
    get(store, "n", 1);
    removed(store, "n", &mark);
    struct store_item item = add(store, 1, (struct store_delta){0});
    cr_assert(is(&item, "Xh"));
    item = get(store, "n", 1);
    cr_assert(is(&item, "WXh"));
    item = add(store, 1000, (struct store_delta){.touch = true, .touch_expires = 90});
    cr_assert(is(&item, "ZXh"));
    cr_assert(eq(u32, item.expires, 90));
    cr_assert(eq(u32, item.expires_before, 0));
    item = peek(store, "n", 1);
    cr_assert(is(&item, ""));
    cr_assert(fixture_holds(store, "n", "1006", 1));
    store_destroy(store);
}

Test(meta, arithmetic_with_a_cas_of_its_own) {
    struct store *store = fixture_store(MIB);
    struct store_delta make = {
        .create = true, .initial = 5, .set_cas = true, .new_cas = 9, .binary_key = true};
    struct store_item item = add(store, 1, make);
    cr_assert(eq(u64, item.cas, 9));
    cr_assert(has(item, STORE_BINARY_KEY));
    struct store_delta set = {.set_cas = true, .new_cas = 1ull << 61};
    item = add(store, 1, set);
    cr_assert(eq(u64, item.cas, 1ull << 61));
    cr_assert(eq(u64, peek(store, "n", 1).cas, 1ull << 61));
    cr_assert(lt(u64, add(store, 1, (struct store_delta){0}).cas, 1ull << 48));
    cr_assert(has(peek(store, "n", 1), STORE_BINARY_KEY));
    cr_assert(fixture_holds(store, "n", "7", 1));
    store_destroy(store);
}

Test(meta, an_empty_value_is_no_number_whatever_the_cas) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("n");
    struct store_delta delta = {.delta = 1, .compare_cas = true, .cas = 5};
    struct store_item item;
    uint64_t number;
    fixture_write(store, STORE_SET, "n", "", 1);
    cr_assert(eq(int, store_delta(store, &key, &delta, 1, &number, &item), STORE_NON_NUMERIC));
    fixture_write(store, STORE_SET, "n", "x", 1);
    cr_assert(eq(int, store_delta(store, &key, &delta, 1, &number, &item), STORE_EXISTS));
    store_destroy(store);
}
