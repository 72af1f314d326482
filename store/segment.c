#include "store/segment.h"

#include "store/order.h"
#include "store/pages.h"

#include <errno.h>

static size_t segment_bytes_for(size_t memory_bytes) {
    size_t bytes = SEGMENT_BYTES_MIN;
    while (bytes < SEGMENT_BYTES_MAX && bytes * 2 <= memory_bytes / SEGMENTS_PER_MEMORY) {
        bytes *= 2;
    }
    return bytes;
}

static uint32_t segment_block_segments_for(size_t memory_bytes, size_t page_bytes) {
    size_t huge_bytes = pages_huge_bytes(page_bytes);
    if (memory_bytes <= SEGMENTS_HUGE_ABOVE || huge_bytes == page_bytes) {
        return 1;
    }
    return (uint32_t)(huge_bytes / segment_bytes_for(memory_bytes));
}

/* The last number of the last block. The first block, with location 0, is not used. */
static uint32_t segment_max_for(const struct segment_log *log, size_t memory_bytes_max) {
    size_t blocks =
        pages_round_up(memory_bytes_max, segment_block_bytes(log)) / segment_block_bytes(log);
    return (uint32_t)((blocks + 1) * log->block_segments) - 1;
}

size_t segment_reserved_bytes(const struct segment_log *log) {
    return ((size_t)log->segments_max + 1) * log->segment_bytes;
}

/* The most free segments that stay warm. */
static uint32_t segment_warm_max_for(const struct segment_log *log, size_t memory_bytes) {
    size_t part = memory_bytes / log->segment_bytes / SEGMENTS_PER_WARM;
    size_t least = part > SEGMENTS_WARM_MIN ? part : SEGMENTS_WARM_MIN;
    return (uint32_t)least + log->block_segments - 1;
}

void segment_log_lay_out(struct segment_log *log, size_t memory_bytes, size_t memory_bytes_max,
                         size_t page_bytes) {
    *log = (struct segment_log){.segment_bytes = segment_bytes_for(memory_bytes)};
    log->unit_shift = (uint32_t)__builtin_ctzll(log->segment_bytes / ITEM_ALIGN);
    log->block_segments = segment_block_segments_for(memory_bytes, page_bytes);
    log->segments_max = segment_max_for(log, memory_bytes_max);
    log->touched = log->block_segments - 1;
    log->sequence_next = 1;
    log->warm_max = segment_warm_max_for(log, memory_bytes);
    log->sparse_sixteenths = SEGMENT_SPARSE_SIXTEENTHS;
    log->page_bytes = page_bytes;
    log->headers_bytes = segment_headers_bytes(log, log->touched);
}

int segment_log_init(struct segment_log *log, size_t memory_bytes, size_t memory_bytes_max,
                     size_t page_bytes) {
    segment_log_lay_out(log, memory_bytes, memory_bytes_max, page_bytes);
    log->segments = pages_reserve(segment_headers_bytes(log, log->segments_max));
    if (!log->segments) {
        return -ENOMEM;
    }
    log->base = pages_reserve(segment_reserved_bytes(log));
    if (!log->base) {
        pages_free(log->segments, segment_headers_bytes(log, log->segments_max));
        return -ENOMEM;
    }
    return 0;
}

void segment_log_finish(struct segment_log *log) {
    if (segment_in_file(log)) {
        return;
    }
    pages_free(log->base, segment_reserved_bytes(log));
    pages_free(log->segments, segment_headers_bytes(log, log->segments_max));
}

static struct segment_queue *segment_queue_of(struct segment_log *log,
                                              const struct segment *segment) {
    return &log->queues[segment->queue];
}

/* Puts a segment into its queue, next to `newer` on the older side; 0: as the newest. */
static void segment_enqueue(struct segment_log *log, uint32_t number, uint32_t newer) {
    struct segment *segment = &log->segments[number];
    struct segment_queue *queue = segment_queue_of(log, segment);
    uint32_t *from_newer = newer != 0 ? &log->segments[newer].older : &queue->newest;
    segment->newer = newer;
    segment->older = *from_newer;
    *from_newer = number;
    if (segment->older != 0) {
        log->segments[segment->older].newer = number;
    } else {
        queue->oldest = number;
    }
}

static void segment_unqueue(struct segment_log *log, const struct segment *segment) {
    struct segment_queue *queue = segment_queue_of(log, segment);
    if (segment->older != 0) {
        log->segments[segment->older].newer = segment->newer;
    } else {
        queue->oldest = segment->newer;
    }
    if (segment->newer != 0) {
        log->segments[segment->newer].older = segment->older;
    } else {
        queue->newest = segment->older;
    }
}

