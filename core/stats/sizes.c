#include "core/stats/sizes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stats/writer.h"
#include "proto/reply.h"

/* The size counted includes the index entry, so an item may exceed item_bytes_max by that. */
#define CLASSES_EXTRA 2

#define FINE_CLASSES (SIZES_FINE_BYTES_MAX / SIZES_CLASS_BYTES)

static uint32_t sizes_round_up(uint64_t bytes, uint32_t unit) {
    return (uint32_t)((bytes + unit - 1) / unit);
}

static uint32_t sizes_class_of(uint64_t bytes) {
    if (bytes <= SIZES_FINE_BYTES_MAX) {
        return sizes_round_up(bytes, SIZES_CLASS_BYTES);
    }
    return FINE_CLASSES + sizes_round_up(bytes - SIZES_FINE_BYTES_MAX, SIZES_COARSE_CLASS_BYTES);
}

/* The largest size in a class. */
static uint64_t sizes_bytes_of(uint32_t size_class) {
    if (size_class <= FINE_CLASSES) {
        return (uint64_t)size_class * SIZES_CLASS_BYTES;
    }
    return SIZES_FINE_BYTES_MAX + (uint64_t)(size_class - FINE_CLASSES) * SIZES_COARSE_CLASS_BYTES;
}

void sizes_chunk_init(struct sizes_chunk *chunk) {
    memset(chunk, 0, sizeof(*chunk));
}

bool sizes_visit(void *context, const struct store_entry *entry) {
    struct sizes_chunk *chunk = context;
    uint32_t size_class = sizes_class_of(entry->item.bytes);
    uint32_t at = size_class % SIZES_CHUNK_SLOTS;
    while (chunk->slots[at].items > 0 && chunk->slots[at].size_class != size_class) {
        at = (at + 1) % SIZES_CHUNK_SLOTS;
    }
    struct sizes_slot *slot = &chunk->slots[at];
    if (slot->items == 0) {
        if (chunk->classes == SIZES_CHUNK_CLASSES_MAX) {
            return false;
        }
        chunk->classes++;
        slot->size_class = size_class;
    }
    slot->items++;
    return true;
}

struct sizes_histogram *sizes_create(uint64_t item_bytes_max) {
    uint32_t classes = sizes_class_of(item_bytes_max) + CLASSES_EXTRA;
    struct sizes_histogram *histogram =
        calloc(1, sizeof(*histogram) + classes * sizeof(histogram->items[0]));
    if (histogram) {
        histogram->classes = classes;
    }
    return histogram;
}

void sizes_add(struct sizes_histogram *histogram, const struct sizes_chunk *chunk) {
    assert(chunk->classes <= SIZES_CHUNK_CLASSES_MAX);
    for (uint32_t i = 0; i < SIZES_CHUNK_SLOTS; i++) {
        const struct sizes_slot *slot = &chunk->slots[i];
        uint32_t last = histogram->classes - 1;
        histogram->items[slot->size_class < last ? slot->size_class : last] += slot->items;
    }
}

/* Of the lines, without the end of the list. */
static size_t sizes_answer_bytes(const struct request *request,
                                 const struct sizes_histogram *histogram) {
    char frame[REPLY_STAT_MAX];
    size_t bytes = 0, frame_bytes = reply_stat(frame, request, "", "");
    for (uint32_t i = 0; i < histogram->classes; i++) {
        if (histogram->items[i] > 0) {
            bytes +=
                frame_bytes + stats_digits(sizes_bytes_of(i)) + stats_digits(histogram->items[i]);
        }
    }
    return bytes;
}

bool sizes_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct sizes_histogram *histogram) {
    struct stats_writer writer = {.pool = pool, .output = output, .request = request};
    size_t bytes = sizes_answer_bytes(request, histogram);
    if (!buffer_reserve_long(pool, output, bytes + REPLY_STAT_MAX)) {
        return false;
    }
    for (uint32_t i = 0; i < histogram->classes; i++) {
        char name[sizeof("18446744073709551615")];
        if (histogram->items[i] == 0) {
            continue;
        }
        snprintf(name, sizeof(name), "%" PRIu64, sizes_bytes_of(i));
        stats_put_number(&writer, name, histogram->items[i]);
    }
    stats_put_end(&writer);
    assert(!writer.failed);
    return true;
}
