/* share: the owner's part in copies that other reactors have of its items (core/shard/copies.h):
 * gives them out, and hears of the hits on them. What moves the words on by which their holders
 * know that an item has changed: commands (core/shard/commands.h), the store when it drops an item
 * by itself, and here what concerns all keys.
 *
 * Thread: the one that serves the keys.
 */
#ifndef CORE_SHARD_SHARE_H
#define CORE_SHARD_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/shard/keyspace.h"
#include "proto/request.h"

struct message;

/* A copy is asked for of the item with which a request has just been answered, if its value has no
 * more than bytes_max; 0: none is. Marks its slot and returns what goes with the copy; word 0:
 * there is to be none, since the value is longer or not there, the item is in a state that only its
 * owner knows (to be renewed by somebody), or debugtime has moved the clock. */
struct version_grant share_copy(struct keyspace *keys, const struct request *request, uint64_t hash,
                                const struct result *result, uint32_t bytes_max);

/* A copy of a request's key has been hit so often elsewhere. word: that of the copy, where it is
 * kept there; else 0. */
void share_note_hits(struct keyspace *keys, const struct request *request, uint64_t hash,
                     const struct result *result, uint32_t hits, uint64_t word);

/* Both as a message asks for them that has been executed. */
void share_answer(struct keyspace *keys, struct message *message);

/* Marks which keys of the list, which is of these keys, others have copies of. */
void share_mark(const struct keyspace *keys, struct hotkeys_list *list);

/* Before all keys are flushed, or those of a prefix, at once or at a later time, or their clock is
 * moved: all copies are out of date. */
static inline void share_forget(struct keyspace *keys) {
    versions_move_all(&keys->versions);
}

#endif
