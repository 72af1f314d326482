/* Leases: large values that stay where they are while they are being sent.
 *
 * The head counts its leases. The first one pins the segments of head and extents, the last one
 * unpins them, and frees those in which nothing lives any more. A handle is the position of the
 * list, in bytes from the start of the log, and not that of the head: another thread that reads the
 * value must not read the item's bits, which the owner may change meanwhile.
 */
#include "store/large.h"
#include "store/limits.h"

static struct item_list *lease_list(const struct store *store, uint64_t large) {
    assert(large != 0);
    return (void *)(store->log.base + large);
}

static uint32_t lease_head_segment(const struct store *store, uint64_t large) {
    return segment_of(&store->log, large / ITEM_ALIGN);
}

/* When there is no other lease, one is always granted: so readers of large values make progress,
 * one after the other. */
static bool lease_is_allowed(const struct store *store, const struct item_list *list) {
    return store->leases == 0 ||
           (store->leased_bytes + list->bytes <= store->bound_bytes / STORE_LEASES_PART &&
            !store_pins_exhausted(store));
}

bool store_lease(struct store *store, uint64_t large) {
    struct item_list *list = lease_list(store, large);
    if (list->leases == 0) {
        if (!lease_is_allowed(store, list)) {
            return false;
        }
        segment_pin(&store->log, lease_head_segment(store, large));
        store_pin_extents(store, list);
        store->leased_bytes += list->bytes;
    }
    list->leases++;
    store->leases++;
    return true;
}

void store_lease_end(struct store *store, uint64_t large) {
    struct item_list *list = lease_list(store, large);
    assert(list->leases > 0 && store->leases > 0);
    store->leases--;
    list->leases--;
    if (list->leases != 0) {
        return;
    }
    store->leased_bytes -= list->bytes;
    store_unpin_extents(store, list);
    segment_unpin(&store->log, lease_head_segment(store, large));
}

uint32_t store_lease_read(const struct store *store, uint64_t large, uint32_t offset,
                          const char **bytes) {
    const struct item_list *list = lease_list(store, large);
    uint32_t i = store_list_find(list, offset);
    uint32_t start = i == 0 ? 0 : list->extents[i - 1].end;
    uint32_t end = list->extents[i].end;
    assert(offset >= start && offset < end);
    *bytes = segment_item(&store->log, list->extents[i].location)->body + (offset - start);
    return end - offset;
}
