/* Items are moved to a store of another configuration. */
#include "image_fixture.h"

#define KEYS 2000

static uint32_t value_of(uint32_t number, char *bytes) {
    uint32_t length = (uint32_t)(fixture_mix(number + 5) % (number % 40 == 0 ? 60000 : 300));
    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (char)fixture_mix(number * 31 + i / 4);
    }
    return length;
}

static struct store_key key_of(uint32_t number, char text[16]) {
    snprintf(text, 16, "key %u", number);
    return fixture_key(text);
}

static void put(struct store *store, uint32_t number) {
    static char bytes[60000];
    char text[16];
    struct store_key key = key_of(number, text);
    struct store_write write = {.value = bytes,
                                .value_length = value_of(number, bytes),
                                .client_flags = number % 3 == 0 ? number : 0,
                                .expires = number % 4 == 0 ? 100 + number : 0,
                                .set_cas = true,
                                .new_cas = number % 5 == 0 ? (uint64_t)number << 50 | 9 : number,
                                .binary_key = number % 6 == 0};
    uint64_t cas;
    struct store_item item;
    cr_assert(eq(int, store_write(store, &key, &write, 5, &cas), STORE_OK));
    if (number % 2 == 0) {
        cr_assert(eq(int, store_get(store, &key, 6 + number % 20, &item), STORE_OK));
    }
    if (number % 7 == 0) {
        struct store_removal removal = {.mark_stale = true, .set_cas = true, .new_cas = number};
        cr_assert(eq(int, store_delete(store, &key, &removal, 30), STORE_OK));
    }
}

static struct store_item peek(struct store *store, uint32_t number) {
    char text[16];
    struct store_key key = key_of(number, text);
    struct store_item item;
    cr_assert(eq(int, store_peek(store, &key, 31, &item), STORE_OK));
    return item;
}

static void check_same(const struct store_item *a, const struct store_item *b) {
    cr_assert(eq(u32, a->value_length, b->value_length));
    cr_assert(eq(u32, a->client_flags, b->client_flags));
    cr_assert(eq(u32, a->expires, b->expires));
    cr_assert(eq(u64, a->cas, b->cas));
    cr_assert(eq(u32, a->access, b->access));
    cr_assert(eq(u32, a->state, b->state));
}

/* The value comes in parts, under a lease, as another thread would read it. */
static enum store_status import_by_upload(struct store *from, struct store *to,
                                          const struct store_key *key,
                                          const struct store_export *item) {
    uint64_t upload;
    uint32_t done = 0;
    cr_assert(store_lease(from, item->item.large));
    enum store_status status =
        store_upload_begin(to, key, item->item.value_length, STORE_UPLOAD_STORES, 31, &upload);
    while (status == STORE_OK && done < item->item.value_length) {
        const char *bytes;
        uint32_t length = store_lease_read(from, item->item.large, done, &bytes);
        status = store_upload_add(to, upload, bytes, length, 31);
        done += length;
    }
    if (status == STORE_OK) {
        status = store_import_end(to, upload, key, item, 31);
    }
    store_lease_end(from, item->item.large);
    return status;
}

/* Moves one item; the key is copied, since it goes with the item. */
static enum store_status move(struct store *from, struct store *to,
                              const struct store_export *item) {
    char text[250];
    struct store_removal removal = {0};
    memcpy(text, item->key, item->key_length);
    struct store_key key = {text, item->key_length,
                            fixture_hash(text, item->key_length, FIXTURE_SEED)};
    enum store_status status = item->item.large != 0 ? import_by_upload(from, to, &key, item)
                                                     : store_import(to, &key, item, 31);
    cr_assert(eq(int, store_delete(from, &key, &removal, 31), STORE_OK));
    return status;
}

