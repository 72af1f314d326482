#include "core/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

#define VALUE_BYTES 64

struct writer {
    struct buffer_pool *pool;
    struct buffer *output;
    const struct request *request;
    bool failed;
};

static void put(struct writer *writer, const char *name, const char *value) {
    size_t bound = strlen(name) + strlen(value) + REPLY_STAT_MAX;
    if (writer->failed || !buffer_reserve(writer->pool, writer->output, bound)) {
        writer->failed = true;
        return;
    }
    char *out = writer->output->bytes + writer->output->length;
    writer->output->length += reply_stat(out, writer->request, name, value);
}

static void put_number(struct writer *writer, const char *name, uint64_t number) {
    char value[VALUE_BYTES];
    snprintf(value, sizeof value, "%" PRIu64, number);
    put(writer, name, value);
}

static void put_time(struct writer *writer, const char *name, struct timeval time) {
    char value[VALUE_BYTES];
    snprintf(value, sizeof value, "%ld.%06ld", (long)time.tv_sec, (long)time.tv_usec);
    put(writer, name, value);
}

static void put_process(struct writer *writer, const struct server_facts *facts) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    put_number(writer, "pid", (uint64_t)getpid());
    put_number(writer, "uptime", (clock_monotonic_ns() - facts->start_ns) / 1000000000u);
    put_number(writer, "time", (uint64_t)time(NULL));
    put(writer, "version", facts->version);
    put_number(writer, "pointer_size", 8 * sizeof(void *));
    put_time(writer, "rusage_user", usage.ru_utime);
    put_time(writer, "rusage_system", usage.ru_stime);
    put_number(writer, "max_connections", facts->connections_max);
    put_number(writer, "threads", facts->reactors);
    put_number(writer, "limit_maxbytes", facts->memory_bytes);
}

static void put_store(struct writer *writer, const struct store_stats *store) {
    put_number(writer, "bytes", store->item_bytes);
    put_number(writer, "curr_items", store->items);
    put_number(writer, "total_items", store->items_stored);
    put_number(writer, "evictions", store->evictions);
    put_number(writer, "evicted_unfetched", store->evicted_unfetched);
    put_number(writer, "reclaimed", store->expired);
    put_number(writer, "expired_unfetched", store->expired_unfetched);
    put_number(writer, "store_bytes", store->memory_bytes);
    put_number(writer, "index_bytes", store->index_bytes);
    put_number(writer, "segment_size", store->segment_bytes);
    put_number(writer, "segments", store->segments);
    put_number(writer, "segments_free", store->segments_free);
}

bool stats_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct shard_stats *sum, const struct server_facts *facts) {
    struct writer writer = {.pool = pool, .output = output, .request = request};
    put_process(&writer, facts);
#define PUT_COUNTER(name) put_number(&writer, #name, sum->counters.name);
    COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
    put_store(&writer, &sum->store);
    if (writer.failed || !buffer_reserve(pool, output, REPLY_STAT_MAX))
        return false;
    output->length += reply_stats_end(output->bytes + output->length, request);
    return true;
}
