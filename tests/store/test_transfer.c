/* Items move to stores of another configuration. */
#include "store/transfer_view.h"

#include "image_fixture.h"

#define KEYS 2000
#define NOW 31

static uint32_t owner(uint64_t hash, uint32_t count) {
    return (uint32_t)(((hash >> 48) * count) >> 16);
}

static uint32_t value_of(uint32_t number, char *bytes) {
    return image_value(number, 40, 60000, bytes);
}

static void put(struct store *store, uint32_t number) {
    static char bytes[60000];
    char text[16];
    struct store_key key = image_key(number, text);
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
    struct store_key key = image_key(number, text);
    struct store_item item;
    cr_assert(eq(int, store_peek(store, &key, NOW, &item), STORE_OK));
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

/* Moves all, a slice of each new store at a time. */
static void finish_at(struct store_transfer *transfer, const struct store_side *to, uint32_t now) {
    for (uint32_t i = 0; !store_transfer_is_done(transfer); i++) {
        store_maintain(to->stores[i % to->count], now);
        cr_assert(lt(u32, i, 1000000));
    }
    store_transfer_end(transfer);
    for (uint32_t i = 0; i < to->count; i++) {
        store_check(to->stores[i]);
    }
}

static void finish(struct store_transfer *transfer, const struct store_side *to) {
    finish_at(transfer, to, NOW);
}

static struct store *owner_of(const struct store_side *side, uint32_t number) {
    char text[16];
    return side->stores[owner(image_key(number, text).hash, side->count)];
}

static void check_moved(const struct store_side *to, const struct store_item *before) {
    static char bytes[60000];
    for (uint32_t i = 0; i < KEYS; i++) {
        struct store *store = owner_of(to, i);
        struct store_item item = peek(store, i);
        check_same(&item, &before[i]);
        cr_assert(fixture_is(store, &item, bytes, value_of(i, bytes)));
    }
}

struct sizes {
    uint32_t count;
    size_t memory_bytes; /* of each */
    bool no_eviction;
};

static struct store_side side_of(struct store **stores, const struct sizes *sizes) {
    struct store_config config = fixture_config(sizes->memory_bytes);
    config.no_eviction = sizes->no_eviction;
    config.shards = sizes->count;
    for (uint32_t i = 0; i < sizes->count; i++) {
        config.shard = i;
        stores[i] = fixture_store_of(&config);
    }
    return (struct store_side){stores, sizes->count};
}

static void side_destroy(const struct store_side *side) {
    for (uint32_t i = 0; i < side->count; i++) {
        store_destroy(side->stores[i]);
    }
}

#define SIDES 6

/* To other numbers of stores, smaller segments, a lower limit of inline values, to one that must
 * not evict, and back: by slices alone, or each key when it is asked for. */
Test(store_transfer, everything_moves) {
    static const struct sizes sizes[SIDES] = {{1, 32 * MIB, false}, {3, 24 * MIB, false},
                                              {2, 16 * MIB, true},  {5, 8 * MIB, false},
                                              {1, 100 * MIB, true}, {2, 64 * MIB, false}};
    struct store_item *before = calloc(KEYS, sizeof(*before));
    struct store *stores[2][5];
    struct store_side from = side_of(stores[0], &sizes[0]);
    for (uint32_t i = 0; i < KEYS; i++) {
        put(owner_of(&from, i), i);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        before[i] = peek(owner_of(&from, i), i);
    }
    for (uint32_t i = 1; i < SIDES; i++) {
        struct store_side to = side_of(stores[i % 2], &sizes[i]);
        struct store_transfer *transfer;
        struct store_transfer_progress progress;
        cr_assert(eq(int, store_transfer_begin(&transfer, &from, &to, owner, NOW), 0));
        if (i % 2 == 0) {
            check_moved(&to, before);
        }
        store_transfer_read(transfer, &progress);
        cr_assert(eq(u64, progress.items, KEYS));
        cr_assert(eq(u64, progress.left, i % 2 == 0 ? 0 : KEYS));
        finish(transfer, &to);
        check_moved(&to, before);
        side_destroy(&from);
        from = to;
    }
    side_destroy(&from);
    free(before);
}

static struct store_transfer *begin(struct store **from, struct store **to) {
    struct store_side old = {from, 1}, new = {to, 1};
    struct store_transfer *transfer;
    cr_assert(eq(int, store_transfer_begin(&transfer, &old, &new, owner, NOW), 0));
    return transfer;
}

/* What was read is kept where not all fits. */
Test(store_transfer, least_wanted_go) {
    struct store *from = fixture_store(16 * MIB);
    struct store *to = fixture_store(4 * MIB);
    char text[16];
    for (uint32_t i = 0; i < 8000; i++) {
        image_key(i, text);
        cr_assert(eq(int, fixture_set_bytes(from, text, 1000, 0, 5), STORE_OK));
        if (i % 8 == 0) {
            cr_assert(fixture_has(from, text, 6));
        }
    }
    finish(begin(&from, &to), &(struct store_side){&to, 1});
    uint32_t read = 0;
    for (uint32_t i = 0; i < 8000; i += 8) {
        image_key(i, text);
        read += fixture_has(to, text, 32);
    }
    cr_assert(read > 900);
    cr_assert(fixture_stats(to).items > 2500);
    store_destroy(from);
    store_destroy(to);
}

/* What is larger now than an item may be is lost, and counted. */
Test(store_transfer, too_large) {
    struct store_config config = fixture_config(4 * MIB);
    config.item_bytes_max = 1000;
    struct store *from = fixture_store(4 * MIB);
    struct store *to = fixture_store_of(&config);
    struct store_transfer_progress progress;
    fixture_set_bytes(from, "large", 1100, 0, 5);
    fixture_set_bytes(from, "small", 500, 0, 5);
    struct store_transfer *transfer = begin(&from, &to);
    cr_assert(not(fixture_has(to, "large", NOW)));
    cr_assert(fixture_has(to, "small", NOW));
    store_transfer_read(transfer, &progress);
    cr_assert(eq(u64, progress.lost, 1));
    cr_assert(eq(u64, progress.moved, 1));
    cr_assert(eq(u64, progress.left, 0));
    finish(transfer, &(struct store_side){&to, 1});
    store_destroy(from);
    store_destroy(to);
}

/* Each operation finds what is still in the old store, and none is overtaken by it afterwards. */
Test(store_transfer, operations) {
    struct store *from = fixture_store(4 * MIB);
    struct store *to = fixture_store(4 * MIB);
    static const char *const keys[] = {"get", "set", "add", "gone", "join", "7", "old"};
    struct store_item item;
    uint64_t number;
    for (uint32_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        cr_assert(eq(int, fixture_write(from, STORE_SET, keys[i], "41", 5), STORE_OK));
    }
    cr_assert(eq(int, fixture_set_bytes(from, "expired", 10, 20, 5), STORE_OK));
    struct store_transfer *transfer = begin(&from, &to);
    cr_assert(fixture_holds(to, "get", "41", NOW));
    cr_assert(eq(int, fixture_write(to, STORE_SET, "set", "new", NOW), STORE_OK));
    cr_assert(eq(int, fixture_write(to, STORE_ADD, "add", "new", NOW), STORE_NOT_STORED));
    cr_assert(eq(int, fixture_delete(to, "gone", NOW), STORE_OK));
    cr_assert(eq(int, fixture_delete(to, "gone", NOW), STORE_NOT_FOUND));
    cr_assert(eq(int, fixture_write(to, STORE_APPEND, "join", "x", NOW), STORE_OK));
    struct store_key key = fixture_key("7");
    struct store_delta delta = {.delta = 1};
    cr_assert(eq(int, store_delta(to, &key, &delta, NOW, &number, &item), STORE_OK));
    cr_assert(eq(u64, number, 42));
    cr_assert(not(fixture_has(to, "expired", NOW)));
    finish(transfer, &(struct store_side){&to, 1});
    cr_assert(fixture_holds(to, "get", "41", NOW));
    cr_assert(fixture_holds(to, "set", "new", NOW));
    cr_assert(fixture_holds(to, "add", "41", NOW));
    cr_assert(not(fixture_has(to, "gone", NOW)));
    cr_assert(fixture_holds(to, "join", "41x", NOW));
    cr_assert(fixture_holds(to, "7", "42", NOW));
    cr_assert(fixture_holds(to, "old", "41", NOW));
    cr_assert(not(fixture_has(to, "expired", NOW)));
    cr_assert(eq(u64, fixture_stats(to).items, 6));
    store_destroy(from);
    store_destroy(to);
}

/* A flush holds for what has not moved, one that comes later too, and one that was due before. */
Test(store_transfer, flushes) {
    for (uint32_t at = NOW - 1; at <= NOW + 1; at++) {
        struct store *from = fixture_store(4 * MIB);
        struct store *to = fixture_store(4 * MIB);
        fixture_write(from, STORE_SET, "a", "1", 5);
        if (at != NOW) {
            store_flush(from, at, 6);
        }
        struct store_transfer *transfer = begin(&from, &to);
        if (at == NOW) {
            store_flush(to, NOW, NOW);
        }
        cr_assert(eq(int, fixture_write(to, STORE_SET, "b", "1", NOW), STORE_OK));
        cr_assert(eq(int, fixture_has(to, "a", NOW + 1), false));
        cr_assert(eq(int, fixture_has(to, "b", NOW + 1), at <= NOW));
        finish(transfer, &(struct store_side){&to, 1});
        cr_assert(eq(int, fixture_has(to, "a", NOW + 1), false));
        cr_assert(eq(int, fixture_has(to, "b", NOW + 1), at <= NOW));
        store_destroy(from);
        store_destroy(to);
    }
}

/* A flush by a prefix holds for what has not moved; one that is to come goes over. */
Test(store_transfer, flushes_by_prefix) {
    struct store *from = fixture_store(4 * MIB);
    struct store *to = fixture_store(4 * MIB);
    fixture_write(from, STORE_SET, "now:a", "1", 5);
    fixture_write(from, STORE_SET, "late:a", "1", 5);
    fixture_write(from, STORE_SET, "later:a", "1", 5);
    fixture_write(from, STORE_SET, "other", "1", 5);
    fixture_set_bytes(from, "now:large", 100000, 0, 5);
    cr_assert(store_flush_prefix(from, "late:", 5, NOW + 1, 6));
    struct store_transfer *transfer = begin(&from, &to);
    cr_assert(eq(u32, store_prefixes(to), 1));
    cr_assert(store_flush_prefix(to, "now:", 4, NOW, NOW));
    cr_assert(store_flush_prefix(to, "later:", 6, NOW + 2, NOW));
    cr_assert(eq(int, fixture_write(to, STORE_SET, "now:b", "1", NOW), STORE_OK));
    cr_assert(fixture_holds(to, "late:a", "1", NOW));
    for (uint32_t now = NOW; now <= NOW + 2; now++) {
        cr_assert(not(fixture_has(to, "now:a", now)));
        cr_assert(not(fixture_has(to, "now:large", now)));
        cr_assert(fixture_has(to, "now:b", now));
        cr_assert(eq(int, fixture_has(to, "late:a", now), now == NOW));
        if (now == NOW + 2) {
            cr_assert(not(fixture_has(to, "later:a", now)));
        }
    }
    finish_at(transfer, &(struct store_side){&to, 1}, NOW + 2);
    cr_assert(eq(u64, store_items(to), 2));
    cr_assert(fixture_has(to, "other", NOW + 2));
    store_destroy(from);
    store_destroy(to);
}

static bool visit(void *context, const struct store_entry *entry) {
    (void)entry;
    ++*(uint32_t *)context;
    return true;
}

/* A scan shows each item once: it begins when all are there. CAS values go on. */
Test(store_transfer, scans_and_cas) {
    struct store *from = fixture_store(4 * MIB);
    struct store *to = fixture_store(4 * MIB);
    struct store_item old, new;
    char text[16];
    uint64_t cursor = 0;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        image_key(i, text);
        cr_assert(eq(int, fixture_write(from, STORE_SET, text, "1", 5), STORE_OK));
    }
    cr_assert(eq(int, fixture_get(from, "key 999", 5, &old), STORE_OK));
    struct store_transfer *transfer = begin(&from, &to);
    cr_assert(store_scan(to, &cursor, 100, NOW, visit, &seen));
    cr_assert(eq(int, fixture_write(to, STORE_SET, "other", "1", NOW), STORE_OK));
    cr_assert(eq(int, fixture_get(to, "other", NOW, &new), STORE_OK));
    cr_assert(lt(u64, old.cas, new.cas));
    cr_assert(eq(u32, seen, 0));
    finish(transfer, &(struct store_side){&to, 1});
    while (store_scan(to, &cursor, 100, NOW, visit, &seen)) {
    }
    cr_assert(eq(u32, seen, 1001));
    store_destroy(from);
    store_destroy(to);
}

