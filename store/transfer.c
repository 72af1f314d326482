#include "store/transfer.h"

#include "store/image.h"
#include "store/lifetime.h"
#include "store/memory.h"
#include "store/transfer_view.h"

#include <errno.h>
#include <stdlib.h>

/* What both sides may take together, to what the larger one may: 1.1 times that. */
#define TRANSFER_BYTES(most) ((most) / 10 * 11)

/* Numbers the segments of a queue from its oldest on. */
static void source_add_queue(struct transfer_source *source, enum segment_queue_name name) {
    const struct segment_log *log = &source->store->log;
    for (uint32_t number = log->queues[name].oldest; number != 0;
         number = log->segments[number].newer) {
        source->order[source->count++] = number;
    }
}

static void source_reverse(struct transfer_source *source) {
    for (uint32_t i = 0; i < source->count / 2; i++) {
        uint32_t number = source->order[i];
        source->order[i] = source->order[source->count - 1 - i];
        source->order[source->count - 1 - i] = number;
    }
}

static bool source_init(struct transfer_source *source, struct store *store,
                        bool most_wanted_first) {
    const struct segment_log *log = &store->log;
    source->store = store;
    source->order = calloc(log->touched + 1u, sizeof(*source->order));
    source->rank = calloc(log->touched + 1u, sizeof(*source->rank));
    source->waiting = calloc(log->touched + 1u, sizeof(*source->waiting));
    source->unwalked = calloc(log->touched + 1u, sizeof(*source->unwalked));
    if (!source->order || !source->rank || !source->waiting || !source->unwalked) {
        return false;
    }
    source_add_queue(source, SEGMENT_SMALL);
    source_add_queue(source, SEGMENT_MAIN);
    assert(source->count == log->segments_used);
    if (most_wanted_first) {
        source_reverse(source);
    }
    for (uint32_t i = 0; i < source->count; i++) {
        source->rank[source->order[i]] = i;
    }
    uint32_t window = source->count / TRANSFER_WINDOW_PART;
    source->window = window < TRANSFER_WINDOW_MIN ? TRANSFER_WINDOW_MIN : window;
    return true;
}

/* Which sources have items of a new store: who owns them depends on bits 48 to 63 of their hash. */
static void view_find_sources(struct transfer_view *view) {
    const struct store_transfer *transfer = view->transfer;
    for (uint32_t i = 0; i < transfer->count; i++) {
        view->places[i].next = transfer->sources[i].count;
    }
    for (uint64_t bits = 0; bits <= UINT16_MAX; bits++) {
        uint64_t hash = bits << 48;
        if (transfer->owner(hash, transfer->shards) == view->shard) {
            view->places[transfer->owner(hash, transfer->count)].next = 0;
            view->places[transfer->owner(hash, transfer->count)].overlaps = true;
        }
    }
}

static bool view_init(struct transfer_view *view, struct store_transfer *transfer,
                      const struct store *store, uint32_t shard) {
    *view = (struct transfer_view){
        .transfer = transfer,
        .shard = shard,
        .is_void = store->image && store->image->transfer_void,
        .places = calloc(transfer->count, sizeof(*view->places)),
    };
    if (!view->places) {
        return false;
    }
    view_find_sources(view);
    for (uint32_t i = 0; i < transfer->count; i++) {
        const struct transfer_source *source = &transfer->sources[i];
        view->places[i].passed = calloc(source->count + 1u, sizeof(bool));
        if (!view->places[i].passed) {
            return false;
        }
        for (uint32_t rank = view->places[i].next; rank < source->count; rank++) {
            atomic_fetch_add_explicit(&source->waiting[rank], 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&source->unwalked[rank], 1, memory_order_relaxed);
        }
    }
    return true;
}

/* Rules of prefixes whose time is to come, and that they have gone over. */
static void transfer_prefixes(struct store *from, const struct store_side *to, uint32_t now) {
    struct store_prefixes *prefixes = &from->prefixes;
    for (uint32_t i = 0; i < prefixes->end; i++) {
        const struct prefix_rule rule = prefixes->rules[i];
        if (rule.length == 0 || rule.sequence != 0) {
            continue;
        }
        char text[ITEM_KEY_LENGTH_MAX];
        memcpy(text, prefixes->texts[i], rule.length);
        for (uint32_t j = 0; j < to->count; j++) {
            store_flush_prefix(to->stores[j], text, rule.length, rule.at, now);
        }
        store_order();
        /* One that covers nothing takes its place. */
        prefixes_add(prefixes, from->image, text, rule.length, 1, 0);
    }
}

