#include "store_fixture.h"

#define PAGE_BYTES ((size_t)4096)

static void open_next(struct segment_log *log) {
    uint32_t number = segment_take_warm(log);
    if (number == 0) {
        number = segment_take_cold(log, true);
    }
    cr_assert(ne(u32, number, 0));
    segment_open(log, SEGMENT_NEW_SMALL, number, 1);
}

Test(segment, size_follows_the_memory) {
    static const struct {
        size_t memory_bytes;
        size_t segment_bytes;
    } cases[] = {
        {MIB / 2, 16384},        {MIB, 16384},        {8 * MIB - 1, 16384}, {8 * MIB, 32768},
        {64 * MIB - 1, MIB / 8}, {64 * MIB, MIB / 4}, {256 * MIB, MIB},     {4096 * MIB, MIB}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct segment_log log;
        cr_assert(eq(int, segment_log_init(&log, cases[i].memory_bytes, 64 * MIB, PAGE_BYTES), 0));
        cr_assert(eq(sz, log.segment_bytes, cases[i].segment_bytes));
        segment_log_finish(&log);
    }
}

Test(segment, a_queue_from_oldest_to_newest) {
    struct segment_log log;
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    uint64_t first[3];
    for (int i = 0; i < 3; i++) {
        open_next(&log);
        first[i] = segment_append(&log, SEGMENT_NEW_SMALL, 64);
        segment_append(&log, SEGMENT_NEW_SMALL, (uint32_t)log.segment_bytes - 64);
        cr_assert(not(segment_has_space(&log, SEGMENT_NEW_SMALL, 8)));
        segment_seal(&log, SEGMENT_NEW_SMALL);
    }
    cr_assert(eq(u32, segment_victim(&log, SEGMENT_SMALL), segment_of(&log, first[0])));
    segment_pin(&log, segment_of(&log, first[0]));
    cr_assert(eq(u32, segment_victim(&log, SEGMENT_SMALL), segment_of(&log, first[1])));
    segment_release(&log, first[1], (uint32_t)log.segment_bytes);
    cr_assert(eq(u32, segment_victim(&log, SEGMENT_SMALL), segment_of(&log, first[2])));
    cr_assert(eq(u32, log.segments_used, 2));
    segment_release(&log, first[0], (uint32_t)log.segment_bytes);
    cr_assert(eq(u32, log.segments_used, 2), "pinned, though dead");
    segment_unpin(&log, segment_of(&log, first[0]));
    cr_assert(eq(u32, log.segments_used, 1));
    segment_log_finish(&log);
}

/* Fills a segment with eight records and closes it; returns the location of the first. */
static uint64_t fill_next(struct segment_log *log) {
    open_next(log);
    uint64_t first = segment_append(log, SEGMENT_NEW_SMALL, 2048);
    for (int i = 1; i < 8; i++) {
        segment_append(log, SEGMENT_NEW_SMALL, 2048);
    }
    segment_seal(log, SEGMENT_NEW_SMALL);
    return first;
}

Test(segment, pinned_ones_are_not_looked_at_twice) {
    struct segment_log log;
    uint32_t numbers[3];
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    for (int i = 0; i < 3; i++) {
        numbers[i] = segment_of(&log, fill_next(&log));
    }
    segment_pin(&log, numbers[0]);
    cr_assert(eq(u32, segment_victim(&log, SEGMENT_SMALL), numbers[1]));
    cr_assert(eq(u32, log.queues[SEGMENT_SMALL].oldest, numbers[1]));
    cr_assert(eq(u32, log.queues[SEGMENT_SMALL].newest, numbers[0]));
    segment_pin(&log, numbers[1]);
    segment_pin(&log, numbers[2]);
    cr_assert(eq(u32, segment_victim(&log, SEGMENT_SMALL), 0));
    cr_assert(eq(u32, segment_victim(&log, SEGMENT_MAIN), 0));
    segment_log_finish(&log);
}

Test(segment, sparse_below_three_quarters) {
    struct segment_log log;
    uint64_t first[3];
    uint32_t cursor = 0;
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    for (int i = 0; i < 3; i++) {
        first[i] = fill_next(&log);
    }
    segment_release(&log, first[1], 2048);
    segment_release(&log, first[1], 2048);
    cr_assert(eq(u32, log.queues[SEGMENT_SMALL].sparse, 0));
    cr_assert(eq(u32, segment_find_sparse(&log, SEGMENT_SMALL, false, &cursor), 0));
    segment_release(&log, first[1], 2048);
    segment_release(&log, first[1], 2048);
    cr_assert(eq(u32, log.queues[SEGMENT_SMALL].sparse, 1));
    cr_assert(eq(u32, segment_find_sparse(&log, SEGMENT_SMALL, false, &cursor),
                 segment_of(&log, first[1])));
    cr_assert(eq(u32, segment_find_sparse(&log, SEGMENT_SMALL, false, &cursor),
                 segment_of(&log, first[1])));
    /* No segment is open for what would be gathered. */
    cr_assert(eq(u32, segment_find_sparse(&log, SEGMENT_SMALL, true, &cursor), 0));
    segment_pin(&log, segment_of(&log, first[1]));
    cr_assert(eq(u32, segment_find_sparse(&log, SEGMENT_SMALL, false, &cursor), 0));
    segment_release(&log, first[1], 4 * 2048);
    segment_unpin(&log, segment_of(&log, first[1]));
    cr_assert(eq(u32, log.queues[SEGMENT_SMALL].sparse, 0));
    cr_assert(eq(u32, log.segments_used, 2));
    segment_log_finish(&log);
}

