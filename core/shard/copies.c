#include "core/shard/copies.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/mesh/ring.h"
#include "core/stats/sampler.h"

#define COPY_ALIGN 8u

/* The log has a bucket for so many bytes, so for one or two copies of a short value. */
#define BUCKET_LOG_BYTES 512

#define BUCKET_BYTES (sizeof(struct copies_bucket) + COPIES_FILTER_BYTES)

/* Parts of the memory that the tables of versions and of frequencies have at most. */
#define VERSIONS_PART 8
#define FREQUENCY_PART 8

/* The greatest power of two up to n, which is at least 1. */
static uint32_t copies_power(uint64_t n) {
    return (uint32_t)1 << (63 - __builtin_clzll(n < UINT32_MAX ? n : UINT32_MAX));
}

static uint32_t copies_between(uint32_t n, uint32_t least, uint32_t most) {
    return n < least ? least : (n > most ? most : n);
}

uint32_t copies_versions_slots(uint64_t memory_bytes) {
    return copies_between(copies_power(memory_bytes / VERSIONS_PART / versions_bytes(1)),
                          VERSIONS_SLOTS_MIN, VERSIONS_SLOTS_MAX);
}

/* All fits into the memory even where it is just COPIES_BYTES_MIN, or that beside the table of
 * versions. */
static uint64_t copies_log_bytes(const struct copies *copies, uint32_t row) {
    uint64_t left = copies->memory_bytes - copies->versions_bytes - frequency_bytes(row);
    uint64_t log = left - left / (BUCKET_LOG_BYTES / BUCKET_BYTES);
    return log / COPY_ALIGN * COPY_ALIGN;
}

static uint32_t copies_filter_bytes(uint32_t buckets) {
    return buckets < COPIES_FILTER_BYTES_MAX / COPIES_FILTER_BYTES ? buckets * COPIES_FILTER_BYTES
                                                                   : COPIES_FILTER_BYTES_MAX;
}

static void copies_free(struct copies *copies) {
    if (copies->log) {
        munmap(copies->log, copies->log_bytes);
    }
    free(copies->buckets);
    if (copies->filter != &copies->no_filter) {
        free(copies->filter);
    }
    frequency_finish(&copies->asked);
    copies->log = NULL;
    copies->buckets = NULL;
    copies->filter = &copies->no_filter;
    copies->filter_mask = copies->mask = copies->count = 0;
    copies->log_bytes = copies->head = copies->tail = copies->bytes = 0;
}

