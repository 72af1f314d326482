/* evict: empties segments, by S3-FIFO eviction and by cleaning; evict.c has the algorithm. Private
 * to the store. */
#ifndef STORE_EVICT_H
#define STORE_EVICT_H

#include "store/internal.h"

/* The work of one operation is bounded: it visits this many records, and one more for each 5 bytes
 * that it writes (a record has at least 20), and moves at most this many bytes, or 3 for each byte
 * that it writes. So cleaning keeps up with writing wherever a quarter of what it visits is dead.
 * In the long run eviction moves no more than 3 bytes for each byte that it frees, either; it may
 * run ahead of that by as much as the memory holds. */
#define EVICT_ITEMS_PER_OPERATION 32
#define EVICT_BYTES_PER_ITEM 5
#define EVICT_MOVED_BYTES_MIN ((uint32_t)64 << 10)
#define EVICT_MOVED_PER_BYTE 3

/* The small queue is evicted from while it has more than this many thousandths of the segments. On
 * real traces 40 to 100 make no difference (the paper takes 100). */
#define EVICT_SMALL_SHARE 50

/* An item dropped unread from the small queue is turned away, and leaves no ghost, when its bytes
 * are above so many times the mean of all items, and above the mean of the small queue. The second
 * bound counts when sizes change: of new items that all are of one size none is turned away,
 * however small the old ones were, which would stay for ever. One in EVICT_TURNED_BACK leaves a
 * ghost all the same, so that what comes back again and again gets in. */
#define EVICT_LARGE_TIMES 2
#define EVICT_TURNED_BACK 32

/* There is room, as store_has_room() tells, while this part of the memory is free besides the most
 * segments that are kept free ahead of need. */
#define EVICT_ROOM_PART 16
#define EVICT_WANTED_MAX 6

/* One slice of emptying segments while fewer than free_wanted are free, for an operation that
 * writes `bytes`. Returns false when nothing is left to do, or nothing can be done. No struct
 * store_found is valid after it. */
bool store_evict(struct store *store, uint32_t free_wanted, uint32_t bytes);

/* Empties one segment, or goes on until free_wanted are free: takes time in proportion to a
 * segment. Where nothing may be evicted it cleans. Returns false when it can't. Follows
 * store_evict() in the same operation. */
bool store_evict_at_once(struct store *store, uint32_t free_wanted);

/* Asserts that the operation has done no more than it may. */
void store_check_slice(const struct store *store);

#endif
