/* lending: the word that says who serves a shard at this moment: its own reactor, nobody, or
 * another reactor for a moment.
 *
 *              take                    borrow
 *      HELD ◀──────── FREE ───────────────────────▶ LENT
 *       │ ▲  ────────▶  ▲ ◀───────────────────────   │
 *       │ │    free     │            return          │ want
 *       │ │             │                            ▼
 *       │ └───────── WANTED ◀─────────────────── LENT_WANTED
 *       │    take     (free, but for its            return
 *       │              own reactor alone)
 *
 * Whoever has the shard (its reactor in HELD; who has borrowed it in LENT and LENT_WANTED) may use
 * what belongs to its keys, takes the requests that have been sent to it, and sends the replies.
 *
 * It is no lock: nobody ever waits for the word. Each transition is one try, and who does not get
 * the shard goes on without it. That no request is forgotten rests on an order that every access
 * keeps: a request is published first, then its sender tries to borrow; and who leaves a shard,
 * whether its own or a borrowed one, looks at its request rings after that. Since all accesses to
 * the word, to the rings' tails and to the sleeping flags (core/mesh/mesh.h) are sequentially
 * consistent, one of the two sees the other.
 *
 * tests/model has it as a model for spin.
 */
#ifndef CORE_MESH_LENDING_H
#define CORE_MESH_LENDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/mesh/ring.h"

/* Two bits, lent and wanted, so that each change is one operation that can't fail; and a value of
 * its own. */
enum lending_state {
    LENDING_FREE = 0,        /* nobody has the shard */
    LENDING_LENT = 1,        /* another reactor has it */
    LENDING_WANTED = 2,      /* nobody has it, and only its own reactor may take it */
    LENDING_LENT_WANTED = 3, /* another reactor has it, and its own reactor wants it back */
    LENDING_HELD = 4,        /* its own reactor has it */
};

/* On a cache line of its own, since several reactors write it. */
struct lending {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t word; /* enum lending_state */
};

/* The shard is its own reactor's at first. */
void lending_init(struct lending *lending);

/* For the shard's own reactor. */

/* Takes the shard. False when it is lent: it is marked as wanted then, so that it is not lent again
 * before its reactor has taken it, and who returns it wakes that. */
bool lending_take_or_want(struct lending *lending);

/* Leaves the shard, which it has. It has to look at the shard's request rings after that, as before
 * a sleep. */
void lending_free(struct lending *lending);

/* True when the shard is free for its own reactor alone; to be looked at behind the sleeping flag.
 */
bool lending_waits_for_owner(const struct lending *lending);

/* For any other reactor. */

/* Borrows the shard if it is free: one try. */
bool lending_borrow(struct lending *lending);

/* True when the shard's own reactor wants it: to be looked at between two batches by who has
 * borrowed the shard. */
bool lending_is_wanted(const struct lending *lending);

/* Returns a borrowed shard. True when it is wanted: the caller has to wake the shard's own reactor
 * if that sleeps (mesh_claim_wake()). Otherwise it is free again, and the caller has to look at its
 * request rings once more. */
bool lending_return(struct lending *lending);

/* Returns a borrowed shard to its own reactor alone. The caller has to wake that if it sleeps. */
void lending_return_wanted(struct lending *lending);

/* Any. */

/* True when nobody has it. */
bool lending_is_free(const struct lending *lending);

/* True while another reactor than its own has it. */
bool lending_is_lent(const struct lending *lending);

#endif
