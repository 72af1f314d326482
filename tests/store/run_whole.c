/* Random operations on the whole store: scans in slices, flushes, new bounds on memory. */
#include "store/memory.h"

#include "run.h"

struct slice {
    struct run *run;
    uint32_t visits;
    uint32_t visits_max;
};

/* Whether hashes differ in so few bits that several keys have the same position, which a scan
 * visits together. */
static bool scan_groups(const struct run *run) {
    return run->hashing != HASH_GOOD;
}

static bool scan_visit(void *context, const struct store_entry *entry) {
    struct slice *slice = context;
    struct run *run = slice->run;
    struct model_item *item = &run->model->items[run_number(entry)];
    struct store_item expected;
    if (slice->visits == slice->visits_max) {
        return false;
    }
    slice->visits++;
    run->seen[run_number(entry)].times++;
    CHECK(run, item->present);
    CHECK(run, entry->key_length == run_key(run, run_number(entry)).length);
    CHECK(run, memcmp(entry->key, run->key_bytes, entry->key_length) == 0);
    run_check_item(run, item, &entry->item);
    model_show_state(run->model, item, &expected);
    run_check_state(run, &expected, &entry->item);
    return true;
}

static void scan_begins(struct run *run) {
    for (uint32_t i = 0; i < run->model->keys; i++) {
        const struct model_item *item = &run->model->items[i];
        run->seen[i] = (struct run_seen){0, item->present, item->deaths, item->cas};
    }
}

/* Whether the item was there during the whole scan. In a store that evicts, an item may have been
 * evicted and stored again: only one that was not written meanwhile counts. It may also be evicted
 * by now, which a get tells. */
static bool was_there(const struct run *run, uint32_t number) {
    const struct model_item *item = &run->model->items[number];
    const struct run_seen *seen = &run->seen[number];
    return item->present && seen->present && seen->deaths == item->deaths &&
           (!run->evicts || seen->cas == item->cas);
}

static void scan_ends(struct run *run) {
    run->scans++;
    for (uint32_t i = 0; i < run->model->keys; i++) {
        CHECK(run, run->seen[i].times <= 1);
        bool missed = run->seen[i].times == 0 && was_there(run, i);
        if (missed || run_one_in(run, 5)) {
            run_get(run, i);
        }
        CHECK(run, !missed || !was_there(run, i));
    }
}

void run_scan(struct run *run) {
    uint32_t items_max = 1 + run_below(run, 100);
    struct slice slice = {.run = run, .visits_max = UINT32_MAX};
    if (!scan_groups(run) && run_one_in(run, 3)) {
        slice.visits_max = run_below(run, 20);
    }
    model_begin(run->model, run->now);
    if (run->scan_cursor == 0) {
        scan_begins(run);
    }
    bool more = store_scan(run->store, &run->scan_cursor, items_max, run->now, scan_visit, &slice);
    CHECK(run, scan_groups(run) || slice.visits <= items_max);
    CHECK(run, more || run->scan_cursor == 0);
    if (!more) {
        scan_ends(run);
    }
}

void run_crawl(struct run *run) {
    uint32_t items_max = 1 + run_below(run, 100);
    uint64_t checked = 0, reclaimed = 0;
    uint64_t entries = run->store->index.entries;
    bool more =
        store_crawl(run->store, &run->crawl_cursor, items_max, run->now, &checked, &reclaimed);
    CHECK(run, more || run->crawl_cursor == 0);
    CHECK(run, scan_groups(run) || checked <= items_max);
    CHECK(run, reclaimed <= checked);
    CHECK(run, entries - run->store->index.entries == reclaimed);
}

void run_flush(struct run *run) {
    uint32_t at = run_one_in(run, 2) ? run->now : run->now + run_below(run, 20);
    store_flush(run->store, at, run->now);
    model_flush(run->model, at);
    if (at <= run->now) {
        CHECK(run, fixture_stats(run->store).items == 0);
    }
}

/* Of one byte, of a few, of a whole key, or beyond it; now and then one that is there. */
static uint32_t make_prefix(struct run *run, char *prefix) {
    uint32_t length = run_key_bytes(run_below(run, run->model->keys), prefix);
    switch (run_below(run, 4)) {
    case 0:
        return 1;
    case 1:
        return 1 + run_below(run, length);
    case 2:
        prefix[length] = 'x';
        return length < 250 ? length + 1 : length;
    }
    return length;
}

/* Where many rules are there already a flush by a prefix may be refused. */
void run_flush_prefix(struct run *run) {
    char prefix[251];
    uint32_t length = make_prefix(run, prefix);
    uint32_t at = run_one_in(run, 2) ? run->now : run->now + run_below(run, 20);
    uint32_t before = store_prefixes(run->store);
    model_begin(run->model, run->now);
    if (store_flush_prefix(run->store, prefix, length, at, run->now)) {
        model_flush_prefix(run->model, prefix, length, at);
        CHECK(run, store_prefixes(run->store) <= STORE_PREFIXES_MAX);
        CHECK(run, store_flushes_prefixes(run->store) || at > run->now);
    } else {
        run->prefixes_refused++;
        CHECK(run, before == STORE_PREFIXES_MAX);
    }
}

void run_resize(struct run *run) {
    size_t max = run->store->config.memory_bytes_max;
    size_t bytes = MIB + run_below(run, (uint32_t)(max - MIB + 1));
    CHECK(run, store_resize(run->store, bytes) == 0);
    struct store_stats stats = fixture_stats(run->store);
    CHECK(run, stats.memory_bytes_max == bytes);
    run->memory_bytes_last = stats.memory_bytes + store_memory_slack(run->store);
    if (run->memory_bytes_last < bytes) {
        run->memory_bytes_last = bytes;
    }
}

/* After the bound was lowered, the memory in use never grows, and falls to the bound in the end. */
void run_maintain(struct run *run) {
    bool more = store_maintain(run->store, run->now);
    struct store_stats stats = fixture_stats(run->store);
    CHECK(run, run->memory_bytes_last == 0 || stats.memory_bytes <= run->memory_bytes_last);
    CHECK(run, more || stats.memory_bytes <= stats.memory_bytes_max);
}
