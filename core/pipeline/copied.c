#include "core/pipeline/copied.h"

#include "core/pipeline/queue.h"
#include "core/shard/commands.h"
#include "core/shard/share.h"

/* The copy that may answer a request; NULL: there is none. */
static struct copy *copied_lookup(const struct shard *shard, const struct batch_slot *slot) {
    if (!copies_may_have(&shard->copies, slot->hash) || shard->watching ||
        shard->settings.detail_enabled || !copies_may_serve(&slot->request)) {
        return NULL;
    }
    struct copy *copy = copies_find(&shard->copies, &slot->request, slot->hash);
    bool answers = copy && copy_is_fresh(copy, shard->tick) &&
                   !copies_is_due(&shard->copies, copy, shard->tick);
    return answers ? copy : NULL;
}

bool copied_run(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot) {
    struct copy *copy = copied_lookup(shard, slot);
    if (!copy || queue_holds_back(pipeline, slot->hash) ||
        (pipeline->first && !queue_may_answer(pipeline, shard, slot))) {
        return false;
    }
    const struct store_item item = {
        .value = copy_value(copy),
        .value_length = copy->value_length,
        .client_flags = copy->client_flags,
        .cas = copy->cas,
    };
    struct result result;
    command_answer_copy(&slot->request, &item, &result);
    shard->counters.cmd_get++;
    shard->counters.get_hits++;
    shard->counters.hot_hits++;
    queue_answer(pipeline, shard, slot, &result, true);
    copies_hit(&shard->copies, copy);
    copies_count_not(&shard->copies);
    return true;
}

static struct copy_note copied_take_note(struct shard *shard, const struct batch_slot *slot) {
    struct copy_note note = copies_note(&shard->copies, &slot->request, slot->hash, shard->tick);
    shard->counters.hot_stale += note.stale;
    return note;
}

void copied_note(struct shard *shard, const struct batch_slot *slot, struct message *message) {
    const struct copy_note note = copied_take_note(shard, slot);
    message->about_copy = note.asks || note.hits > 0;
    message->copy_bytes_max =
        note.asks ? copies_value_bytes_max(&shard->copies, slot->request.key_length) : 0;
    message->copy_hits = note.hits;
    message->grant.word = note.word;
}

void copied_note_here(struct shard *shard, const struct batch_slot *slot, struct keyspace *keys,
                      const struct result *result) {
    const struct request *request = &slot->request;
    const struct copy_note note = copied_take_note(shard, slot);
    if (note.hits > 0) {
        share_note_hits(keys, request, slot->hash, result, note.hits, note.word);
    }
    if (!note.asks) {
        return;
    }
    uint32_t bytes_max = copies_value_bytes_max(&shard->copies, request->key_length);
    struct copy_source source = {.request = request,
                                 .hash = slot->hash,
                                 .result = result,
                                 .grant = share_copy(keys, request, slot->hash, result, bytes_max)};
    if (source.grant.word != 0) {
        shard_keep_copy(shard, slot->owner, &source);
    }
}
