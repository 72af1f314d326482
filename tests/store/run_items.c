/* One random operation on one key, in the store and in the model. */
#include "store/limits.h"

#include "run.h"

void run_get(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_item shown;
    store_prefetch_bucket(run->store, key.hash);
    store_prefetch_item(run->store, key.hash);
    enum store_status status = store_get(run->store, &key, run->now, &shown);
    run_note_loss(run, item, (status == STORE_OK) == item->present);
    if (!item->present) {
        return;
    }
    run_check_item(run, item, &shown);
    run_lease(run, item, &shown);
    model_get(run->model, item);
}

/* Two neighbouring extents are together at least as long as the longest one, except for one pair.
 */
static uint32_t list_bytes_max(const struct run *run, const struct store_item *shown) {
    uint32_t extents = 2 + 2 * shown->value_length / store_extent_length_max(run->store);
    return shown->large == 0 ? 0 : 12 + extents * (12 + sizeof(struct item) + ITEM_ALIGN - 1);
}

static void do_peek(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_item shown, expected;
    enum store_status status = store_peek(run->store, &key, run->now, &shown);
    run_note_loss(run, item, (status == STORE_OK) == item->present);
    if (!item->present) {
        return;
    }
    run_check_item(run, item, &shown);
    model_show_state(run->model, item, &expected);
    run_check_state(run, &expected, &shown);
    CHECK(run, shown.bytes >= sizeof(struct item) + key.length + shown.value_length + 8);
    CHECK(run, shown.bytes <= sizeof(struct item) + 10 + key.length + shown.value_length +
                                  ITEM_ALIGN - 1 + 8 + list_bytes_max(run, &shown));
}

static void do_read(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_read read = {
        .no_bump = run_one_in(run, 3),
        .touch = run_one_in(run, 4),
        .expires = run_expires(run),
        .vivify = run_one_in(run, 3),
        .vivify_expires = run_expires(run),
        .recache = run_one_in(run, 3),
        .recache_expires = run->now + run_below(run, 40),
        .recache_after_touch = run_one_in(run, 2),
        .set_cas = run_one_in(run, 3),
        .new_cas = run_new_cas(run),
        .binary_key = run_one_in(run, 4),
    };
    struct store_item shown, expected;
    enum store_status status = store_read(run->store, &key, &read, run->now, &shown);
    if (run_is_refused(run, status, false)) {
        return;
    }
    if (status == STORE_NOT_FOUND && read.vivify && !item->present &&
        run_is_refused(run, STORE_NO_MEMORY, true)) {
        return;
    }
    bool present = status == STORE_OK && !(read.vivify && shown.cas != item->cas);
    run_note_loss(run, item, present == item->present);
    CHECK(run, status == (item->present || read.vivify ? STORE_OK : STORE_NOT_FOUND));
    if (status != STORE_OK) {
        return;
    }
    model_show_state(run->model, item, &expected);
    if (!item->present) {
        run_check_new_cas(run, read.set_cas, read.new_cas, shown.cas);
        expected.state = read.binary_key ? STORE_BINARY_KEY : 0;
    }
    if (model_read(run->model, item, &read, shown.cas)) {
        expected.state |= STORE_WON;
    }
    run_check_state(run, &expected, &shown);
    run_check_item(run, item, &shown);
    model_settle(run->model, item);
}

static bool will_be_large(const struct model_item *item, const struct store_write *write,
                          uint32_t inline_max) {
    bool join = write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
    uint32_t length = write->value_length;
    if (!join || !item->present) {
        return length > inline_max;
    }
    return item->large || item->value_length + length > inline_max;
}

struct store_write run_write(struct run *run, const struct model_item *item) {
    return (struct store_write){
        .mode = run_one_in(run, 2) ? STORE_SET : (enum store_mode)run_below(run, 5),
        .compare_cas = run_one_in(run, 4),
        .stale_if_older = run_one_in(run, 2),
        /* if the item was evicted, a new one could not be told from a longer number */
        .create = run_one_in(run, 2) && (!run->evicts || !item->present),
        .set_cas = run_one_in(run, 8),
        .binary_key = run_one_in(run, 4),
        .cas = run_cas(run, item),
        .new_cas = run_new_cas(run),
        .client_flags = run_one_in(run, 3) ? run_below(run, UINT32_MAX) : 0,
        .expires = run_expires(run),
        .create_expires = run_expires(run),
    };
}

/* A short value is large where it was written over a large one; or not large, although it came by
 * an upload, where that was received outside of the log. */
static void run_note_large(struct run *run, struct model_item *item) {
    struct store_key key = run_key(run, (uint32_t)(item - run->model->items));
    struct store_item shown;
    if (store_peek(run->store, &key, run->now, &shown) == STORE_OK) {
        item->large = shown.large != 0;
    }
}

void run_check_write(struct run *run, struct model_item *item, const struct store_write *write,
                     bool large, enum store_status status, uint64_t cas) {
    uint32_t number = (uint32_t)(item - run->model->items);
    uint32_t max = store_value_length_max(run->store, run_key(run, number).length);
    bool joins = write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
    bool may = joins || run_is_long_cas(write->set_cas, write->new_cas) ||
               !run_gives_back(run, item, write->value_length);
    if (run_is_refused(run, status, may)) {
        model_write(run->model, item, write, large, cas, status);
        return;
    }
    run_note_loss(run, item, status == model_expect_write(item, write, max));
    CHECK(run, status == model_expect_write(item, write, max));
    if (status == STORE_OK) {
        run_check_new_cas(run, write->set_cas, write->new_cas, cas);
    }
    model_write(run->model, item, write, large, cas, status);
    if (status == STORE_OK && run->store->config.no_eviction) {
        run_note_large(run, item);
    }
    model_settle(run->model, item);
}