static enum segment_queue_name segment_queue_at(enum segment_end end) {
    switch (end) {
    case SEGMENT_NEW_SMALL:
    case SEGMENT_EXTENTS:
    case SEGMENT_GATHER_SMALL:
        return SEGMENT_SMALL;
    case SEGMENT_NEW_MAIN:
    case SEGMENT_EXTENTS_MAIN:
    case SEGMENT_GATHER_MAIN:
    case SEGMENT_ENDS:
        break;
    }
    return SEGMENT_MAIN;
}

static void segment_open_at(struct segment_log *log, enum segment_end end, uint32_t number,
                            struct segment segment, uint32_t newer) {
    assert(log->open[end] == 0);
    assert(number >= 1 && number <= log->segments_max);
    assert(!segment_in_use(&log->segments[number]));
    log->segments[number] = segment;
    log->open[end] = number;
    log->queues[segment.queue].segments++;
    log->segments_used++;
    segment_enqueue(log, number, newer);
}

void segment_open(struct segment_log *log, enum segment_end end, uint32_t number, uint32_t now) {
    struct segment segment = {.sequence = log->sequence_next++,
                              .opened = now,
                              .queue = segment_queue_at(end),
                              .open = 1,
                              .end = end};
    segment_open_at(log, end, number, segment, 0);
}

void segment_open_before(struct segment_log *log, uint32_t number, uint32_t source) {
    const struct segment *from = &log->segments[source];
    struct segment segment = {.sequence = from->sequence,
                              .opened = from->opened,
                              .queue = from->queue,
                              .open = 1,
                              .end = segment_gather_end(from)};
    segment_open_at(log, segment_gather_end(from), number, segment, source);
}

void segment_gather_from(struct segment_log *log, uint32_t source) {
    const struct segment *from = &log->segments[source];
    uint32_t number = log->open[segment_gather_end(from)];
    struct segment *segment = &log->segments[number];
    if (number == 0 || segment->sequence >= from->sequence) {
        return;
    }
    segment_unqueue(log, segment);
    segment->sequence = from->sequence;
    segment->opened = from->opened;
    segment_enqueue(log, number, source);
}

static void segment_free(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    segment_unqueue(log, segment);
    segment_queue_of(log, segment)->segments--;
    segment_queue_of(log, segment)->sparse -= segment->sparse;
    log->used_bytes -= segment->used_bytes;
    segment_warm_add(log, number);
    log->segments_used--;
    if (log->warm_count > log->warm_max) {
        segment_cool(log);
    }
}

/* An open segment is filled from its start again instead of leaving the queue. */
__attribute__((noinline, cold)) static void segment_free_dead(struct segment_log *log,
                                                              uint32_t number) {
    struct segment *segment = &log->segments[number];
    if (segment->open) {
        log->used_bytes -= segment->used_bytes;
        segment->used_bytes = 0;
    } else {
        segment_free(log, number);
    }
}

static inline void segment_free_if_dead(struct segment_log *log, uint32_t number) {
    const struct segment *segment = &log->segments[number];
    if (segment->live_bytes == 0 && segment->pins == 0 && !segment->held) {
        segment_free_dead(log, number);
    }
}

static void segment_note_sparse(struct segment_log *log, struct segment *segment) {
    if (segment->open || segment->sparse ||
        segment->live_bytes >= segment->used_bytes / 16 * log->sparse_sixteenths) {
        return;
    }
    segment->sparse = 1;
    segment_queue_of(log, segment)->sparse++;
}

void segment_seal(struct segment_log *log, enum segment_end end) {
    uint32_t number = log->open[end];
    if (number == 0) {
        return;
    }
    log->open[end] = 0;
    log->segments[number].open = 0;
    segment_note_sparse(log, &log->segments[number]);
    segment_free_if_dead(log, number);
}

void segment_seal_all(struct segment_log *log) {
    for (int end = 0; end < SEGMENT_ENDS; end++) {
        segment_seal(log, (enum segment_end)end);
    }
}

/* What is left of the open segment becomes a dead record. */
static void segment_fill(struct segment_log *log, enum segment_end end) {
    uint32_t space = segment_space(log, end);
    struct segment *segment = &log->segments[log->open[end]];
    if (space < ITEM_RECORD_BYTES_MIN || segment->live_bytes == 0) {
        return;
    }
    *segment_item(log, segment_tail(log, end)) =
        (struct item){.value_length = space - (uint32_t)offsetof(struct item, body)};
    store_order();
    segment->used_bytes += space;
    log->used_bytes += space;
}

