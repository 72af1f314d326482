/* versions: by which holders of copies of a shard's items know that these have not changed.
 *
 * A shard has a bounded table of words; the hash of a key chooses the one of its slot. Who has the
 * shard (core/mesh/lending.h) writes them, any thread reads them.
 *
 *     word, 64 bits:   | count of moves and shares | shared |
 *
 * Who has the shard gives out a copy of an item together with the word of its slot, in which it
 * sets the bit `shared`. Before it changes anything about a key whose slot is shared it moves the
 * word on by one, which clears the bit. So from then on the word is another one than that of any
 * copy that was given out before, for ever: 64 bits don't come round. A reactor that has a copy
 * loads the word, and answers from the copy if both are equal.
 *
 * What that promises: no copy answers a request that began after a change of the key was answered
 * to anybody. For the word is moved first; the answer of the change, or of a look-up that saw it,
 * reaches other threads by a ring or by the kernel, both of which release what came before and
 * acquire it behind; and who has heard of it loads the word later. Keys that share a slot move its
 * word for each other, which costs a copy and nothing else.
 *
 * The store of a word releases and its load acquires (STLR and LDAPR on arm64): the load does not
 * pass the receiving of the request that it is for, nor of the reply before it on the connection,
 * since both end in an acquiring load (LDAR of a ring's tail, the kernel's locks), and the answer
 * is written behind it. Nothing else is read by way of a word: a copy came by a message, with its
 * word, so that even a relaxed load would do; and between two moves of different words no order is
 * needed, as each answer comes behind the moves that it depends on. Moves need no exchange, since
 * only who has the shard stores.
 *
 * tests/model has it as a model for spin.
 */
#ifndef CORE_MESH_VERSIONS_H
#define CORE_MESH_VERSIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most slots of a shard, and the fewest. */
#define VERSIONS_SLOTS_MAX 8192u
#define VERSIONS_SLOTS_MIN 64u

typedef _Atomic uint64_t version_word;

struct versions {
    version_word *words; /* NULL: nothing is ever shared */
    uint32_t mask;       /* slots - 1 */
    uint32_t shared;     /* slots that are, now; for who has the shard */
};

/* What goes with a copy. */
struct version_grant {
    uint64_t word;    /* 0: there is no copy */
    uint32_t expires; /* the store's tick from which on the copy is of no use; 0: none */
};

/* A power of two of slots, all words 0. Returns 0 or -ENOMEM. Without that all is 0. */
int versions_init(struct versions *versions, uint32_t slots);
void versions_finish(struct versions *versions);

static inline size_t versions_bytes(uint32_t slots) {
    return slots * sizeof(version_word);
}

/* The slot of a hash. Bits that neither choose the shard nor a bucket of its store; any thread. */
static inline uint32_t versions_slot(const struct versions *versions, uint64_t hash) {
    return (uint32_t)(hash >> 32) & versions->mask;
}

static inline version_word *versions_of(const struct versions *versions, uint64_t hash) {
    return &versions->words[versions_slot(versions, hash)];
}

/* Whether a copy with this word is up to date. Any thread. */
static inline bool version_is(const version_word *at, uint64_t word) {
    return atomic_load_explicit(at, memory_order_acquire) == word;
}

/* For who has the shard. */

/* Whether there may be copies of what is in this slot. */
static inline bool versions_is_shared(const struct versions *versions, uint64_t hash) {
    return versions->shared > 0 &&
           (atomic_load_explicit(versions_of(versions, hash), memory_order_relaxed) & 1) != 0;
}

/* Marks the slot as shared, and returns the word that goes with a copy; never 0. */
uint64_t versions_share(struct versions *versions, uint64_t hash);

/* Before a key of the hash is changed, or told to be gone. */
void versions_move_shared(struct versions *versions, uint64_t hash);
static inline void versions_move(struct versions *versions, uint64_t hash) {
    if (__builtin_expect(versions->shared > 0, false)) {
        versions_move_shared(versions, hash);
    }
}

/* Before all keys are, or some of which it is not known whose slots they have. */
void versions_move_all(struct versions *versions);

#endif
