#include "core/shard/watch.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/facts.h"
#include "core/shard/shard.h"

/* A line waits this long for others, so that many go in one message and one send. */
#define WATCH_DELAY_NS 5000000u

/* No longer than until there is as much for a message. */
#define WATCH_FLUSH_BYTES MESSAGE_VALUE_BYTES_MAX

void watch_open(struct shard *shard) {
    struct watch *watch = &shard->watch;
    size_t capacity = (size_t)shard->facts->config->watch_lines_kib * 1024;
    /* Without memory all lines are dropped, and counted. */
    watch->bytes = malloc(capacity + watch_record_bytes(WATCH_LINE_BYTES_MAX));
    watch->capacity = watch->bytes ? capacity : 0;
    watch->numbered = watch->base; /* positions go on: who watches now begins at this one */
}

void watch_close(struct shard *shard) {
    struct watch *watch = &shard->watch;
    free(watch->bytes);
    watch->bytes = NULL;
    watch->capacity = watch->length = 0;
}

char *watch_begin(struct shard *shard, enum watch_stream stream) {
    struct watch *watch = &shard->watch;
    if (!(watch->streams & stream)) {
        return NULL;
    }
    if (watch->length >= watch->capacity) {
        shard->counters.log_worker_dropped++;
        return NULL;
    }
    struct watch_record *record = (void *)(watch->bytes + watch->length);
    *record = (struct watch_record){.stream = stream, .at_ns = shard->now_ns};
    return (char *)(record + 1);
}

void watch_end(struct shard *shard, const char *end) {
    struct watch *watch = &shard->watch;
    struct watch_record *record = (void *)(watch->bytes + watch->length);
    size_t before = watch->length;
    record->length = (uint32_t)(end - (const char *)(record + 1));
    assert(record->length <= WATCH_LINE_BYTES_MAX);
    watch->length += watch_record_bytes(record->length);
    shard->counters.log_worker_written++;
    if (before == 0) {
        shard->hooks->flush_watch_at(shard->reactor, shard->now_ns + WATCH_DELAY_NS);
    } else if (before < WATCH_FLUSH_BYTES && watch->length >= WATCH_FLUSH_BYTES) {
        shard->hooks->flush_watch_at(shard->reactor, shard->now_ns);
    }
}
