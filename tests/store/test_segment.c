#include "store_fixture.h"

#define PAGE_BYTES ((size_t)4096)

static void open_next(struct segment_log *log) {
    uint32_t number = segment_take_warm(log);
    if (number == 0)
        number = segment_take_cold(log);
    cr_assert(ne(u32, number, 0));
    segment_open(log, SEGMENT_ITEMS, number, 1);
}

Test(segment, size_follows_the_memory) {
    static const struct {
        size_t memory_bytes;
        size_t segment_bytes;
    } cases[] = {{MIB / 2, 16384},        {MIB, 16384},    {2 * MIB - 1, 16384}, {2 * MIB, 32768},
                 {64 * MIB - 1, MIB / 2}, {64 * MIB, MIB}, {4096 * MIB, MIB}};
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
        first[i] = segment_append(&log, SEGMENT_ITEMS, 64);
        segment_append(&log, SEGMENT_ITEMS, (uint32_t)log.segment_bytes - 64);
        cr_assert(not(segment_has_room(&log, SEGMENT_ITEMS, 8)));
        segment_seal(&log, SEGMENT_ITEMS);
    }
    cr_assert(eq(u32, segment_victim(&log), segment_of(&log, first[0])));
    segment_pin(&log, segment_of(&log, first[0]));
    cr_assert(eq(u32, segment_victim(&log), segment_of(&log, first[1])));
    segment_release(&log, first[1], (uint32_t)log.segment_bytes);
    cr_assert(eq(u32, segment_victim(&log), segment_of(&log, first[2])));
    cr_assert(eq(u32, log.segments_used, 2));
    segment_release(&log, first[0], (uint32_t)log.segment_bytes);
    cr_assert(eq(u32, log.segments_used, 2), "pinned, though dead");
    segment_unpin(&log, segment_of(&log, first[0]));
    cr_assert(eq(u32, log.segments_used, 1));
    segment_log_finish(&log);
}

Test(segment, an_open_one_starts_anew_when_all_is_dead) {
    struct segment_log log;
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    open_next(&log);
    uint64_t location = segment_append(&log, SEGMENT_ITEMS, 16384);
    segment_release(&log, location, 16384);
    cr_assert(segment_has_room(&log, SEGMENT_ITEMS, 16384));
    cr_assert(eq(u64, segment_append(&log, SEGMENT_ITEMS, 24), location));
    segment_log_finish(&log);
}

Test(segment, few_free_ones_stay_warm) {
    struct segment_log log;
    segment_log_init(&log, MIB, MIB, PAGE_BYTES);
    uint64_t locations[10];
    for (int i = 0; i < 10; i++) {
        open_next(&log);
        locations[i] = segment_append(&log, SEGMENT_ITEMS, 64);
        segment_seal(&log, SEGMENT_ITEMS);
    }
    for (int i = 0; i < 10; i++)
        segment_release(&log, locations[i], 64);
    cr_assert(eq(u32, log.segments_used, 0));
    cr_assert(eq(u32, log.warm_count, SEGMENTS_WARM_MAX));
    cr_assert(eq(sz, segment_resident_bytes(&log), SEGMENTS_WARM_MAX * log.segment_bytes));
    while (segment_cool(&log))
        ;
    cr_assert(eq(sz, segment_resident_bytes(&log), 0));
    for (uint32_t i = 0; i < log.segments_max; i++)
        cr_assert(ne(u32, segment_take_cold(&log), 0));
    cr_assert(eq(u32, segment_take_cold(&log), 0));
    segment_log_finish(&log);
}