/* Log and tables. Returns 0 or -ENOMEM. Without them all of it is 0, and nothing is copied. */
static int copies_make(struct copies *copies) {
    uint32_t row = copies_between(
        copies_power(copies->memory_bytes / FREQUENCY_PART / FREQUENCY_ROWS), 2, COPIES_ROW_MAX);
    copies->log_bytes = copies_log_bytes(copies, row);
    if (frequency_init(&copies->asked, row) != 0) {
        return -ENOMEM;
    }
    void *log = mmap(NULL, copies->log_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint32_t buckets = copies_power(copies->log_bytes / BUCKET_LOG_BYTES);
    copies->buckets = calloc(buckets, sizeof(*copies->buckets));
    uint32_t filter_bytes = copies_filter_bytes(buckets);
    uint8_t *filter = calloc(filter_bytes, 1);
    copies->log = log == MAP_FAILED ? NULL : log;
    copies->filter = filter ? filter : &copies->no_filter;
    if (!copies->log || !copies->buckets || !filter) {
        copies_free(copies);
        return -ENOMEM;
    }
    copies->mask = buckets - 1;
    copies->filter_mask = filter_bytes - 1;
    return 0;
}

int copies_init(struct copies *copies, uint64_t memory_bytes, uint32_t shards, uint64_t seed) {
    *copies = (struct copies){.memory_bytes = memory_bytes, .random = seed | 1};
    copies->filter = &copies->no_filter;
    if (memory_bytes == 0) {
        return 0;
    }
    assert(memory_bytes >= COPIES_BYTES_MIN && shards > 1);
    copies->versions_bytes = versions_bytes(copies_versions_slots(memory_bytes));
    if (copies_make(copies) != 0) {
        copies_finish(copies);
        return -ENOMEM;
    }
    uint32_t worth = COPIES_WORTH / shards;
    copies_tune(copies, COPIES_SAMPLE, COPIES_ASKED,
                worth > COPIES_WORTH_MIN ? worth : COPIES_WORTH_MIN, COPIES_HITS_MAX);
    return 0;
}

void copies_resize(struct copies *copies, uint64_t memory_bytes) {
    if (copies->versions_bytes == 0 || memory_bytes == copies->memory_bytes) {
        return;
    }
    copies_free(copies);
    copies->memory_bytes = memory_bytes;
    if (memory_bytes < copies->versions_bytes + COPIES_BYTES_MIN || copies_make(copies) != 0) {
        copies->memory_bytes = copies->versions_bytes;
    }
    copies->countdown = sampler_next(&copies->random, copies->sample);
}

void copies_tune(struct copies *copies, uint32_t sample, uint32_t asked_from, uint32_t worth,
                 uint32_t hits_max) {
    copies->sample = sample;
    copies->asked_from = asked_from;
    copies->worth = worth;
    copies->hits_max = hits_max;
    copies->countdown = sampler_next(&copies->random, sample);
}

void copies_finish(struct copies *copies) {
    copies_free(copies);
    *copies = (struct copies){0};
    copies->filter = &copies->no_filter;
}

/* What mg does besides reading, and what of the answer only the owner knows: when the item was last
 * read, and whether; and how long it is to live, since clocks of two reactors differ by a turn. */
bool copies_may_serve_meta(const struct request *request) {
    const uint16_t effects = META_NO_BUMP | META_TOUCH | META_VIVIFY | META_RECACHE | META_BASE64;
    return (request->meta & effects) == 0 && !strpbrk(request->returns, "hlt");
}

/* Finding. */

static struct copy *copies_at(const struct copies *copies, uint64_t place) {
    return (struct copy *)(void *)(copies->log + (place - 1) * COPY_ALIGN);
}

static uint64_t copies_entry(const struct copies *copies, const struct copy *copy) {
    uint64_t place = (uint64_t)((const char *)copy - copies->log) / COPY_ALIGN + 1;
    return (copy->hash >> 16 & UINT32_MAX) << 32 | place;
}

static struct copies_bucket *copies_bucket(const struct copies *copies, uint64_t hash) {
    return &copies->buckets[(uint32_t)hash & copies->mask];
}

void copies_prefetch(const struct copies *copies, uint64_t hash) {
    const struct copies_bucket *bucket = copies_bucket(copies, hash);
    for (uint32_t i = 0; i < COPIES_WAYS; i++) {
        uint64_t entry = bucket->entries[i];
        if (entry != 0 && entry >> 32 == (hash >> 16 & UINT32_MAX)) {
            const char *copy = (const char *)copies_at(copies, entry & UINT32_MAX);
            __builtin_prefetch(copy);
            __builtin_prefetch(copy + CACHE_LINE_BYTES);
        }
    }
}

struct copy *copies_find(const struct copies *copies, const struct request *request,
                         uint64_t hash) {
    const struct copies_bucket *bucket = copies_bucket(copies, hash);
    for (uint32_t i = 0; i < COPIES_WAYS; i++) {
        uint64_t entry = bucket->entries[i];
        if (entry == 0 || entry >> 32 != (hash >> 16 & UINT32_MAX)) {
            continue;
        }
        struct copy *copy = copies_at(copies, entry & UINT32_MAX);
        if (copy->hash == hash && copy->key_length == request->key_length &&
            memcmp(copy->key, request->key, request->key_length) == 0) {
            return copy;
        }
    }
    return NULL;
}

/* The table and the log. */

static uint64_t *copies_entry_of(const struct copies *copies, const struct copy *copy) {
    struct copies_bucket *bucket = copies_bucket(copies, copy->hash);
    uint64_t entry = copies_entry(copies, copy);
    for (uint32_t i = 0; i < COPIES_WAYS; i++) {
        if (bucket->entries[i] == entry) {
            return &bucket->entries[i];
        }
    }
    assert(!"a live copy is in the table");
    return NULL;
}

static uint8_t *copies_filter_of(const struct copies *copies, uint64_t hash) {
    return &copies->filter[(uint32_t)(hash >> 24) & copies->filter_mask];
}

static void copies_drop(struct copies *copies, struct copy *copy) {
    uint8_t *filter = copies_filter_of(copies, copy->hash);
    assert(copy->live);
    assert(*filter > 0);
    *filter -= *filter < COPIES_FILTER_MAX;
    *copies_entry_of(copies, copy) = 0;
    copy->live = false;
    copies->count--;
    copies->bytes -= copy->bytes;
}

/* An entry of the bucket; of a full one the copy with the fewest hits makes way. */
static uint64_t *copies_free_entry(struct copies *copies, uint64_t hash) {
    struct copies_bucket *bucket = copies_bucket(copies, hash);
    uint64_t *least = NULL;
    for (uint32_t i = 0; i < COPIES_WAYS; i++) {
        uint64_t *entry = &bucket->entries[i];
        if (*entry == 0) {
            return entry;
        }
        if (!least || copies_at(copies, *entry & UINT32_MAX)->life <
                          copies_at(copies, *least & UINT32_MAX)->life) {
            least = entry;
        }
    }
    copies_drop(copies, copies_at(copies, *least & UINT32_MAX));
    return least;
}

static struct copy *copies_at_position(const struct copies *copies, uint64_t position) {
    return (struct copy *)(void *)(copies->log + position % copies->log_bytes);
}

static void copies_drop_oldest(struct copies *copies) {
    struct copy *oldest = copies_at_position(copies, copies->tail);
    if (oldest->live) {
        copies_drop(copies, oldest);
    }
    copies->tail += oldest->bytes;
    assert(copies->tail <= copies->head);
}

/* So many bytes at the newest end, in one piece; none of what lies there is written but, for a gap
 * at the end of the log, `bytes` and `live` of a copy. */
static struct copy *copies_reserve(struct copies *copies, uint32_t bytes) {
    uint64_t left = copies->log_bytes - copies->head % copies->log_bytes;
    uint64_t gap = left < bytes ? left : 0;
    while (copies->head + gap + bytes - copies->tail > copies->log_bytes) {
        copies_drop_oldest(copies);
    }
    if (gap > 0) {
        struct copy *end = copies_at_position(copies, copies->head);
        end->bytes = (uint32_t)gap;
        end->live = false;
        copies->head += gap;
    }
    return copies_at_position(copies, copies->head);
}

/* What copies_reserve() has returned is a copy now, but for its entry in the table. */
static void copies_link(struct copies *copies, struct copy *copy, uint32_t bytes) {
    copy->bytes = bytes;
    copy->live = true;
    copy->position = copies->head;
    copies->head += bytes;
    copies->count++;
    copies->bytes += bytes;
    uint64_t *entry = copies_free_entry(copies, copy->hash);
    *entry = copies_entry(copies, copy);
    uint8_t *filter = copies_filter_of(copies, copy->hash);
    *filter += *filter < COPIES_FILTER_MAX;
}

/* Moves a copy to the newest end. It may be among those that make way there, and where it goes may
 * overlap with where it was. */
static void copies_renew(struct copies *copies, struct copy *copy) {
    uint32_t bytes = copy->bytes;
    copies_drop(copies, copy);
    struct copy *to = copies_reserve(copies, bytes);
    memmove(to, copy, bytes);
    copies_link(copies, to, bytes);
}

void copies_hit(struct copies *copies, struct copy *copy) {
    copy->hits++;
    copy->life++;
    if (copies->head - copy->position > copies->log_bytes / 4 * 3) {
        copies_renew(copies, copy);
    }
}

/* Requests that go to the owner. */

/* Takes what is to be told of a copy. One that is out of date is dropped; if it was worth its while
 * the next one is asked for at once. */
static struct copy_note copies_note_copy(struct copies *copies, struct copy *copy, uint32_t tick) {
    struct copy_note note = {.hits = copy->hits};
    copy->hits = 0;
    copy->told_at = tick;
    if (copy_is_fresh(copy, tick)) {
        note.word = copy->word;
        return note;
    }
    bool moved = !version_is(copy->at, copy->word);
    note.stale = true;
    note.asks = copy->life >= copies->worth;
    if (moved && !note.asks) {
        frequency_punish(&copies->asked, copy->hash, COPIES_PUNISHED);
    }
    copies_drop(copies, copy);
    return note;
}

struct copy_note copies_note(struct copies *copies, const struct request *request, uint64_t hash,
                             uint32_t tick) {
    bool sampled = copies->countdown == 0;
    struct copy *copy = NULL;
    if (!copies->buckets) {
        return (struct copy_note){0};
    }
    if (sampled) {
        copies->countdown = sampler_next(&copies->random, copies->sample);
    }
    if (!copies_may_serve(request)) {
        return (struct copy_note){0};
    }
    if (copies_may_have(copies, hash)) {
        copy = copies_find(copies, request, hash);
    }
    if (copy) {
        return copies_note_copy(copies, copy, tick);
    }
    bool asks = sampled && frequency_add(&copies->asked, hash) >= (int)copies->asked_from;
    return (struct copy_note){.asks = asks};
}

uint16_t copies_value_bytes_max(const struct copies *copies, uint32_t key_length) {
    uint64_t most = copies->log_bytes / COPIES_LOG_PART / COPY_ALIGN * COPY_ALIGN;
    uint64_t head = offsetof(struct copy, key) + key_length;
    if (!copies->buckets) {
        return 0;
    }
    assert(most > head);
    return most - head < COPIES_VALUE_BYTES_MAX ? (uint16_t)(most - head) : COPIES_VALUE_BYTES_MAX;
}

void copies_add(struct copies *copies, const struct copy_source *source) {
    const struct request *request = source->request;
    const struct result *result = source->result;
    uint64_t bytes = offsetof(struct copy, key) + request->key_length + result->value_length;
    bytes = (bytes + COPY_ALIGN - 1) / COPY_ALIGN * COPY_ALIGN;
    bytes = bytes < sizeof(struct copy) ? sizeof(struct copy) : bytes;
    if (!copies->buckets || !result->value ||
        result->value_length > copies_value_bytes_max(copies, request->key_length)) {
        return;
    }
    struct copy *copy = copies_find(copies, request, source->hash);
    if (copy) {
        copies_drop(copies, copy);
    }
    copy = copies_reserve(copies, (uint32_t)bytes);
    *copy = (struct copy){
        .key_length = (uint8_t)request->key_length,
        .hash = source->hash,
        .at = source->at,
        .word = source->grant.word,
        .cas = result->cas,
        .expires = source->grant.expires,
        .client_flags = result->client_flags,
        .value_length = result->value_length,
        .told_at = source->tick,
    };
    memcpy(copy->key, request->key, request->key_length);
    memcpy(copy->key + request->key_length, result->value, result->value_length);
    copies_link(copies, copy, (uint32_t)bytes);
}

void copies_check(const struct copies *copies) {
    uint64_t count = 0, bytes = 0, entries = 0, position = copies->tail;
    if (!copies->buckets) {
        return;
    }
    assert(copies->head - copies->tail <= copies->log_bytes);
    while (position < copies->head) {
        const struct copy *copy = copies_at_position(copies, position);
        assert(copy->bytes > 0);
        if (copy->live) {
            assert(copy->position == position);
            assert(*copies_entry_of(copies, copy) != 0);
            count++;
            bytes += copy->bytes;
        }
        position += copy->bytes;
    }
    for (uint32_t i = 0; i <= copies->mask; i++) {
        for (uint32_t j = 0; j < COPIES_WAYS; j++) {
            entries += copies->buckets[i].entries[j] != 0;
        }
    }
    assert(position == copies->head);
    assert(count == copies->count);
    assert(entries == copies->count);
    assert(bytes == copies->bytes);
}