/* The gathering segment has the place and the age of the last source. */
Test(segment, gathering_in_the_place_of_the_source) {
    struct segment_log log;
    uint32_t numbers[4];
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    for (int i = 0; i < 4; i++) {
        numbers[i] = segment_of(&log, fill_next(&log));
    }
    uint32_t gather = segment_take_cold(&log, true);
    segment_open_before(&log, gather, numbers[1]);
    cr_assert(eq(u32, log.segments[numbers[0]].newer, gather));
    cr_assert(eq(u32, log.segments[gather].newer, numbers[1]));
    cr_assert(eq(u64, log.segments[gather].sequence, log.segments[numbers[1]].sequence));
    segment_append(&log, SEGMENT_GATHER_SMALL, 2048);
    segment_gather_from(&log, numbers[3]);
    cr_assert(eq(u32, log.segments[numbers[2]].newer, gather));
    cr_assert(eq(u32, log.segments[gather].newer, numbers[3]));
    segment_gather_from(&log, numbers[0]);
    cr_assert(eq(u32, log.segments[gather].newer, numbers[3]), "never back");
    segment_gather_from(&log, numbers[3]);
    cr_assert(eq(u32, log.segments[gather].newer, numbers[3]));
    cr_assert(eq(u32, log.segments[numbers[3]].older, gather));
    segment_log_finish(&log);
}

Test(segment, an_open_one_starts_anew_when_all_is_dead) {
    struct segment_log log;
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    open_next(&log);
    uint64_t location = segment_append(&log, SEGMENT_NEW_SMALL, 16384);
    segment_release(&log, location, 16384);
    cr_assert(segment_has_space(&log, SEGMENT_NEW_SMALL, 16384));
    cr_assert(eq(u64, segment_append(&log, SEGMENT_NEW_SMALL, 24), location));
    segment_log_finish(&log);
}

/* Two segments in a huge page become warm together, unless memory allows one only. After one of
 * them was given back, both do so again only when the other one is cold, too. */
Test(segment, blocks_come_as_a_whole) {
    struct segment_log log;
    segment_log_init(&log, 512 * MIB, 512 * MIB, PAGE_BYTES);
    cr_assert(eq(u32, log.block_segments, 2));
    cr_assert(eq(u32, segment_take_cold(&log, true), 2));
    cr_assert(eq(u32, log.warm_count, 1));
    cr_assert(eq(u32, segment_take_warm(&log), 3));
    cr_assert(eq(u32, segment_take_cold(&log, false), 4));
    cr_assert(eq(u32, log.warm_count, 0));
    cr_assert(eq(u32, segment_take_cold(&log, true), 5), "part of a block comes first");
    cr_assert(eq(u32, log.warm_count, 0));
    cr_assert(eq(u32, segment_take_cold(&log, true), 6));
    segment_cool(&log);
    cr_assert(eq(u32, segment_take_cold(&log, true), 7));
    cr_assert(eq(u32, log.warm_count, 0));
    while (log.touched < log.segments_max || log.cold != 0) {
        segment_take_cold(&log, false);
    }
    cr_assert(eq(u32, log.touched, 512 + 1));
    segment_log_finish(&log);
}

Test(segment, a_block_that_was_given_back_comes_as_a_whole) {
    struct segment_log log;
    segment_log_init(&log, 128 * MIB, 128 * MIB, PAGE_BYTES);
    cr_assert(eq(u32, log.block_segments, 4));
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t number = segment_take_cold(&log, true);
        segment_open(&log, SEGMENT_NEW_SMALL, number, 1);
        while (segment_cool(&log)) {
            continue;
        }
        cr_assert(eq(sz, segment_resident_bytes(&log), log.segment_bytes));
        segment_release(&log, segment_append(&log, SEGMENT_NEW_SMALL, 64), 64);
        segment_seal(&log, SEGMENT_NEW_SMALL);
        cr_assert(eq(u32, log.warm_count, 1));
        segment_cool(&log);
        cr_assert(eq(u32, log.touched, 4 + 3), "the same block again");
    }
    segment_log_finish(&log);
}

Test(segment, few_free_ones_stay_warm) {
    struct segment_log log;
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    uint64_t locations[10];
    for (int i = 0; i < 10; i++) {
        open_next(&log);
        locations[i] = segment_append(&log, SEGMENT_NEW_SMALL, 64);
        segment_seal(&log, SEGMENT_NEW_SMALL);
    }
    for (int i = 0; i < 10; i++) {
        segment_release(&log, locations[i], 64);
    }
    cr_assert(eq(u32, log.segments_used, 0));
    cr_assert(eq(u32, log.warm_count, SEGMENTS_WARM_MIN));
    cr_assert(eq(sz, segment_resident_bytes(&log), SEGMENTS_WARM_MIN * log.segment_bytes));
    while (segment_cool(&log)) {
        ;
    }
    cr_assert(eq(sz, segment_resident_bytes(&log), 0));
    for (uint32_t i = 0; i < log.segments_max; i++) {
        cr_assert(ne(u32, segment_take_cold(&log, true), 0));
    }
    cr_assert(eq(u32, segment_take_cold(&log, true), 0));
    segment_log_finish(&log);
}

/* In a larger log more of them do: a large value in the place of another finds its pages. */
Test(segment, a_part_of_a_large_log_stays_warm) {
    struct segment_log log;
    uint64_t locations[100];
    segment_log_init(&log, 64 * MIB, 64 * MIB, PAGE_BYTES);
    for (int i = 0; i < 100; i++) {
        open_next(&log);
        locations[i] = segment_append(&log, SEGMENT_NEW_SMALL, 64);
        segment_seal(&log, SEGMENT_NEW_SMALL);
    }
    for (int i = 0; i < 100; i++) {
        segment_release(&log, locations[i], 64);
    }
    cr_assert(eq(sz, segment_resident_bytes(&log), 2 * MIB));
    segment_log_finish(&log);
}