/* Memory of both sides: what has moved is given back before more comes, also where keys are moved
 * at random, and one of the new stores works less than the others. */
static void check_memory(uint32_t count, uint32_t length) {
    static const struct sizes old = {2, 24 * MIB, false}, same = {3, 16 * MIB, false};
    struct store *stores[2][3];
    struct store_side from = side_of(stores[0], &old), to = side_of(stores[1], &same);
    struct store_transfer *transfer;
    char text[16];
    uint32_t asked = 0;
    for (uint32_t i = 0; i < count; i++) {
        image_key(i, text);
        cr_assert(eq(int, fixture_set_bytes(owner_of(&from, i), text, length, 0, 5), STORE_OK));
    }
    cr_assert(eq(int, store_transfer_begin(&transfer, &from, &to, owner, NOW), 0));
    for (uint32_t i = 0; !store_transfer_is_done(transfer); i++) {
        uint32_t number = (uint32_t)fixture_mix(i) % count;
        image_key(number, text);
        asked += fixture_has(owner_of(&to, number), text, NOW);
        if (i % 20 < 2 || i % 100 == 50) {
            store_maintain(to.stores[i % 20 < 2 ? i % 20 : 2], NOW);
        }
        uint64_t bytes = atomic_load(&transfer->old_bytes);
        for (uint32_t j = 0; j < to.count; j++) {
            bytes += fixture_stats(to.stores[j]).memory_bytes;
        }
        cr_assert(le(u64, bytes, 48 * MIB / 10 * 11), "%llu", (unsigned long long)bytes >> 10);
    }
    store_transfer_end(transfer);
    cr_assert(lt(u32, count / 50, asked));
    side_destroy(&from);
    side_destroy(&to);
}

Test(store_transfer, memory_of_both) {
    check_memory(45000, 1000);
    check_memory(450, 100000);
}
