#include "store/lifetime.h"

#include "store/transfer_view.h"

/* What depends on the flushes and rules that there are. */
static void flush_note(struct store *store) {
    uint64_t newest = prefixes_newest(&store->prefixes);
    uint32_t due = prefixes_due(&store->prefixes);
    store->flush_newest = newest > store->flush_sequence ? newest : store->flush_sequence;
    store->due_at =
        store->flush_at != 0 && (due == 0 || store->flush_at < due) ? store->flush_at : due;
}

/* What is in old stores yet is gone, too, also after a kill. */
static void lifetime_flush_old(struct store *store) {
    if (store->image) {
        store->image->transfer_void = 1;
        store_order();
    }
    store->transfer->is_void = true;
}

/* All open segments are closed first, so that the watermark separates what was stored before the
 * flush from what is stored after it in the same tick. Rules in force cover nothing any more. */
static void flush_all_now(struct store *store) {
    if (store->transfer) {
        lifetime_flush_old(store);
    }
    segment_seal_all(&store->log);
    store->flush_sequence = store->log.sequence_next;
    if (store->image) {
        store->image->state.flushed_at = store->now;
        store_order();
        store->image->state.flush_sequence = store->flush_sequence;
        store_order();
        store->image->state.flush_at = 0;
    }
    prefixes_end(&store->prefixes, store->image, false);
    store->emptying.how = EMPTYING_FLUSHED; /* applies to the segment being emptied, if any */
    store->flush_at = 0;
    store->flushed_at = store->now;
    store_note_expires(store, store->now); /* there are dead items: a crawl is worth its while */
    memset(store->items, 0, sizeof(store->items));
    memset(store->item_bytes, 0, sizeof(store->item_bytes));
    flush_note(store);
}

/* What the rules cover that are about to be in force is dropped in old stores first: these rules
 * are not kept until all has moved. */
static void lifetime_drop_old_due(struct store *store) {
    const struct store_prefixes *prefixes = &store->prefixes;
    for (uint32_t i = 0; store->transfer && i < prefixes->end; i++) {
        const struct prefix_rule *rule = &prefixes->rules[i];
        if (rule->length != 0 && rule->sequence == 0 && rule->at <= store->now) {
            transfer_drop_prefix(store, prefixes->texts[i], rule->length);
        }
    }
}

__attribute__((noinline, cold)) void store_flush_due(struct store *store) {
    if (store->flush_at != 0 && store->now >= store->flush_at) {
        flush_all_now(store);
    }
    if (store->due_at != 0 && store->now >= store->due_at) {
        lifetime_drop_old_due(store);
        segment_seal_all_filled(&store->log);
        prefixes_put_in_force(&store->prefixes, store->image, store->now, store->log.sequence_next);
        flush_note(store);
    }
}

void store_flush(struct store *store, uint32_t at, uint32_t now) {
    store_begin_operation(store, now);
    if (at <= now) {
        flush_all_now(store);
        return;
    }
    store->flush_at = at;
    if (store->image) {
        store->image->state.flush_at = at;
    }
    flush_note(store);
}

/* All open segments are closed, those that gather items, too: with what is gathered later they
 * would pass for younger. A process that is killed between the two leaves a rule that opening the
 * image carries out. */
bool store_flush_prefix(struct store *store, const char *prefix, uint32_t length, uint32_t at,
                        uint32_t now) {
    assert(length >= 1 && length <= ITEM_KEY_LENGTH_MAX);
    store_begin_operation(store, now);
    bool at_once = at <= now;
    if (at_once && store->transfer) {
        transfer_drop_prefix(store, prefix, length);
    }
    bool added = prefixes_add(&store->prefixes, store->image, prefix, length,
                              at_once ? store->log.sequence_next : 0, at_once ? 0 : at);
    if (added && at_once) {
        segment_seal_all_filled(&store->log);
    }
    flush_note(store);
    return added;
}

bool store_flushes_prefixes(const struct store *store) {
    return store->prefixes.in_force != 0;
}

uint32_t store_prefixes(const struct store *store) {
    return store->prefixes.count;
}

void store_flush_restored(struct store *store) {
    flush_note(store);
    if (store->log.sequence_next < store->flush_newest) {
        store->log.sequence_next = store->flush_newest;
    }
}

void store_flush_recovered(struct store *store) {
    prefixes_end(&store->prefixes, store->image, false);
    flush_note(store);
}

void store_flush_crawl_begins(struct store *store) {
    prefixes_note_crawl(&store->prefixes);
}

void store_flush_crawl_ends(struct store *store) {
    prefixes_end(&store->prefixes, store->image, true);
    flush_note(store);
}

__attribute__((noinline, cold)) bool store_flush_covers(const struct store *store,
                                                        uint64_t sequence, const char *key,
                                                        uint32_t key_length) {
    return sequence < store->flush_sequence ||
           prefixes_cover(&store->prefixes, key, key_length, sequence);
}

__attribute__((noinline, cold)) bool store_flush_covers_item(const struct store *store,
                                                             uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    return store_flush_covers(store, store_sequence_of(store, location), item_key(item),
                              item->key_length);
}

uint32_t store_next_flush(const struct store *store) {
    return store->due_at;
}

uint32_t store_expires_soonest(const struct store *store) {
    return store->crawl_unfinished ? 0 : store->expires_soonest;
}