void segment_seal_all_filled(struct segment_log *log) {
    for (int end = 0; end < SEGMENT_ENDS; end++) {
        segment_fill(log, (enum segment_end)end);
        segment_seal(log, (enum segment_end)end);
    }
}

uint64_t segment_append(struct segment_log *log, enum segment_end end, uint32_t bytes) {
    assert(bytes % ITEM_ALIGN == 0);
    assert(segment_has_space(log, end, bytes));
    uint32_t number = log->open[end];
    struct segment *segment = &log->segments[number];
    uint64_t location = segment_tail(log, end);
    store_order(); /* a segment that was used before is full of records that still look whole */
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
    segment_note_sparse(log, segment);
    segment_free_if_dead(log, number);
}

/* The bytes cut off become a dead record, which the log can be read across in one step, or pads. A
 * dead record has no fewer bytes than a live one, so that a segment's length bounds its records.
 * They are written before the caller makes the record in front of them shorter. */
void segment_cut(struct segment_log *log, uint64_t location, uint32_t from, uint32_t to) {
    assert(from >= to && to >= ITEM_RECORD_BYTES_MIN);
    assert(from % ITEM_ALIGN == 0 && to % ITEM_ALIGN == 0);
    uint32_t bytes = from - to;
    struct item *rest = segment_item(log, location + to / ITEM_ALIGN);
    if (bytes >= ITEM_RECORD_BYTES_MIN) {
        *rest = (struct item){.value_length = bytes - (uint32_t)offsetof(struct item, body)};
    } else {
        memset(rest, UINT8_MAX, bytes);
    }
    store_order();
    if (bytes != 0) {
        segment_release(log, location, bytes);
    }
}

void segment_hold(struct segment_log *log, uint32_t number) {
    assert(segment_in_use(&log->segments[number]));
    assert(!log->segments[number].held);
    log->segments[number].held = 1;
}

void segment_unhold(struct segment_log *log, uint32_t number) {
    assert(log->segments[number].held);
    log->segments[number].held = 0;
    segment_free_if_dead(log, number);
}

void segment_pin(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    assert(segment_in_use(segment));
    log->pinned += segment->pins == 0;
    segment->pins++;
    assert(segment->pins != 0);
}

void segment_unpin(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    assert(segment->pins > 0);
    segment->pins--;
    log->pinned -= segment->pins == 0;
    segment_free_if_dead(log, number);
}

uint32_t segment_victim(struct segment_log *log, enum segment_queue_name name) {
    struct segment_queue *queue = &log->queues[name];
    for (uint32_t looks = 0; looks < SEGMENT_LOOKS_MAX && queue->oldest != 0; looks++) {
        uint32_t number = queue->oldest;
        struct segment *segment = &log->segments[number];
        if (number == log->open[segment_gather_end(segment)]) {
            segment_seal(log, segment_gather_end(segment));
        } else if (segment->pins == 0 && !segment->held && !segment->open) {
            return number;
        } else if (queue->newest == number) {
            return 0;
        } else {
            segment_unqueue(log, segment);
            segment_enqueue(log, number, 0);
        }
    }
    return 0;
}

uint32_t segment_find_sparse(const struct segment_log *log, enum segment_queue_name name, bool fits,
                             uint32_t *cursor) {
    for (uint32_t looks = 0; looks < SEGMENT_LOOKS_MAX; looks++) {
        uint32_t number = *cursor;
        const struct segment *at = &log->segments[number];
        if (!segment_in_use(at) || at->queue != name) {
            number = log->queues[name].oldest;
            at = &log->segments[number];
        }
        *cursor = at->newer;
        if (at->sparse && at->pins == 0 && !at->held &&
            (!fits || segment_has_space(log, segment_gather_end(at), at->live_bytes))) {
            return number;
        }
    }
    return 0;
}

void segment_adopt(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    segment->live_bytes = 0;
    segment->pins = 0;
    segment->sparse = segment->held = segment->cold = 0;
    log->queues[segment->queue].segments++;
    log->segments_used++;
    log->used_bytes += segment->used_bytes;
    if (segment->sequence >= log->sequence_next) {
        log->sequence_next = segment->sequence + 1;
    }
    segment_enqueue(log, number, 0);
}

void segment_adopt_end(struct segment_log *log, uint32_t number, bool may_open) {
    struct segment *segment = &log->segments[number];
    enum segment_end end = (enum segment_end)segment->end;
    segment->open = segment->open && may_open && segment->live_bytes != 0 && end < SEGMENT_ENDS &&
                    segment_queue_at(end) == segment->queue && log->open[end] == 0;
    if (segment->open) {
        log->open[end] = number;
    }
    segment_note_sparse(log, segment);
    segment_free_if_dead(log, number);
}
