#include "core/stats/writer.h"
#include "proto/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *stats_reserve(struct stats_writer *writer, size_t bytes) {
    if (writer->failed || !buffer_reserve(writer->pool, writer->output, bytes)) {
        writer->failed = true;
        return NULL;
    }
    return writer->output->bytes + writer->output->length;
}

void stats_put(struct stats_writer *writer, const char *name, const char *value) {
    char *out = stats_reserve(writer, strlen(name) + strlen(value) + REPLY_STAT_MAX);
    if (out) {
        writer->output->length += reply_stat(out, writer->request, name, value);
    }
}

void stats_put_number(struct stats_writer *writer, const char *name, uint64_t number) {
    char value[sizeof("18446744073709551615")];
    snprintf(value, sizeof(value), "%" PRIu64, number);
    stats_put(writer, name, value);
}

size_t stats_digits(uint64_t number) {
    size_t digits = 1;
    for (; number >= 10; number /= 10) {
        digits++;
    }
    return digits;
}

void stats_put_switch(struct stats_writer *writer, const char *name, bool on) {
    stats_put(writer, name, on ? "yes" : "no");
}

void stats_put_end(struct stats_writer *writer) {
    char *out = stats_reserve(writer, REPLY_STAT_MAX);
    if (out) {
        writer->output->length += reply_stats_end(out, writer->request);
    }
}
