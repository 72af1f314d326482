#include "core/shard/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/shard/admin.h"
#include "core/stats/command.h"
#include "core/stats/sizes.h"

enum walk_kind walk_kind_of(const struct request *request) {
    if (request->op == OP_METADUMP) {
        return WALK_METADUMP;
    }
    if (request->op == OP_MGDUMP) {
        return WALK_MGDUMP;
    }
    if (request->op != OP_STATS) {
        return WALK_NONE;
    }
    switch (stats_group_of(request)) {
    case STATS_CACHEDUMP:
        return WALK_CACHEDUMP;
    case STATS_SIZES:
        return WALK_SIZES;
    case STATS_CONNS:
        return WALK_CONNECTIONS;
    case STATS_DETAIL_DUMP:
        return WALK_PREFIXES;
    default:
        return WALK_NONE;
    }
}

static bool is_dump(const struct request *request) {
    return request->op == OP_METADUMP || request->op == OP_MGDUMP;
}

const char *walk_refusal(const struct shard *shard, const struct request *request, bool datagram) {
    if (datagram && is_dump(request)) {
        return request->op == OP_METADUMP ? "ERROR metadump not allowed"
                                          : "ERROR key dump not allowed";
    }
    if (!is_dump(request)) {
        return NULL;
    }
    if (!shard->settings.lru_crawler) {
        return "CLIENT_ERROR lru crawler disabled";
    }
    return admin_classes_of(request) == ADMIN_CLASSES_BAD ? "BADCLASS invalid class id" : NULL;
}

/* The asking shard's part. */

static bool put(struct shard *shard, struct buffer *output, const char *bytes, size_t length) {
    return buffer_append(&shard->buffers, output, bytes, length);
}

#define PUT(shard, output, literal) put((shard), (output), (literal), sizeof(literal) - 1)

static uint64_t cachedump_limit(const struct request *request) {
    uint32_t items_max = stats_command_of(request).items_max;
    return items_max ? items_max : UINT64_MAX;
}

struct walk *walk_start(struct shard *shard, const struct request *request, struct buffer *output) {
    struct walk *walk = calloc(1, sizeof(*walk));
    if (!walk) {
        return NULL;
    }
    walk->kind = walk_kind_of(request);
    walk->lines_left = UINT64_MAX;
    bool made = true;
    if (is_dump(request)) {
        made = PUT(shard, output, "OK\r\n");
    } else if (walk->kind == WALK_SIZES) {
        made = (walk->sizes = sizes_create(shard->facts->config->item_bytes_max));
    } else if (walk->kind == WALK_PREFIXES) {
        prefix_table_init(&walk->prefixes, shard->prefixes.delimiter, PREFIX_SUM_MAX);
    } else if (walk->kind == WALK_CACHEDUMP) {
        walk->lines_left = cachedump_limit(request);
    }
    if (is_dump(request) && admin_classes_of(request) == ADMIN_CLASSES_NONE) {
        walk->shard = shard->count; /* there is nothing in those */
    }
    if (made) {
        return walk;
    }
    walk_free(walk);
    return NULL;
}

void walk_free(struct walk *walk) {
    if (!walk) {
        return;
    }
    free(walk->sizes);
    prefix_table_finish(&walk->prefixes);
    free(walk);
}

/* As many whole lines as the client still wants. */
static bool take_lines(struct walk *walk, struct shard *shard, const struct chunk *chunk,
                       struct buffer *output) {
    const char *end = chunk->bytes;
    while (walk->lines_left > 0 && end < chunk->bytes + chunk->length) {
        const char *newline = memchr(end, '\n', chunk->length - (size_t)(end - chunk->bytes));
        end = newline + 1;
        walk->lines_left--;
    }
    return put(shard, output, chunk->bytes, (size_t)(end - chunk->bytes));
}

static bool take_bytes(struct walk *walk, struct shard *shard, const struct chunk *chunk,
                       struct buffer *output) {
    if (chunk->length == 0) {
        return true;
    }
    switch (walk->kind) {
    case WALK_METADUMP:
    case WALK_MGDUMP:
    case WALK_CONNECTIONS:
        return put(shard, output, chunk->bytes, chunk->length);
    case WALK_CACHEDUMP:
        return take_lines(walk, shard, chunk, output);
    case WALK_SIZES:
        sizes_add(walk->sizes, (const void *)chunk->bytes);
        return true;
    case WALK_PREFIXES:
        prefix_table_merge(&walk->prefixes, chunk->bytes, chunk->length);
        return true;
    case WALK_NONE:
        break;
    }
    assert(!"a walk of no kind");
    return false;
}

