#include "core/stats/metrics_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool metrics_ends_in(const char *name, const char *end) {
    size_t length = strlen(name), end_length = strlen(end);
    return length > end_length && strcmp(name + length - end_length, end) == 0;
}

/* Of the name without _total, which OpenMetrics has in samples alone. */
static void metrics_put_unit(struct metrics_writer *writer, const char *name, int length) {
    static const char *const units[] = {"seconds", "bytes"};
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        int unit_length = (int)strlen(units[i]);
        if (length > unit_length && name[length - unit_length - 1] == '_' &&
            strncmp(name + length - unit_length, units[i], (size_t)unit_length) == 0) {
            text_format(writer->page, "# UNIT %.*s %s\n", length, name, units[i]);
        }
    }
}

static const char *metrics_type_name(const struct metrics_writer *writer, enum metrics_type type,
                                     bool has_total) {
    switch (type) {
    case METRICS_COUNTER:
        return writer->open_metrics && !has_total ? "unknown" : "counter";
    case METRICS_GAUGE:
        return "gauge";
    case METRICS_HISTOGRAM:
        return "histogram";
    }
    assert(!"a metric of unknown type");
    return "";
}

/* In helps a backslash is doubled; OpenMetrics wants the quotation mark escaped, too. */
static void metrics_put_help(struct metrics_writer *writer, const char *help) {
    for (const char *at = help; *at; at++) {
        if (*at == '\\' || (*at == '"' && writer->open_metrics)) {
            text_add(writer->page, "\\");
        }
        text_add_bytes(writer->page, at, 1);
    }
}

void metrics_put_head(struct metrics_writer *writer, const char *name, enum metrics_type type,
                      const char *help) {
    bool has_total = type == METRICS_COUNTER && metrics_ends_in(name, "_total");
    int length = (int)strlen(name);
    if (writer->open_metrics && has_total) {
        length -= (int)strlen("_total");
    }
    text_format(writer->page, "# HELP %.*s ", length, name);
    metrics_put_help(writer, help);
    text_format(writer->page, "\n# TYPE %.*s %s\n", length, name,
                metrics_type_name(writer, type, has_total));
    if (writer->open_metrics) {
        metrics_put_unit(writer, name, length);
    }
}

void metrics_put_text(struct metrics_writer *writer, const char *name, const char *labels,
                      const char *value) {
    if (labels) {
        text_format(writer->page, "%s{%s} %s\n", name, labels, value);
    } else {
        text_format(writer->page, "%s %s\n", name, value);
    }
}

void metrics_put_number(struct metrics_writer *writer, const char *name, const char *labels,
                        uint64_t number) {
    char value[24];
    snprintf(value, sizeof(value), "%" PRIu64, number);
    metrics_put_text(writer, name, labels, value);
}

void metrics_put_seconds(struct metrics_writer *writer, const char *name, const char *labels,
                         uint64_t nanoseconds) {
    char value[32];
    snprintf(value, sizeof(value), "%" PRIu64 ".%09" PRIu64, nanoseconds / 1000000000,
             nanoseconds % 1000000000);
    metrics_put_text(writer, name, labels, value);
}

const struct statistic *metrics_row(const char *name) {
    for (size_t i = 0; i < statistic_count; i++) {
        if (strcmp(statistic_table[i].name, name) == 0) {
            return &statistic_table[i];
        }
    }
    assert(!"a row that there is");
    return NULL;
}

void metrics_put_row(struct metrics_writer *writer, const char *name, const char *labels,
                     const struct statistic *row, const struct metrics_sources *sources) {
    char value[STATISTIC_TEXT_BYTES];
    if (row->text) {
        row->text(&sources->stats, value);
        metrics_put_text(writer, name, labels, value);
    } else if (strcmp(row->unit, "microseconds") == 0) {
        metrics_put_seconds(writer, name, labels, statistic_number(row, &sources->stats) * 1000);
    } else {
        metrics_put_number(writer, name, labels, statistic_number(row, &sources->stats));
    }
}
