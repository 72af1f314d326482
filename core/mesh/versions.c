#include "core/mesh/versions.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int versions_init(struct versions *versions, uint32_t slots) {
    assert(slots > 0 && (slots & (slots - 1)) == 0);
    *versions = (struct versions){0};
    versions->words = calloc(slots, sizeof(version_word)); /* each is 0 */
    versions->mask = slots - 1;
    return versions->words ? 0 : -ENOMEM;
}

void versions_finish(struct versions *versions) {
    free(versions->words);
    *versions = (struct versions){0};
}

uint64_t versions_share(struct versions *versions, uint64_t hash) {
    version_word *at = versions_of(versions, hash);
    uint64_t word = atomic_load_explicit(at, memory_order_relaxed);
    if ((word & 1) == 0) {
        word++;
        versions->shared++;
        atomic_store_explicit(at, word, memory_order_release);
    }
    return word;
}

static void versions_move_word(struct versions *versions, version_word *at) {
    uint64_t word = atomic_load_explicit(at, memory_order_relaxed);
    if ((word & 1) != 0) {
        assert(versions->shared > 0);
        versions->shared--;
        atomic_store_explicit(at, word + 1, memory_order_release);
    }
}

void versions_move_shared(struct versions *versions, uint64_t hash) {
    versions_move_word(versions, versions_of(versions, hash));
}

void versions_move_all(struct versions *versions) {
    for (uint32_t i = 0; versions->shared > 0 && i <= versions->mask; i++) {
        versions_move_word(versions, &versions->words[i]);
    }
}
