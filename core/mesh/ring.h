/* ring: a bounded queue of pointers between two threads, one that pushes and one that pops.
 *
 * The ring itself never looks whether it is full: its users keep count (see mesh.h, the credit of a
 * pair), so a push can't fail and the producer never reads the consumer's cache line. Pushed
 * entries become visible together, when the producer publishes; it does so once a turn.
 *
 *     slots   | . | . | a | b | c | d | . | . |     a and b are published, c and d not yet
 *                       ^       ^       ^
 *                     head    tail   pushed
 *
 * On processors that reorder, as arm64 does, two things rest on the orders that are given here and
 * on nothing that x86-64 does besides:
 * - Entries, and what they point to, are written before the store of tail, which releases (STLR),
 *   and read behind a load of it that acquires (LDAR, or LDAPR of ring_peek()).
 * - A slot is written again only when there is credit for it: the entry has come back by the other
 *   ring of the pair, so whoever popped it has read the slot before it published there, and the
 *   producer has acquired that before it pushes.
 * Where a thread stores one word and decides by a load of another one (tail and the sleeping flag;
 * tail and the word of core/mesh/lending.h) both are sequentially consistent: LDAR does not pass an
 * earlier STLR, LDAPR and plain loads may. So ring_peek() must not be what such a decision reads.
 */
#ifndef CORE_MESH_RING_H
#define CORE_MESH_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CACHE_LINE_BYTES 64

struct ring {
    /* The one word both sides touch: stored by ring_publish(), loaded by ring_peek() and
     * ring_is_empty(). It has its line to itself, so that pushing doesn't disturb a consumer that
     * polls. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t tail;

    /* The producer's line. */
    _Alignas(CACHE_LINE_BYTES) uint32_t pushed;
    uint32_t producer_mask;
    void **producer_slots;

    /* The consumer's line. The head is atomic, and relaxed, since others may ask whether the ring
     * is empty: they may see an older one, and then take an empty ring for one that is not. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t head;
    uint32_t consumer_mask;
    void **consumer_slots;
};

/* Prepares an empty ring over slots[0..capacity), capacity a power of two. The ring borrows slots.
 */
static inline void ring_init(struct ring *ring, void **slots, uint32_t capacity) {
    atomic_init(&ring->tail, 0);
    atomic_init(&ring->head, 0);
    ring->pushed = 0;
    ring->producer_slots = ring->consumer_slots = slots;
    ring->producer_mask = ring->consumer_mask = capacity - 1;
}

/* Producer: adds an entry, not yet visible. The caller knows that the ring is not full. */
static inline void ring_push(struct ring *ring, void *entry) {
    ring->producer_slots[ring->pushed++ & ring->producer_mask] = entry;
}

/* Producer: makes everything pushed visible; true when there was something. The store is
 * sequentially consistent because the producer looks at the consumer's sleeping flag next, and the
 * consumer sets that flag and then looks at tail: one of the two must see the other (see
 * mesh_publish() and mesh_may_sleep()). */
static inline bool ring_publish(struct ring *ring) {
    if (atomic_load_explicit(&ring->tail, memory_order_relaxed) == ring->pushed) {
        return false;
    }
    atomic_store_explicit(&ring->tail, ring->pushed, memory_order_seq_cst);
    return true;
}

/* Any thread: true when nothing is published. False may be wrong, unless the consumer asks; true
 * never is: the tail is loaded first, and a head that has reached it has passed all before it.
 * Sequentially consistent for the sake of mesh_may_sleep(). */
static inline bool ring_is_empty(const struct ring *ring) {
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_seq_cst);
    return tail == atomic_load_explicit(&ring->head, memory_order_relaxed);
}

/* Consumer: how many entries are published. */
static inline uint32_t ring_length(const struct ring *ring) {
    return atomic_load_explicit(&ring->tail, memory_order_relaxed) -
           atomic_load_explicit(&ring->head, memory_order_relaxed);
}

/* Consumer: the oldest entries, up to max, which stay in the ring; returns how many. The acquire
 * pairs with the store in ring_publish(): what the producer wrote to an entry before publishing is
 * seen here. */
static inline uint32_t ring_peek(const struct ring *ring, void **entries, uint32_t max) {
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t count = atomic_load_explicit(&ring->tail, memory_order_acquire) - head;
    if (count > max) {
        count = max;
    }
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = ring->consumer_slots[(head + i) & ring->consumer_mask];
    }
    return count;
}

/* Consumer: takes the first `count` of those that ring_peek() has shown. */
static inline void ring_skip(struct ring *ring, uint32_t count) {
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + count, memory_order_relaxed);
}

/* Consumer: takes up to max entries, oldest first; returns how many. */
static inline uint32_t ring_pop(struct ring *ring, void **entries, uint32_t max) {
    uint32_t count = ring_peek(ring, entries, max);
    ring_skip(ring, count);
    return count;
}

#endif
