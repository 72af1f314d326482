#include "core/mesh/lending.h"

#include <assert.h>

/* Every access is sequentially consistent: see the order that core/mesh/lending.h tells of. */

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

/* Between two tries it may be returned, and borrowed by the next one; so a further round means that
 * another reactor has got ahead, and the mark ends that. */
bool lending_take_or_want(struct lending *lending) {
    uint32_t state = LENDING_FREE;
    while (!lending_change(lending, &state, LENDING_HELD)) {
        assert(state != LENDING_HELD);
        if (state == LENDING_LENT && lending_change(lending, &state, LENDING_LENT_WANTED)) {
            return false;
        }
        if (state == LENDING_LENT_WANTED) {
            return false;
        }
    }
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
    uint32_t state = LENDING_LENT;
    if (lending_change(lending, &state, LENDING_FREE)) {
        return false;
    }
    assert(state == LENDING_LENT_WANTED);
    lending_return_wanted(lending);
    return true;
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
