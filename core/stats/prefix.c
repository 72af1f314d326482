#include "core/stats/prefix.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/stats/writer.h"
#include "proto/reply.h"

#define CAPACITY_FIRST 64u
#define NAMES_CAPACITY_FIRST 1024u

struct prefix_entry {
    struct prefix_counts counts;
    uint32_t hash;
    uint32_t name; /* offset into names */
    uint8_t length;
};

struct name {
    const char *bytes;
    uint8_t length;
};

void prefix_table_init(struct prefix_table *table, char delimiter, uint32_t prefixes_max) {
    *table = (struct prefix_table){.delimiter = delimiter, .prefixes_max = prefixes_max};
}

void prefix_table_finish(struct prefix_table *table) {
    free(table->entries);
    free(table->slots);
    free(table->names);
    prefix_table_init(table, table->delimiter, table->prefixes_max);
}

void prefix_table_clear(struct prefix_table *table) {
    bool enabled = table->enabled;
    prefix_table_finish(table);
    table->enabled = enabled;
}

/* The slot of a name, or, if it has none, the free slot where it belongs. */
static uint32_t *prefix_slot_of(const struct prefix_table *table, const struct name *name,
                                uint32_t hash) {
    uint32_t mask = 2 * table->capacity - 1;
    for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &table->slots[at];
        if (*slot == 0) {
            return slot;
        }
        const struct prefix_entry *entry = &table->entries[*slot - 1];
        if (entry->hash == hash && entry->length == name->length &&
            memcmp(table->names + entry->name, name->bytes, name->length) == 0) {
            return slot;
        }
    }
}

static void prefix_fill_slots(struct prefix_table *table) {
    uint32_t mask = 2 * table->capacity - 1;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t at = table->entries[i].hash & mask;
        while (table->slots[at] != 0) {
            at = (at + 1) & mask;
        }
        table->slots[at] = i + 1;
    }
}

/* Doubles the capacity. */
static bool prefix_grow_entries(struct prefix_table *table) {
    uint32_t capacity = table->capacity ? 2 * table->capacity : CAPACITY_FIRST;
    uint32_t *slots = calloc(2 * (size_t)capacity, sizeof(*slots));
    struct prefix_entry *entries = realloc(table->entries, capacity * sizeof(*entries));
    if (entries) {
        table->entries = entries;
    }
    if (!slots || !entries) {
        free(slots);
        return false;
    }
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    prefix_fill_slots(table);
    return true;
}

static bool prefix_reserve_name(struct prefix_table *table, uint8_t length) {
    uint64_t wanted = (uint64_t)table->names_length + length;
    if (wanted > (uint64_t)table->prefixes_max * PREFIX_NAME_BYTES_MEAN) {
        return false;
    }
    if (wanted < table->names_capacity) {
        return true;
    }
    uint32_t capacity = table->names_capacity ? 2 * table->names_capacity : NAMES_CAPACITY_FIRST;
    char *names = realloc(table->names, capacity);
    if (!names) {
        return false;
    }
    table->names = names;
    table->names_capacity = capacity;
    return true;
}

/* The entry of a name, added if there is none; NULL when the table is full. */
static struct prefix_entry *prefix_entry_of(struct prefix_table *table, const struct name *name) {
    uint32_t hash = (uint32_t)XXH3_64bits(name->bytes, name->length);
    uint32_t *slot = table->capacity ? prefix_slot_of(table, name, hash) : NULL;
    if (slot && *slot != 0) {
        return &table->entries[*slot - 1];
    }
    if (table->count == table->prefixes_max || !prefix_reserve_name(table, name->length)) {
        return NULL;
    }
    if (table->count == table->capacity) {
        if (!prefix_grow_entries(table)) {
            return NULL;
        }
        slot = prefix_slot_of(table, name, hash);
    }
    struct prefix_entry *entry = &table->entries[table->count];
    *entry =
        (struct prefix_entry){.hash = hash, .name = table->names_length, .length = name->length};
    memcpy(table->names + entry->name, name->bytes, name->length);
    table->names_length += name->length;
    *slot = ++table->count;
    return entry;
}

static void prefix_add(struct prefix_table *table, const struct name *name,
                       const struct prefix_counts *counts) {
    struct prefix_entry *entry = prefix_entry_of(table, name);
    if (!entry) {
        return;
    }
    entry->counts.get += counts->get;
    entry->counts.hit += counts->hit;
    entry->counts.set += counts->set;
    entry->counts.del += counts->del;
}

/* False when the key has no prefix that can be counted. */
static bool prefix_name_of(const struct prefix_table *table, const struct request *request,
                           struct name *name) {
    for (uint32_t i = 0; i < request->key_length; i++) {
        if (request->key[i] == table->delimiter) {
            *name = (struct name){.bytes = request->key, .length = (uint8_t)i};
            return true;
        }
        if ((unsigned char)request->key[i] <= ' ' || request->key[i] == 0x7f) {
            return false;
        }
    }
    return false;
}

