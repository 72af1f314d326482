/* The answers to `stats latency` and `stats hotkeys`. */
#include <inttypes.h>
#include <stdio.h>

#include "core/stats/writer.h"
#include "proto/reply.h"

#define NAME_BYTES 32
#define VALUE_BYTES 32

static void lists_put_us(struct stats_writer *writer, const char *kind, const char *what,
                         uint64_t ns) {
    char name[NAME_BYTES], value[VALUE_BYTES];
    snprintf(name, sizeof(name), "%s:%s_us", kind, what);
    snprintf(value, sizeof(value), "%" PRIu64 ".%02" PRIu64, ns / 1000, ns % 1000 / 10);
    stats_put(writer, name, value);
}

void stats_put_latency(struct stats_writer *writer, const struct latency *latency) {
    static const struct {
        const char *name;
        uint32_t of_10000;
    } percentiles[] = {{"p50", 5000}, {"p90", 9000}, {"p99", 9900}, {"p99.9", 9990}};
    for (uint32_t i = 0; i < LATENCY_KINDS; i++) {
        enum latency_kind kind = (enum latency_kind)i;
        const char *kind_name = latency_kind_name(kind);
        char name[NAME_BYTES];
        snprintf(name, sizeof(name), "%s:count", kind_name);
        stats_put_number(writer, name, latency_count(latency, kind));
        for (size_t j = 0; j < sizeof(percentiles) / sizeof(*percentiles); j++) {
            lists_put_us(writer, kind_name, percentiles[j].name,
                         latency_percentile_ns(latency, kind, percentiles[j].of_10000));
        }
        lists_put_us(writer, kind_name, "max", latency->max_ns[kind]);
    }
}

static void lists_put_of_key(struct stats_writer *writer, uint32_t rank, const char *what,
                             const char *value) {
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%" PRIu32 ":%s", rank, what);
    stats_put(writer, name, value);
}

static void lists_put_number(struct stats_writer *writer, uint32_t rank, const char *what,
                             uint64_t number) {
    char value[VALUE_BYTES];
    snprintf(value, sizeof(value), "%" PRIu64, number);
    lists_put_of_key(writer, rank, what, value);
}

/* Of all sampled requests, in percent. */
static void lists_put_share(struct stats_writer *writer, uint32_t rank, const char *what,
                            uint64_t requests, uint64_t sampled) {
    char value[VALUE_BYTES];
    double share = sampled > 0 ? (double)requests * 100 / (double)sampled : 0;
    snprintf(value, sizeof(value), "%.2f", share);
    lists_put_of_key(writer, rank, what, value);
}

static void lists_put_key(struct stats_writer *writer, uint32_t rank, const struct hotkey *key,
                          uint64_t sampled) {
    char encoded[REPLY_KEY_ENCODED_MAX + 1];
    encoded[reply_encode_key(encoded, key->key, key->key_length)] = '\0';
    uint64_t requests = hotkey_requests(key);
    lists_put_of_key(writer, rank, "key", encoded);
    lists_put_share(writer, rank, "share", requests, sampled);
    lists_put_share(writer, rank, "share_max", requests + key->excess, sampled);
    lists_put_number(writer, rank, "reads", (uint64_t)key->reads * HOTKEYS_SAMPLE);
    lists_put_number(writer, rank, "writes", (uint64_t)key->writes * HOTKEYS_SAMPLE);
    lists_put_number(writer, rank, "bytes", key->bytes * HOTKEYS_SAMPLE);
    lists_put_of_key(writer, rank, "copied", key->copied ? "yes" : "no");
}

void stats_put_hotkeys(struct stats_writer *writer, const struct hotkeys_list *list) {
    stats_put_number(writer, "sample", HOTKEYS_SAMPLE);
    stats_put_number(writer, "sampled", list->sampled);
    stats_put_number(writer, "window", list->window_ns / 1000000000);
    for (uint32_t i = 0; i < list->count; i++) {
        lists_put_key(writer, i + 1, &list->keys[i], list->sampled);
    }
}
