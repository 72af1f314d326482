/* metrics_latency: how long commands and turns take, as histograms. Their buckets are coarser than
 * those of core/stats/latency.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/stats/metrics_writer.h"

#define LABELS_BYTES 96

/* Nanoseconds as seconds, without zeros at the end: "0.0005". */
static void latency_put_bound(char text[32], uint64_t ns) {
    snprintf(text, 32, "%g", (double)ns / 1e9);
}

/* One histogram; label is what it has beside le, with a comma behind, or "". */
static void latency_put(struct metrics_writer *writer, const char *name, const char *label,
                        const struct latency *latency, enum latency_kind kind) {
    char series[METRICS_NAME_BYTES], labels[LABELS_BYTES], bound[32];
    uint64_t count = latency_count(latency, kind);
    snprintf(series, sizeof(series), "%s_bucket", name);
    for (uint32_t i = 0; i < LATENCY_BOUNDS; i++) {
        latency_put_bound(bound, latency_bounds_ns[i]);
        snprintf(labels, sizeof(labels), "%sle=\"%s\"", label, bound);
        metrics_put_number(writer, series, labels,
                           latency_below(latency, kind, latency_bounds_ns[i]));
    }
    snprintf(labels, sizeof(labels), "%sle=\"+Inf\"", label);
    metrics_put_number(writer, series, labels, count);
    snprintf(labels, sizeof(labels), "%.*s", *label ? (int)strlen(label) - 1 : 0, label);
    snprintf(series, sizeof(series), "%s_sum", name);
    metrics_put_seconds(writer, series, *label ? labels : NULL, latency_sum_ns(latency, kind));
    snprintf(series, sizeof(series), "%s_count", name);
    metrics_put_number(writer, series, *label ? labels : NULL, count);
}

static void latency_put_commands(struct metrics_writer *writer, const struct latency *latency) {
    static const char *const name = "simplecache_command_duration_seconds";
    metrics_put_head(writer, name, METRICS_HISTOGRAM,
                     "Time from a request's last byte to the sending of its reply, waiting for "
                     "other reactors included.");
    for (uint32_t i = 0; i < LATENCY_COMMANDS; i++) {
        char label[LABELS_BYTES / 2];
        snprintf(label, sizeof(label), "command=\"%s\",", latency_kind_name((enum latency_kind)i));
        latency_put(writer, name, label, latency, (enum latency_kind)i);
    }
}

void metrics_put_latency(struct metrics_writer *writer, const struct metrics_sources *sources) {
    static const char *const turn = "simplecache_turn_duration_seconds";
    static const char *const busy = "simplecache_core_turns_seconds_total";
    latency_put_commands(writer, &sources->snapshot->latency);
    metrics_put_head(writer, turn, METRICS_HISTOGRAM,
                     "Time of a reactor's turn without its time in the kernel.");
    latency_put(writer, turn, "", &sources->snapshot->latency, LATENCY_TURN);
    metrics_put_head(writer, busy, METRICS_COUNTER,
                     "Time of a reactor's turns without its time in the kernel.");
    for (uint32_t i = 0; i < sources->snapshot->cores; i++) {
        char labels[LABELS_BYTES / 2];
        snprintf(labels, sizeof(labels), "core=\"%" PRIu32 "\"", i);
        metrics_put_seconds(writer, busy, labels,
                            latency_sum_ns(&sources->snapshot->parts[i].latency, LATENCY_TURN));
    }
}