static void do_write(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_write write = run_write(run, item);
    write.value = run->value;
    write.value_length = run_value(run);
    bool large = will_be_large(item, &write, store_inline_max(run->store, key.length));
    uint64_t cas = 0;
    enum store_status status = store_write(run->store, &key, &write, run->now, &cas);
    run_check_write(run, item, &write, large, status, cas);
}

static void do_delta(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_delta delta = {
        .delta = run_one_in(run, 3) ? fixture_mix(run->random) : run_below(run, 100),
        .decrement = run_one_in(run, 2),
        .compare_cas = run_one_in(run, 5),
        .cas = run_cas(run, item),
        .create = run_one_in(run, 4),
        .initial = run_initial(run),
        .expires = run_expires(run),
        .touch = run_one_in(run, 4),
        .touch_expires = run_expires(run),
        .set_cas = run_one_in(run, 4),
        .new_cas = run_new_cas(run),
        .binary_key = run_one_in(run, 4),
    };
    uint64_t result = 0, wanted = 0;
    struct store_item shown, expected;
    enum store_status status = store_delta(run->store, &key, &delta, run->now, &result, &shown);
    bool same = status == model_expect_delta(item, &delta, &wanted);
    char digits[32];
    uint32_t length = (uint32_t)sprintf(digits, "%llu", (unsigned long long)wanted);
    if (run_is_refused(run, status,
                       !item->present || length > item->value_length ||
                           run_is_long_cas(delta.set_cas, delta.new_cas))) {
        return;
    }
    run_note_loss(run, item, same && (status != STORE_OK || result == wanted));
    CHECK(run, status == model_expect_delta(item, &delta, &wanted));
    if (status != STORE_OK) {
        return;
    }
    CHECK(run, result == wanted);
    run_check_new_cas(run, delta.set_cas, delta.new_cas, shown.cas);
    model_show_state(run->model, item, &expected);
    if (!item->present) {
        expected.state = delta.binary_key ? STORE_BINARY_KEY : 0;
    }
    model_delta(run->model, item, &delta, result, shown.cas);
    run_check_state(run, &expected, &shown);
    run_check_item(run, item, &shown);
    model_settle(run->model, item);
}

static void do_touch(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_item shown;
    uint32_t expires = run_expires(run);
    enum store_status status = store_touch(run->store, &key, expires, run->now, &shown);
    if (run_is_refused(run, status, false)) {
        return;
    }
    run_note_loss(run, item, (status == STORE_OK) == item->present);
    if (!item->present) {
        return;
    }
    item->expires = expires;
    model_get(run->model, item);
    run_check_item(run, item, &shown);
    model_settle(run->model, item);
}

/* An item that stays is read for its CAS. */
static void check_stays(struct run *run, struct model_item *item, const struct store_key *key,
                        const struct store_removal *removal) {
    struct store_item shown;
    uint64_t cas_before = item->cas;
    model_delete(run->model, item, removal, item->cas);
    model_settle(run->model, item);
    enum store_status status = store_peek(run->store, key, run->now, &shown);
    CHECK(run, status == (item->present ? STORE_OK : STORE_NOT_FOUND));
    if (!item->present) {
        return;
    }
    if (removal->mark_stale || removal->set_cas) {
        run_check_new_cas(run, removal->set_cas, removal->new_cas, shown.cas);
    } else {
        CHECK(run, shown.cas == cas_before);
    }
    item->cas = shown.cas;
    run_check_item(run, item, &shown);
}

static void do_delete(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_removal removal = {
        .compare_cas = run_one_in(run, 4),
        .cas = run_cas(run, item),
        .mark_stale = run_one_in(run, 3),
        .empty = run_one_in(run, 4),
        .touch = run_one_in(run, 3),
        .expires = run_expires(run),
        .client_flags = run_one_in(run, 3) ? run_below(run, UINT32_MAX) : 0,
        .set_cas = run_one_in(run, 3),
        .new_cas = run_new_cas(run),
    };
    enum store_status status = store_delete(run->store, &key, &removal, run->now);
    if (run_is_refused(run, status,
                       run_is_long_cas(removal.set_cas, removal.new_cas) ||
                           !run_gives_back(run, item, 0))) {
        return;
    }
    run_note_loss(run, item, status == model_expect_delete(item, &removal));
    CHECK(run, status == model_expect_delete(item, &removal));
    if (status != STORE_OK) {
        return;
    }
    if (removal.mark_stale || removal.empty) {
        check_stays(run, item, &key, &removal);
    } else {
        model_forget(item);
    }
}

void run_operation(struct run *run) {
    static void (*const kinds[])(struct run *, uint32_t) = {
        run_get,  run_get,  run_get,  do_peek,   do_read,  do_read,  do_read,
        do_write, do_write, do_write, do_write,  do_write, do_write, do_write,
        do_delta, do_delta, do_touch, do_delete, do_delete};
    uint32_t number = run_below(run, run->model->keys);
    model_begin(run->model, run->now);
    kinds[run_below(run, sizeof(kinds) / sizeof(kinds[0]))](run, number);
    if (run_one_in(run, 3)) {
        do_peek(run, number);
    }
}
