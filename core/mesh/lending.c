#include "core/mesh/lending.h"

#include <assert.h>

/* Every access is sequentially consistent: see the order that core/mesh/lending.h tells of. What
 * the owner of the shard has written to it, to the heads of its rings too, is released by the
 * change that gives it away and acquired by the one that takes it. On arm64 a change is LDAXR and
 * STLXR, or one instruction that does both (SWPAL, CASAL, LDSETAL), without a barrier behind: plain
 * loads that follow may be done before its store. Nothing rests on those. Whoever has given a shard
 * away looks at its rings by ring_is_empty(), an LDAR, which does not pass the STLXR; and what
 * belongs to the shard is touched only by who has taken it, behind the acquiring half. Who
 * publishes a request stores the tail (STLR) and loads the word (LDAR), in this order too. */

static enum lending_state lending_state(const struct lending *lending) {
    return (enum lending_state)atomic_load_explicit(&lending->word, memory_order_seq_cst);
}

/* True when the word was `from` and is `to` now. Otherwise *from is what it is. */
static bool lending_change(struct lending *lending, uint32_t *from, enum lending_state to) {
    return atomic_compare_exchange_strong_explicit(&lending->word, from, (uint32_t)to,
                                                   memory_order_seq_cst, memory_order_seq_cst);
}

void lending_init(struct lending *lending) {
    atomic_init(&lending->word, LENDING_HELD);
}

/* Two tries in turn, from free to held and from lent to wanted, could both fail for ever, while
 * others borrow and return between them. The mark is set whatever the word is; and where the shard
 * was not lent, nobody but its own reactor changes the word any more. */
bool lending_take_or_want(struct lending *lending) {
    uint32_t state = LENDING_FREE;
    if (lending_change(lending, &state, LENDING_HELD)) {
        return true;
    }
    assert(state != LENDING_HELD);
    uint32_t before =
        atomic_fetch_or_explicit(&lending->word, LENDING_WANTED, memory_order_seq_cst);
    if (before & LENDING_LENT) {
        return false;
    }
    atomic_store_explicit(&lending->word, LENDING_HELD, memory_order_seq_cst);
    return true;
}

void lending_free(struct lending *lending) {
    uint32_t before = atomic_exchange_explicit(&lending->word, LENDING_FREE, memory_order_seq_cst);
    assert(before == LENDING_HELD);
}

bool lending_waits_for_owner(const struct lending *lending) {
    return lending_state(lending) == LENDING_WANTED;
}

/* A look comes first, since a try that fails takes the cache line away from who has the shard. */
bool lending_borrow(struct lending *lending) {
    uint32_t state = LENDING_FREE;
    return lending_state(lending) == LENDING_FREE && lending_change(lending, &state, LENDING_LENT);
}

bool lending_is_wanted(const struct lending *lending) {
    return lending_state(lending) == LENDING_LENT_WANTED;
}

bool lending_return(struct lending *lending) {
    uint32_t before =
        atomic_fetch_and_explicit(&lending->word, ~(uint32_t)LENDING_LENT, memory_order_seq_cst);
    assert(before == LENDING_LENT || before == LENDING_LENT_WANTED);
    return before == LENDING_LENT_WANTED;
}

void lending_return_wanted(struct lending *lending) {
    uint32_t before =
        atomic_exchange_explicit(&lending->word, LENDING_WANTED, memory_order_seq_cst);
    assert(before == LENDING_LENT || before == LENDING_LENT_WANTED);
}

bool lending_is_free(const struct lending *lending) {
    return lending_state(lending) == LENDING_FREE;
}

bool lending_is_lent(const struct lending *lending) {
    enum lending_state state = lending_state(lending);
    return state == LENDING_LENT || state == LENDING_LENT_WANTED;
}
