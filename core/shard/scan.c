#include "core/shard/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/stats/command.h"
#include "core/stats/sizes.h"
#include "proto/classes.h"
#include "proto/reply.h"

enum scan_kind scan_kind_of(const struct request *request) {
    if (request->op == OP_METADUMP) {
        return SCAN_METADUMP;
    }
    if (request->op == OP_MGDUMP) {
        return SCAN_MGDUMP;
    }
    if (request->op != OP_STATS) {
        return SCAN_NONE;
    }
    switch (stats_group_of(request)) {
    case STATS_CACHEDUMP:
        return SCAN_CACHEDUMP;
    case STATS_SIZES:
        return SCAN_SIZES;
    case STATS_CONNS:
        return SCAN_CONNECTIONS;
    case STATS_DETAIL_DUMP:
        return SCAN_PREFIXES;
    default:
        return SCAN_NONE;
    }
}

static bool is_dump(const struct request *request) {
    return request->op == OP_METADUMP || request->op == OP_MGDUMP;
}

const char *scan_refusal(const struct shard *shard, const struct request *request, bool datagram) {
    if (datagram && is_dump(request)) {
        return reply_error_line(request->op == OP_METADUMP ? PROTO_ERROR_METADUMP
                                                           : PROTO_ERROR_MGDUMP);
    }
    if (!is_dump(request)) {
        return NULL;
    }
    if (!shard->settings.lru_crawler) {
        return reply_error_line(PROTO_ERROR_CRAWLER_DISABLED);
    }
    return classes_of(request) == CLASSES_BAD ? reply_error_line(PROTO_ERROR_CLASSES) : NULL;
}

/* The asking shard's part. */

static bool scan_put(struct shard *shard, struct buffer *output, const char *bytes, size_t length) {
    return buffer_append(&shard->buffers, output, bytes, length);
}

#define PUT(shard, output, literal) scan_put((shard), (output), (literal), sizeof(literal) - 1)

static uint64_t cachedump_limit(const struct request *request) {
    uint32_t items_max = stats_command_of(request).items_max;
    return items_max ? items_max : UINT64_MAX;
}

struct scan *scan_start(struct shard *shard, const struct request *request, struct buffer *output) {
    struct scan *scan = calloc(1, sizeof(*scan));
    if (!scan) {
        return NULL;
    }
    scan->kind = scan_kind_of(request);
    scan->lines_left = UINT64_MAX;
    bool made = true;
    if (is_dump(request)) {
        made = PUT(shard, output, REPLY_DUMP_BEGIN);
    } else if (scan->kind == SCAN_SIZES) {
        made = (scan->sizes = sizes_create(shard->facts->config->item_bytes_max));
    } else if (scan->kind == SCAN_PREFIXES) {
        prefix_table_init(&scan->prefixes, shard->keys.prefixes.delimiter, PREFIX_SUM_MAX);
    } else if (scan->kind == SCAN_CACHEDUMP) {
        scan->lines_left = cachedump_limit(request);
    }
    if (is_dump(request) && classes_of(request) == CLASSES_OTHER) {
        scan->shard = shard->count; /* there is nothing in those */
    }
    if (made) {
        return scan;
    }
    scan_free(scan);
    return NULL;
}

void scan_free(struct scan *scan) {
    if (!scan) {
        return;
    }
    free(scan->sizes);
    prefix_table_finish(&scan->prefixes);
    free(scan);
}

bool scan_waits(const struct scan *scan, const struct shard *shard) {
    const struct memory_file_progress *file = shard->facts->file;
    bool of_items = scan->kind != SCAN_CONNECTIONS && scan->kind != SCAN_PREFIXES;
    return of_items && file && atomic_load_explicit(&file->left, memory_order_relaxed) != 0;
}

/* Adds the lines of a chunk, as many as are left of the client's limit. */
static bool take_lines(struct scan *scan, struct shard *shard, const struct chunk *chunk,
                       struct buffer *output) {
    const char *end = chunk->bytes;
    while (scan->lines_left > 0 && end < chunk->bytes + chunk->length) {
        const char *newline = memchr(end, '\n', chunk->length - (size_t)(end - chunk->bytes));
        end = newline + 1;
        scan->lines_left--;
    }
    return scan_put(shard, output, chunk->bytes, (size_t)(end - chunk->bytes));
}

static bool take_bytes(struct scan *scan, struct shard *shard, const struct chunk *chunk,
                       struct buffer *output) {
    if (chunk->length == 0) {
        return true;
    }
    switch (scan->kind) {
    case SCAN_METADUMP:
    case SCAN_MGDUMP:
    case SCAN_CONNECTIONS:
        return scan_put(shard, output, chunk->bytes, chunk->length);
    case SCAN_CACHEDUMP:
        return take_lines(scan, shard, chunk, output);
    case SCAN_SIZES:
        sizes_add(scan->sizes, (const void *)chunk->bytes);
        return true;
    case SCAN_PREFIXES:
        prefix_table_merge(&scan->prefixes, chunk->bytes, chunk->length);
        return true;
    case SCAN_NONE:
        break;
    }
    assert(!"a scan of no kind");
    return false;
}