bool walk_take(struct walk *walk, struct shard *shard, const struct chunk *chunk, uint64_t cursor,
               bool more, struct buffer *output) {
    walk->cursor = cursor;
    if (!more) {
        walk->shard++;
        walk->cursor = 0;
    }
    bool taken = take_bytes(walk, shard, chunk, output);
    if (walk->lines_left == 0) {
        walk->shard = shard->count;
    }
    return taken;
}

bool walk_end(struct walk *walk, struct shard *shard, const struct request *request,
              struct buffer *output) {
    switch (walk->kind) {
    case WALK_MGDUMP:
        return PUT(shard, output, "EN\r\n");
    case WALK_SIZES:
        return sizes_write(&shard->buffers, output, request, walk->sizes);
    case WALK_PREFIXES:
        return prefix_table_write(&shard->buffers, output, request, &walk->prefixes);
    case WALK_METADUMP:
    case WALK_CACHEDUMP:
    case WALK_CONNECTIONS:
        break;
    case WALK_NONE:
        assert(!"a walk of no kind");
    }
    return PUT(shard, output, "END\r\n");
}

/* The walked shard's part. */

struct item_visit {
    enum walk_kind kind;
    const struct shard *shard;
    int64_t unix_now;
    struct chunk *chunk;
};

static struct item_line line_of(const struct item_visit *visit, const struct store_walked *walked) {
    const struct store_item *item = &walked->item;
    int64_t zero = visit->unix_now - visit->shard->now; /* of the store's time */
    return (struct item_line){
        .key = walked->key,
        .key_length = walked->key_length,
        .binary_key = item->state & STORE_BINARY_KEY,
        .fetched = item->state & STORE_FETCHED,
        .exptime = item->expires ? zero + item->expires : -1,
        .last_access = zero + item->access,
        .cas = item->cas,
        .bytes = item->bytes,
        .value_length = item->value_length,
        .client_flags = item->client_flags,
    };
}

static bool visit_line(void *context, const struct store_walked *walked) {
    const struct item_visit *visit = context;
    struct chunk *chunk = visit->chunk;
    if (!chunk_has_room(chunk, REPLY_ITEM_LINE_MAX)) {
        return false;
    }
    struct item_line line = line_of(visit, walked);
    char *out = chunk->bytes + chunk->length;
    if (visit->kind == WALK_METADUMP) {
        chunk->length += reply_metadump_line(out, &line);
    } else if (visit->kind == WALK_MGDUMP) {
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
    return store_walk(shard->store, cursor, WALK_SLICE_ITEMS, shard->now, sizes_visit, sizes);
}

static bool fill_prefixes(const struct shard *shard, uint64_t *cursor, struct chunk *chunk) {
    uint32_t entry = (uint32_t)*cursor;
    chunk->length = prefix_table_encode(&shard->prefixes, &entry, chunk->bytes, chunk->capacity);
    *cursor = entry;
    return chunk->length > 0;
}

bool walk_fill(struct shard *shard, const struct request *request, uint64_t *cursor,
               struct chunk *chunk) {
    if (shard->walk_slices == WALK_SLICES_PER_TURN) {
        return true;
    }
    shard->walk_slices++;
    struct item_visit visit = {
        .kind = walk_kind_of(request),
        .shard = shard,
        .unix_now = clock_unix(shard->debug_offset_s),
        .chunk = chunk,
    };
    if (visit.kind == WALK_CONNECTIONS) {
        return shard->list_connections(shard->reactor, request, cursor, chunk);
    }
    if (visit.kind == WALK_PREFIXES) {
        return fill_prefixes(shard, cursor, chunk);
    }
    if (visit.kind == WALK_SIZES) {
        return fill_sizes(shard, cursor, chunk);
    }
    return store_walk(shard->store, cursor, WALK_SLICE_ITEMS, shard->now, visit_line, &visit);
}