static struct prefix_counts prefix_counts_of(const struct request *request, bool hit) {
    enum op op = (enum op)request->op;
    bool binary_touch = op == OP_TOUCH && request->protocol == PROTOCOL_BINARY;
    bool gets = op == OP_GET || op == OP_GAT || binary_touch;
    bool stores = (op >= OP_SET && op <= OP_PREPEND) || op == OP_REJECT;
    if (request->protocol == PROTOCOL_META) {
        return (struct prefix_counts){0};
    }
    return (struct prefix_counts){
        .get = gets, .hit = gets && hit, .set = stores, .del = op == OP_DELETE};
}

void prefix_table_record(struct prefix_table *table, const struct request *request, bool hit) {
    struct prefix_counts counts = prefix_counts_of(request, hit);
    struct name name;
    if (counts.get + counts.set + counts.del > 0 && prefix_name_of(table, request, &name)) {
        prefix_add(table, &name, &counts);
    }
}

/* An entry in a chunk: the counts, the length of the name, the name. */
#define ENTRY_FIXED_BYTES (sizeof(struct prefix_counts) + 1)

_Static_assert(ENTRY_FIXED_BYTES + KEY_LENGTH_MAX <= PREFIX_ENTRY_BYTES_MAX, "any entry fits");

size_t prefix_table_encode(const struct prefix_table *table, uint32_t *cursor, char *out,
                           size_t space) {
    char *at = out;
    assert(space >= PREFIX_ENTRY_BYTES_MAX);
    for (; *cursor < table->count; ++*cursor) {
        const struct prefix_entry *entry = &table->entries[*cursor];
        if ((size_t)(out + space - at) < ENTRY_FIXED_BYTES + entry->length) {
            break;
        }
        memcpy(at, &entry->counts, sizeof(entry->counts));
        at[sizeof(entry->counts)] = (char)entry->length;
        memcpy(at + ENTRY_FIXED_BYTES, table->names + entry->name, entry->length);
        at += ENTRY_FIXED_BYTES + entry->length;
    }
    return (size_t)(at - out);
}

void prefix_table_merge(struct prefix_table *table, const char *bytes, size_t length) {
    const char *end = bytes + length;
    while (bytes < end) {
        struct prefix_counts counts;
        memcpy(&counts, bytes, sizeof(counts));
        struct name name = {.bytes = bytes + ENTRY_FIXED_BYTES,
                            .length = (uint8_t)bytes[sizeof(counts)]};
        prefix_add(table, &name, &counts);
        bytes = name.bytes + name.length;
    }
    assert(bytes == end);
}

static size_t prefix_line_bytes(const struct prefix_entry *entry) {
    const struct prefix_counts *counts = &entry->counts;
    return strlen("PREFIX  get  hit  set  del \r\n") + entry->length + stats_digits(counts->get) +
           stats_digits(counts->hit) + stats_digits(counts->set) + stats_digits(counts->del);
}

static size_t prefix_text_bytes(const struct prefix_table *table) {
    size_t bytes = strlen(REPLY_LIST_END);
    for (uint32_t i = 0; i < table->count; i++) {
        bytes += prefix_line_bytes(&table->entries[i]);
    }
    return bytes;
}

static size_t prefix_put_line(char *out, size_t space, const struct prefix_table *table,
                              const struct prefix_entry *entry) {
    const struct prefix_counts *counts = &entry->counts;
    return (size_t)snprintf(out, space,
                            "PREFIX %.*s get %" PRIu64 " hit %" PRIu64 " set %" PRIu64
                            " del %" PRIu64 "\r\n",
                            entry->length, table->names + entry->name, counts->get, counts->hit,
                            counts->set, counts->del);
}

/* There is space for it. */
static void prefix_put_text(struct buffer *output, const struct prefix_table *table) {
    for (uint32_t i = 0; i < table->count; i++) {
        output->length +=
            prefix_put_line(output->bytes + output->length, output->capacity - output->length,
                            table, &table->entries[i]);
    }
    memcpy(output->bytes + output->length, REPLY_LIST_END, strlen(REPLY_LIST_END));
    output->length += strlen(REPLY_LIST_END);
}

/* In the binary protocol the whole text is the value of one statistic. */
bool prefix_table_write(struct buffer_pool *pool, struct buffer *output,
                        const struct request *request, const struct prefix_table *table) {
    bool binary = request->protocol == PROTOCOL_BINARY;
    size_t bytes = prefix_text_bytes(table);
    if (!buffer_reserve_long(pool, output, bytes + (binary ? 2 * REPLY_STAT_MAX : 0))) {
        return false;
    }
    if (binary) {
        output->length +=
            reply_stat_head(output->bytes + output->length, request, "detailed", (uint32_t)bytes);
    }
    size_t begin = output->length;
    prefix_put_text(output, table);
    assert(output->length - begin == bytes);
    if (binary) {
        output->length += reply_stats_end(output->bytes + output->length, request);
    }
    return true;
}