bool scan_take(struct scan *scan, struct shard *shard, const struct chunk *chunk, uint64_t cursor,
               bool more, struct buffer *output) {
    scan->cursor = cursor;
    if (!more) {
        scan->shard++;
        scan->cursor = 0;
    }
    bool taken = take_bytes(scan, shard, chunk, output);
    if (scan->lines_left == 0) {
        scan->shard = shard->count;
    }
    return taken;
}

bool scan_end(struct scan *scan, struct shard *shard, const struct request *request,
              struct buffer *output) {
    switch (scan->kind) {
    case SCAN_MGDUMP:
        return PUT(shard, output, REPLY_MGDUMP_END);
    case SCAN_SIZES:
        return sizes_write(&shard->buffers, output, request, scan->sizes);
    case SCAN_PREFIXES:
        return prefix_table_write(&shard->buffers, output, request, &scan->prefixes);
    case SCAN_METADUMP:
    case SCAN_CACHEDUMP:
    case SCAN_CONNECTIONS:
        break;
    case SCAN_NONE:
        assert(!"a scan of no kind");
    }
    return PUT(shard, output, REPLY_LIST_END);
}

/* The scanned shard's part. */

struct item_visit {
    enum scan_kind kind;
    const struct shard *shard;
    int64_t tick_0_ns; /* Unix time of the store's tick 0 */
    struct chunk *chunk;
};

static struct item_line line_of(const struct item_visit *visit, const struct store_entry *entry) {
    const struct store_item *item = &entry->item;
    return (struct item_line){
        .key = entry->key,
        .key_length = entry->key_length,
        .binary_key = item->state & STORE_BINARY_KEY,
        .fetched = item->state & STORE_FETCHED,
        .exptime = item->expires ? clock_unix_of_tick(visit->tick_0_ns, item->expires) : -1,
        .last_access = clock_unix_of_tick(visit->tick_0_ns, item->access),
        .cas = item->cas,
        .bytes = item->bytes,
        .value_length = item->value_length,
        .client_flags = item->client_flags,
    };
}

static bool visit_line(void *context, const struct store_entry *entry) {
    const struct item_visit *visit = context;
    struct chunk *chunk = visit->chunk;
    if (!chunk_has_space(chunk, REPLY_ITEM_LINE_MAX)) {
        return false;
    }
    struct item_line line = line_of(visit, entry);
    char *out = chunk->bytes + chunk->length;
    if (visit->kind == SCAN_METADUMP) {
        chunk->length += reply_metadump_line(out, &line);
    } else if (visit->kind == SCAN_MGDUMP) {
        chunk->length += reply_mgdump_line(out, &line);
    } else {
        chunk->length += reply_cachedump_line(out, &line);
    }
    return true;
}

static bool fill_sizes(struct shard *shard, uint64_t *cursor, struct chunk *chunk) {
    _Static_assert(sizeof(struct sizes_chunk) <= MESSAGE_VALUE_BYTES_MAX, "it fits a message");
    struct sizes_chunk *sizes = (void *)chunk->bytes;
    chunk->length = sizeof(*sizes);
    sizes_chunk_init(sizes);
    return store_scan(shard->keys.store, cursor, SCAN_SLICE_ITEMS, shard->keys.now, sizes_visit,
                      sizes);
}

static bool fill_prefixes(const struct shard *shard, uint64_t *cursor, struct chunk *chunk) {
    uint32_t entry = (uint32_t)*cursor;
    chunk->length =
        prefix_table_encode(&shard->keys.prefixes, &entry, chunk->bytes, chunk->capacity);
    *cursor = entry;
    return chunk->length > 0;
}

bool scan_fill(struct shard *shard, const struct request *request, uint64_t *cursor,
               struct chunk *chunk) {
    if (shard->scan_slices == SCAN_SLICES_PER_TURN) {
        return true;
    }
    shard->scan_slices++;
    struct item_visit visit = {
        .kind = scan_kind_of(request),
        .shard = shard,
        .tick_0_ns = clock_unix_of_tick_0(shard->keys.clock, shard->facts->start_boot_ns),
        .chunk = chunk,
    };
    if (visit.kind == SCAN_CONNECTIONS) {
        return shard->hooks->list_connections(shard->reactor, request, cursor, chunk);
    }
    if (visit.kind == SCAN_PREFIXES) {
        return fill_prefixes(shard, cursor, chunk);
    }
    if (visit.kind == SCAN_SIZES) {
        return fill_sizes(shard, cursor, chunk);
    }
    return store_scan(shard->keys.store, cursor, SCAN_SLICE_ITEMS, shard->keys.now, visit_line,
                      &visit);
}
