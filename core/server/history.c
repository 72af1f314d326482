#include "core/server/history.h"

#include <inttypes.h>
#include <string.h>

/* Every command that names a key; one that names several counts for each. */
static uint64_t history_operations(const struct shard_stats *sum) {
    const struct counters *counters = &sum->counters;
    return counters->cmd_get + counters->cmd_set + counters->cmd_touch + counters->cmd_meta +
           counters->delete_hits + counters->delete_misses + counters->incr_hits +
           counters->incr_misses + counters->decr_hits + counters->decr_misses;
}

static const bool history_is_rate[HISTORY_NAMES] = {
#define RATE true
#define GAUGE false
#define HISTORY_KIND(name, kind, value) kind,
    HISTORY_SERIES(HISTORY_KIND)
#undef HISTORY_KIND
#undef RATE
#undef GAUGE
};

static void history_read(const struct metrics_sources *sources, double values[HISTORY_NAMES]) {
    const struct shard_stats *sum = &sources->snapshot->sum;
#define HISTORY_VALUE(name, kind, value) values[HISTORY_##name] = (double)(value);
    HISTORY_SERIES(HISTORY_VALUE)
#undef HISTORY_VALUE
}

static uint64_t history_cpu_ns(const struct metrics_sources *sources) {
    uint64_t sum_ns = 0;
    for (uint32_t i = 0; i < sources->snapshot->cores; i++) {
        sum_ns += sources->cpu_ns[i];
    }
    return sum_ns;
}

/* A counter that has become less has been reset meanwhile. */
static double history_rate(double before, double now, double seconds) {
    return now > before ? (now - before) / seconds : 0;
}

/* All commands since the last sample, as if they were gets. Times that were reset meanwhile begin
 * anew. */
static void history_difference(const struct history *history, const struct latency *now,
                               struct latency *difference) {
    const struct latency *before = &history->last_latency;
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        uint64_t sum = 0;
        for (uint32_t kind = 0; kind < LATENCY_COMMANDS; kind++) {
            uint64_t count = now->counts[bucket][kind], old = before->counts[bucket][kind];
            sum += count >= old ? count - old : count;
        }
        difference->counts[bucket][LATENCY_GET] = sum;
    }
}

static void history_take_latency(struct history_sample *sample, const struct history *history,
                                 const struct latency *now) {
    static const uint32_t of_10000[HISTORY_PERCENTILES] = {5000, 9900, 9990};
    struct latency difference = {.max_ns = {UINT64_MAX}};
    history_difference(history, now, &difference);
    for (uint32_t i = 0; i < HISTORY_PERCENTILES; i++) {
        sample->latency_us[i] =
            (double)latency_percentile_ns(&difference, LATENCY_GET, of_10000[i]) / 1000;
    }
}

void history_add(struct history *history, const struct metrics_sources *sources) {
    struct history_sample *sample = &history->samples[history->count % HISTORY_SAMPLES];
    uint64_t now_ns = sources->snapshot->monotonic_ns, cpu_ns = history_cpu_ns(sources);
    double values[HISTORY_NAMES], seconds = (double)(now_ns - history->last_ns) / 1e9;
    history_read(sources, values);
    if (history->begun && now_ns > history->last_ns) {
        sample->unix_s = (double)sources->snapshot->unix_now;
        sample->cpu = history_rate((double)history->last_cpu_ns, (double)cpu_ns, seconds * 1e9);
        history_take_latency(sample, history, &sources->snapshot->latency);
        for (int i = 0; i < HISTORY_NAMES; i++) {
            sample->values[i] =
                history_is_rate[i] ? history_rate(history->last[i], values[i], seconds) : values[i];
        }
        history->count++;
    }
    history->begun = true;
    history->last_ns = now_ns;
    history->last_cpu_ns = cpu_ns;
    memcpy(history->last, values, sizeof(values));
    history->last_latency = sources->snapshot->latency;
}

static void history_write_sample(struct text *text, const struct history_sample *sample) {
    text_format(text, "[%.0f,%.4f", sample->unix_s, sample->cpu);
    for (int i = 0; i < HISTORY_PERCENTILES; i++) {
        text_format(text, ",%.2f", sample->latency_us[i]);
    }
    for (int i = 0; i < HISTORY_NAMES; i++) {
        text_format(text, ",%.*f", history_is_rate[i] ? 1 : 0, sample->values[i]);
    }
    text_add(text, "]");
}

void history_write(struct text *text, const struct history *history, uint64_t after) {
    uint64_t first = history->count > HISTORY_SAMPLES ? history->count - HISTORY_SAMPLES : 0;
    if (after > first && after <= history->count) {
        first = after;
    }
    text_format(text, "{\"interval_s\":%d,\"samples_max\":%d,\"last\":%" PRIu64 ",\"names\":[",
                HISTORY_INTERVAL_S, HISTORY_SAMPLES, history->count);
#define HISTORY_NAME_TEXT(name, kind, value) ",\"" #name "\""
    text_add(text, "\"unix_s\",\"cpu\",\"p50_us\",\"p99_us\",\"p99.9_us\"" HISTORY_SERIES(
                       HISTORY_NAME_TEXT) "],\"rows\":[");
#undef HISTORY_NAME_TEXT
    for (uint64_t i = first; i < history->count; i++) {
        text_add(text, i > first ? "," : "");
        history_write_sample(text, &history->samples[i % HISTORY_SAMPLES]);
    }
    text_add(text, "]}\n");
}
