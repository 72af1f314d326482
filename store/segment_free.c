/* Free segments, and where their pages come from. */
#include "store/file_pages.h"
#include "store/pages.h"
#include "store/segment.h"

static char *segment_address(const struct segment_log *log, uint32_t number) {
    return log->base + (size_t)number * log->segment_bytes;
}

static uint64_t segment_file_offset(const struct segment_log *log, uint32_t number) {
    return log->file.base_offset + (uint64_t)number * log->segment_bytes;
}

/* Reserves the pages of a number of segments in the file; without one they come as they are
 * touched. Returns false when the file system has none left. */
static bool segment_reserve(struct segment_log *log, uint32_t number, uint32_t count) {
    if (!segment_in_file(log)) {
        return true;
    }
    int error =
        file_pages_populate(log->file.fd, segment_file_offset(log, number),
                            segment_address(log, number), count * log->segment_bytes, count > 1);
    log->file.refused = error != 0;
    return error == 0;
}

/* Whole blocks in use ask for huge pages, as they did when they were taken. */
int segment_reserve_used(struct segment_log *log, uint32_t number, uint32_t count) {
    uint32_t block = log->block_segments;
    uint32_t first = (number + block - 1) / block * block;
    uint32_t end = (number + count) / block * block;
    if (block > 1 && first < end) {
        pages_make_huge(segment_address(log, first), (end - first) * log->segment_bytes);
    }
    return file_pages_reserve(log->file.fd, segment_file_offset(log, number),
                              count * log->segment_bytes);
}

uint32_t segment_take_warm(struct segment_log *log) {
    uint32_t number = log->warm;
    if (number != 0) {
        log->warm = log->segments[number].newer;
        log->warm_count--;
    }
    return number;
}

void segment_warm_add(struct segment_log *log, uint32_t number) {
    log->segments[number] = (struct segment){.newer = log->warm};
    log->warm = number;
    log->warm_count++;
}

void segment_cold_add(struct segment_log *log, uint32_t number) {
    log->segments[number] = (struct segment){.newer = log->cold, .cold = 1};
    if (log->cold != 0) {
        log->segments[log->cold].older = number;
    }
    log->cold = number;
}

static void segment_cold_remove(struct segment_log *log, uint32_t number) {
    struct segment *segment = &log->segments[number];
    if (segment->older != 0) {
        log->segments[segment->older].newer = segment->newer;
    } else {
        log->cold = segment->newer;
    }
    if (segment->newer != 0) {
        log->segments[segment->newer].older = segment->older;
    }
    *segment = (struct segment){0};
}

/* The first segment of its block. */
static uint32_t segment_block(const struct segment_log *log, uint32_t number) {
    return number & ~(log->block_segments - 1);
}

static bool segment_block_is_cold(const struct segment_log *log, uint32_t first) {
    for (uint32_t i = 0; i < log->block_segments; i++) {
        if (!log->segments[first + i].cold) {
            return false;
        }
    }
    return true;
}

/* Returns false when its pages can't be reserved; it is cold then as before. */
static bool segment_block_warm(struct segment_log *log, uint32_t first) {
    pages_make_huge(segment_address(log, first), segment_block_bytes(log));
    if (!segment_reserve(log, first, log->block_segments)) {
        pages_make_small(segment_address(log, first), segment_block_bytes(log));
        return false;
    }
    for (uint32_t i = log->block_segments; i > 0; i--) {
        segment_cold_remove(log, first + i - 1);
        segment_warm_add(log, first + i - 1);
    }
    return true;
}

/* Makes sure that the headers up to this number can be written. */
static bool segment_headers_grow(struct segment_log *log, uint32_t last) {
    size_t bytes = segment_headers_bytes(log, last);
    size_t before = log->headers_bytes;
    if (bytes > before && segment_in_file(log) &&
        file_pages_reserve(log->file.fd, log->file.headers_offset + before, bytes - before) != 0) {
        log->file.refused = true;
        return false;
    }
    log->headers_bytes = bytes;
    return true;
}

/* Adds the next block that was never used to the cold segments; this touches their headers. */
static void segment_block_touch(struct segment_log *log) {
    if (log->touched == log->segments_max ||
        !segment_headers_grow(log, log->touched + log->block_segments)) {
        return;
    }
    for (uint32_t i = log->block_segments; i > 0; i--) {
        segment_cold_add(log, log->touched + i);
    }
    log->touched += log->block_segments;
    if (log->file.touched) {
        *log->file.touched = log->touched;
    }
}

uint32_t segment_take_cold(struct segment_log *log, bool may_take_block) {
    if (log->cold == 0) {
        segment_block_touch(log);
    }
    uint32_t number = log->cold;
    uint32_t first = segment_block(log, number);
    if (number == 0) {
        return 0;
    }
    if (log->block_segments > 1 && may_take_block && segment_block_is_cold(log, first) &&
        segment_block_warm(log, first)) {
        return segment_take_warm(log);
    }
    if (!segment_reserve(log, number, 1)) {
        return 0;
    }
    segment_cold_remove(log, number);
    return number;
}

void segment_warm_ahead(struct segment_log *log) {
    if (log->cold == 0) {
        segment_block_touch(log);
    }
    uint32_t first = segment_block(log, log->cold);
    if (log->cold == 0 || !segment_block_is_cold(log, first)) {
        return;
    }
    if (segment_block_warm(log, first)) {
        *(volatile char *)segment_address(log, first) = 0;
    }
}

void segment_release_pages(struct segment_log *log, uint32_t number, uint32_t count) {
    if (segment_in_file(log)) {
        /* A file system that can't punch holes keeps them. */
        (void)file_pages_punch(log->file.fd, segment_file_offset(log, number),
                               count * log->segment_bytes);
    } else {
        pages_release(segment_address(log, number), count * log->segment_bytes);
    }
}

/* The rest of its block loses the huge page: if the kernel put one together again by itself, the
 * pages given back here would be resident without being counted. */
bool segment_cool(struct segment_log *log) {
    uint32_t number = segment_take_warm(log);
    if (number == 0) {
        return false;
    }
    if (log->block_segments > 1) {
        pages_make_small(segment_address(log, segment_block(log, number)),
                         segment_block_bytes(log));
    }
    segment_release_pages(log, number, 1);
    segment_cold_add(log, number);
    return true;
}