/* What the stores know beside their items: CAS values go on, and so do flushes that are to come.
 * What has come due is carried out in the old store. */
static void transfer_state(struct store *from, const struct store_side *to, uint32_t now) {
    store_begin_operation(from, now);
    for (uint32_t i = 0; i < to->count; i++) {
        struct store *store = to->stores[i];
        store_raise_cas(store, from->cas_counter * from->config.shards + from->config.shard);
        if (from->flush_at != 0) {
            store_flush(store, from->flush_at, now);
        }
    }
    /* So that it is not handed on again, when this is killed, over what clients have asked for
     * meanwhile. */
    store_order();
    from->flush_at = 0;
    if (from->image) {
        from->image->state.flush_at = 0;
    }
    transfer_prefixes(from, to, now);
}

static uint64_t transfer_sum_bounds(const struct store_side *side) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < side->count; i++) {
        bytes += side->stores[i]->wanted_bytes;
    }
    return bytes;
}

static bool transfer_init(struct store_transfer *transfer, const struct store_side *from,
                          const struct store_side *to) {
    uint64_t old_bytes = 0, old_bound = transfer_sum_bounds(from), bound = transfer_sum_bounds(to);
    transfer->sources = calloc(from->count, sizeof(*transfer->sources));
    transfer->views = calloc(to->count, sizeof(*transfer->views));
    if (!transfer->sources || !transfer->views) {
        return false;
    }
    transfer->count = from->count;
    transfer->shards = to->count;
    for (uint32_t i = 0; i < from->count; i++) {
        struct store *store = from->stores[i];
        if (!source_init(&transfer->sources[i], store, to->stores[0]->config.no_eviction)) {
            return false;
        }
        transfer->items += store->index.entries;
        old_bytes += store_memory_bytes(store);
    }
    for (uint32_t i = 0; i < to->count; i++) {
        if (!view_init(&transfer->views[i], transfer, to->stores[i], i)) {
            return false;
        }
    }
    transfer->bytes_max = TRANSFER_BYTES(old_bound > bound ? old_bound : bound);
    atomic_init(&transfer->old_bytes, old_bytes);
    atomic_init(&transfer->left, transfer->items);
    atomic_init(&transfer->working, transfer->shards);
    return true;
}

int store_transfer_begin(struct store_transfer **result, const struct store_side *from,
                         const struct store_side *to, store_owner *owner, uint32_t now) {
    assert(from->count > 0);
    assert(to->count > 0);
    struct store_transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        transfer_state(from->stores[i], to, now);
    }
    transfer->owner = owner;
    if (!transfer_init(transfer, from, to)) {
        store_transfer_end(transfer);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < to->count; i++) {
        to->stores[i]->transfer = &transfer->views[i];
        store_renew_bound(to->stores[i]);
    }
    *result = transfer;
    return 0;
}

void store_transfer_end(struct store_transfer *transfer) {
    if (!transfer) {
        return;
    }
    for (uint32_t i = 0; transfer->sources && i < transfer->count; i++) {
        free(transfer->sources[i].order);
        free(transfer->sources[i].rank);
        free((void *)transfer->sources[i].waiting);
        free((void *)transfer->sources[i].unwalked);
    }
    for (uint32_t i = 0; transfer->views && i < transfer->shards; i++) {
        struct transfer_place *places = transfer->views[i].places;
        for (uint32_t j = 0; places && j < transfer->count; j++) {
            free(places[j].passed);
        }
        free(places);
    }
    free(transfer->sources);
    free(transfer->views);
    free(transfer);
}

bool store_transfer_is_done(const struct store_transfer *transfer) {
    return atomic_load_explicit(&transfer->working, memory_order_acquire) == 0;
}

void store_transfer_read(const struct store_transfer *transfer,
                         struct store_transfer_progress *progress) {
    *progress = (struct store_transfer_progress){
        .items = transfer->items,
        .moved = atomic_load_explicit(&transfer->moved, memory_order_relaxed),
        .lost = atomic_load_explicit(&transfer->lost, memory_order_relaxed),
        .left = atomic_load_explicit(&transfer->left, memory_order_relaxed),
    };
}