static uint32_t move_all(struct store *from, struct store *to) {
    struct store_export item;
    uint32_t moved = 0;
    while (store_export_next(from, 31, &item)) {
        moved += move(from, to, &item) == STORE_OK;
        if (moved % 100 == 0) {
            store_check(from);
            store_check(to);
        }
    }
    cr_assert(eq(u64, fixture_stats(from).items, 0));
    return moved;
}

static void check_moved(struct store *to, const struct store_item *before) {
    static char bytes[60000];
    for (uint32_t i = 0; i < KEYS; i++) {
        struct store_item item = peek(to, i);
        check_same(&item, &before[i]);
        cr_assert(fixture_is(to, &item, bytes, value_of(i, bytes)));
    }
}

/* To smaller segments and a lower limit of inline values, to one that must not evict, and back. */
Test(store_export, everything_moves) {
    struct store_item *before = calloc(KEYS, sizeof(*before));
    size_t sizes[] = {64 * MIB, 8 * MIB, 16 * MIB, 100 * MIB};
    struct store *from = fixture_store(32 * MIB);
    for (uint32_t i = 0; i < KEYS; i++) {
        put(from, i);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        before[i] = peek(from, i);
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct store_config config = fixture_config(sizes[i]);
        config.no_eviction = i % 2 == 1;
        struct store *to = fixture_store_of(&config);
        cr_assert(eq(u32, move_all(from, to), KEYS));
        cr_assert(fixture_stats(from).segments <= SEGMENT_ENDS);
        check_moved(to, before);
        store_destroy(from);
        from = to;
    }
    store_destroy(from);
    free(before);
}

/* What was read is kept where not all fits. */
Test(store_export, least_wanted_go) {
    struct store *from = fixture_store(16 * MIB);
    struct store *to = fixture_store(4 * MIB);
    char text[16];
    for (uint32_t i = 0; i < 8000; i++) {
        key_of(i, text);
        cr_assert(eq(int, fixture_set_bytes(from, text, 1000, 0, 5), STORE_OK));
        if (i % 8 == 0) {
            cr_assert(fixture_has(from, text, 6));
        }
    }
    struct store_export item;
    while (store_export_next(from, 31, &item)) {
        move(from, to, &item);
    }
    uint32_t read = 0;
    for (uint32_t i = 0; i < 8000; i += 8) {
        key_of(i, text);
        read += fixture_has(to, text, 32);
    }
    cr_assert(read > 900);
    cr_assert(fixture_stats(to).items > 2500);
    store_check(to);
    store_destroy(from);
    store_destroy(to);
}

/* A key that is there already is not overtaken; one may be moved out of turn; expired and flushed
 * items are left behind. */
Test(store_export, one_key) {
    struct store *from = fixture_store(4 * MIB);
    struct store *to = fixture_store(4 * MIB);
    struct store_export item;
    struct store_key key = fixture_key("a");
    fixture_write(from, STORE_SET, "a", "old", 5);
    fixture_write(to, STORE_SET, "a", "new", 5);
    cr_assert(eq(int, store_export_key(from, &key, 31, &item), STORE_OK));
    cr_assert(eq(int, move(from, to, &item), STORE_NOT_STORED));
    cr_assert(fixture_holds(to, "a", "new", 31));
    cr_assert(eq(int, store_export_key(from, &key, 31, &item), STORE_NOT_FOUND));
    fixture_set_bytes(from, "expired", 10, 20, 5);
    cr_assert(not(store_export_next(from, 31, &item)));
    cr_assert(eq(u64, fixture_stats(from).items, 0));
    fixture_write(from, STORE_SET, "flushed", "1", 5);
    store_flush(from, 31, 31);
    fixture_write(from, STORE_SET, "b", "2", 31);
    cr_assert(store_export_next(from, 31, &item));
    cr_assert(eq(u32, item.key_length, 1));
    cr_assert(not(store_export_next(from, 31, &item)));
    cr_assert(store_export_next(from, 31, &item)); /* from the start again */
    store_check(from);
    store_destroy(from);
    store_destroy(to);
}
