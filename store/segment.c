#include "store/segment.h"

#include "store/pages.h"

#include <errno.h>

static size_t segment_bytes_for(size_t memory_bytes) {
    size_t bytes = SEGMENT_BYTES_MIN;
    while (bytes < SEGMENT_BYTES_MAX && bytes * 2 <= memory_bytes / SEGMENTS_PER_MEMORY)
        bytes *= 2;
    return bytes;
}

static size_t headers_bytes(const struct segment_log *log, uint32_t last) {
    return pages_round_up(((size_t)last + 1) * sizeof(struct segment), log->page_bytes);
}

static size_t reserved_bytes(const struct segment_log *log) {
    return ((size_t)log->segments_max + 1) * log->segment_bytes;
}

int segment_log_init(struct segment_log *log, size_t memory_bytes, size_t memory_bytes_max,
                     size_t page_bytes) {
    *log = (struct segment_log){.segment_bytes = segment_bytes_for(memory_bytes)};
    log->unit_shift = (uint32_t)__builtin_ctzll(log->segment_bytes / ITEM_ALIGN);
    log->segments_max = (uint32_t)(memory_bytes_max / log->segment_bytes);
    log->sequence_next = 1;
    log->page_bytes = page_bytes;
    log->headers_bytes = headers_bytes(log, 0);
    log->segments = pages_reserve(headers_bytes(log, log->segments_max));
    if (log->segments == NULL)
        return -ENOMEM;
    log->base = pages_reserve(reserved_bytes(log));
    if (log->base == NULL) {
        pages_free(log->segments, headers_bytes(log, log->segments_max));
        return -ENOMEM;
    }
    return 0;
}

void segment_log_finish(struct segment_log *log) {
    pages_free(log->base, reserved_bytes(log));
    pages_free(log->segments, headers_bytes(log, log->segments_max));
}

static char *segment_address(const struct segment_log *log, uint32_t number) {
    return log->base + (size_t)number * log->segment_bytes;
}

uint32_t segment_take_warm(struct segment_log *log) {
    uint32_t number = log->warm;
    if (number != 0) {
        log->warm = log->segments[number].newer;
        log->warm_count--;
    }
    return number;
}

uint32_t segment_take_cold(struct segment_log *log) {
    uint32_t number = log->cold;
    if (number != 0) {
        log->cold = log->segments[number].newer;
    } else if (log->touched < log->segments_max) {
        number = ++log->touched;
        log->headers_bytes = headers_bytes(log, number);
    }
    return number;
}

bool segment_cool(struct segment_log *log) {
    uint32_t number = segment_take_warm(log);
    if (number == 0)
        return false;
    pages_release(segment_address(log, number), log->segment_bytes);
    log->segments[number].newer = log->cold;
    log->cold = number;
    return true;
}

void segment_open(struct segment_log *log, enum segment_end end, uint32_t number, uint32_t now) {
    assert(log->open[end] == 0);
    assert(number >= 1 && number <= log->segments_max);
    struct segment *segment = &log->segments[number];
    assert(!segment_in_use(segment));
    *segment =
        (struct segment){.sequence = log->sequence_next++, .older = log->newest, .opened = now};
    if (log->newest != 0)
        log->segments[log->newest].newer = number;
    else
        log->oldest = number;
    log->newest = number;
    log->open[end] = number;
    log->segments_used++;
}

static void segment_unqueue(struct segment_log *log, struct segment *segment) {
    if (segment->older != 0)
        log->segments[segment->older].newer = segment->newer;
    else
        log->oldest = segment->newer;
    if (segment->newer != 0)
        log->segments[segment->newer].older = segment->older;
    else
        log->newest = segment->older;
}

static void segment_free(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    segment_unqueue(log, segment);
    log->used_bytes -= segment->used_bytes;
    *segment = (struct segment){.newer = log->warm};
    log->warm = number;
    log->warm_count++;
    log->segments_used--;
    if (log->warm_count > SEGMENTS_WARM_MAX)
        segment_cool(log);
}

/* An open segment starts anew instead of leaving the queue. */
static void segment_free_if_dead(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    if (segment->live_bytes != 0 || segment->pins != 0)
        return;
    if (segment_is_open(log, number)) {
        log->used_bytes -= segment->used_bytes;
        segment->used_bytes = 0;
    } else {
        segment_free(log, number);
    }
}

void segment_seal(struct segment_log *log, enum segment_end end) {
    uint32_t number = log->open[end];
    log->open[end] = 0;
    if (number != 0)
        segment_free_if_dead(log, number);
}

void segment_seal_all(struct segment_log *log) {
    segment_seal(log, SEGMENT_ITEMS);
    segment_seal(log, SEGMENT_EXTENTS);
}

uint64_t segment_append(struct segment_log *log, enum segment_end end, uint32_t bytes) {
    assert(bytes % ITEM_ALIGN == 0);
    assert(segment_has_room(log, end, bytes));
    uint32_t number = log->open[end];
    struct segment *segment = &log->segments[number];
    uint64_t location = segment_first(log, number) + segment->used_bytes / ITEM_ALIGN;
    segment->used_bytes += bytes;
    log->used_bytes += bytes;
    segment->live_bytes += bytes;
    return location;
}

void segment_release(struct segment_log *log, uint64_t location, uint32_t bytes) {
    uint32_t number = segment_of(log, location);
    struct segment *segment = &log->segments[number];
    assert(segment_in_use(segment));
    assert(segment->live_bytes >= bytes);
    segment->live_bytes -= bytes;
    segment_free_if_dead(log, number);
}

void segment_pin(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    assert(segment_in_use(segment));
    assert(segment->pins < UINT32_MAX);
    log->pinned += segment->pins == 0;
    segment->pins++;
}

void segment_unpin(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    assert(segment->pins > 0);
    segment->pins--;
    log->pinned -= segment->pins == 0;
    segment_free_if_dead(log, number);
}

uint32_t segment_victim(const struct segment_log *log) {
    uint32_t number = log->oldest;
    while (number != 0 && (log->segments[number].pins != 0 || segment_is_open(log, number)))
        number = log->segments[number].newer;
    return number;
}
