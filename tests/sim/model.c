#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "predict.h"
#include "server.h"

struct value *value_create(uint32_t length) {
    struct value *value = malloc(sizeof(*value) + length);
    value->holders = 1;
    value->length = length;
    return value;
}

struct value *value_hold(struct value *value) {
    if (value) {
        value->holders++;
    }
    return value;
}

void value_release(struct value *value) {
    if (value && --value->holders == 0) {
        free(value);
    }
}

static void key_clear(struct model_key *key) {
    for (uint32_t i = 0; i < key->count; i++) {
        value_release(key->states[i].value);
    }
    key->count = 0;
}

static void key_set_absent(struct model_key *key) {
    key_clear(key);
    key->count = 1;
    key->states[0] = (struct state){0};
}

void model_init(struct model *model, const struct client *client, uint32_t keys) {
    *model = (struct model){.world = client->world, .client = client, .keys = keys};
    model->all = calloc(keys, sizeof(*model->all));
    for (uint32_t i = 0; i < keys; i++) {
        key_set_absent(&model->all[i]);
    }
}

void model_finish(struct model *model) {
    for (uint32_t i = 0; i < model->keys; i++) {
        key_clear(&model->all[i]);
    }
    free(model->all);
}

static bool flush_covers(const struct model *model, const struct flush *flush, uint32_t number) {
    char key[CLIENT_KEY_BYTES];
    size_t length = strlen(flush->prefix);
    return client_key(model->client, number, key) >= length &&
           memcmp(flush->prefix, key, length) == 0;
}

void model_flush(struct model *model, const struct flush *flush) {
    for (uint32_t i = 0; i < model->keys; i++) {
        if (flush_covers(model, flush, i)) {
            key_set_absent(&model->all[i]);
        }
    }
}

/* What may have become of an item without its client. */

enum fate { FATE_STAYS, FATE_UNKNOWN, FATE_GONE };

static enum fate flush_fate(const struct model *model, uint32_t number, const struct state *state,
                            const struct command *command) {
    const struct world *world = model->world;
    enum fate fate = FATE_STAYS;
    for (uint32_t i = 0; i < world->flush_count; i++) {
        const struct flush *flush = &world->flushes[i];
        if (!flush_covers(model, flush, number)) {
            continue;
        }
        if (flush->sent_step > state->done_step && flush->done_step < command->sent_step &&
            flush->due_s == 0) {
            return FATE_GONE;
        }
        if (flush->due_s != 0 || flush->done_step >= state->since_step) {
            fate = FATE_UNKNOWN;
        }
    }
    return fate;
}

static enum fate expiry_fate(const struct world *world, const struct state *state,
                             const struct command *command) {
    if (state->expires_low == 0 || world_tick(world) < state->expires_low) {
        return FATE_STAYS;
    }
    return command->sent_tick >= state->expires_high ? FATE_GONE : FATE_UNKNOWN;
}

static enum fate state_fate(const struct model *model, uint32_t number, const struct state *state,
                            const struct command *command) {
    const struct world *world = model->world;
    enum fate flushed = flush_fate(model, number, state, command);
    enum fate expired = expiry_fate(world, state, command);
    if (flushed == FATE_GONE || expired == FATE_GONE) {
        return FATE_GONE;
    }
    bool evicted = server_evictions(world) != state->evictions;
    return evicted || flushed == FATE_UNKNOWN || expired == FATE_UNKNOWN ? FATE_UNKNOWN
                                                                         : FATE_STAYS;
}

static bool has_absent(const struct model_key *key) {
    for (uint32_t i = 0; i < key->count; i++) {
        if (!key->states[i].present) {
            return true;
        }
    }
    return false;
}

/* Strikes out what is certainly gone, and adds that nothing is there where that may be. */
static void key_age(const struct model *model, struct model_key *key,
                    const struct command *command) {
    bool absent = has_absent(key);
    uint32_t number = (uint32_t)(key - model->all);
    uint32_t kept = 0;
    bool may_be_gone = false;
    for (uint32_t i = 0; i < key->count; i++) {
        struct state *state = &key->states[i];
        enum fate fate = state->present ? state_fate(model, number, state, command) : FATE_STAYS;
        may_be_gone |= fate != FATE_STAYS;
        if (fate == FATE_GONE) {
            value_release(state->value);
        } else {
            key->states[kept++] = *state;
        }
    }
    key->count = kept;
    if (may_be_gone && !absent) {
        WORLD_CHECK(model->world, key->count < MODEL_STATES_MAX);
        key->states[key->count++] = (struct state){0};
    }
}

/* Answers. */

static void show_state(const struct state *state, char *text, size_t bytes) {
    if (!state->present) {
        snprintf(text, bytes, " [absent]");
        return;
    }
    snprintf(text, bytes,
             " [%u bytes '%.*s', flags %u, cas %llu%s, expires %u-%u, since step %llu%s%s%s]",
             state->value->length, state->value->length < 24 ? (int)state->value->length : 24,
             state->value->bytes, state->flags, (unsigned long long)state->cas,
             state->cas_known ? "" : "?", state->expires_low, state->expires_high,
             (unsigned long long)state->since_step, state->stale ? ", stale" : "",
             state->token_sent ? ", won" : "", state->base64 ? ", base64" : "");
}

static void fail_observed(const struct model *model, const struct command *command, uint32_t number,
                          const struct model_key *key, const struct observed *observed) {
    char states[1200] = "";
    for (uint32_t i = 0; i < model->world->flush_count; i++) {
        const struct flush *flush = &model->world->flushes[i];
        printf("# a flush%s of '%s', sent at step %llu, answered at step %llu\n",
               flush->due_s ? " for later" : "", flush->prefix,
               (unsigned long long)flush->sent_step, (unsigned long long)flush->done_step);
    }
    for (uint32_t i = 0; i < key->count && i < 5; i++) {
        show_state(&key->states[i], states + strlen(states), 200);
    }
    world_fail(model->world,
               "a wrong answer: command %d (speech %d, sent at step %llu, exptime %lld, flags %u, "
               "cas %llu, %u bytes) on key %u: answer %d, %u bytes '%.*s', flags %u, cas %llu, "
               "ttl %lld, won %d, token %d, number %llu; possible were%s",
               command->kind, command->speech, (unsigned long long)command->sent_step,
               (long long)command->exptime, command->flags, (unsigned long long)command->cas,
               command->value ? command->value->length : 0, number, observed->answer,
               observed->length,
               observed->bytes ? (observed->length < 24 ? (int)observed->length : 24) : 0,
               observed->bytes ? observed->bytes : "", observed->flags,
               (unsigned long long)observed->cas, (long long)observed->ttl_s, observed->won,
               observed->token_sent, (unsigned long long)observed->number, states);
}

static bool is_same(const struct state *a, const struct state *b) {
    if (!a->present || !b->present) {
        return a->present == b->present;
    }
    bool same_value =
        a->value == b->value || (a->value->length == b->value->length &&
                                 memcmp(a->value->bytes, b->value->bytes, a->value->length) == 0);
    return same_value && a->flags == b->flags && a->token_sent == b->token_sent &&
           a->stale == b->stale && a->base64 == b->base64 && a->cas_known == b->cas_known &&
           a->cas == b->cas && a->expires_low == b->expires_low &&
           a->expires_high == b->expires_high && a->since_step == b->since_step;
}

/* Takes over the state's hold of its value. */
static void key_add(const struct model *model, struct model_key *key, struct state *state) {
    for (uint32_t i = 0; i < key->count; i++) {
        if (is_same(&key->states[i], state)) {
            value_release(state->value);
            return;
        }
    }
    WORLD_CHECK(model->world, key->count < MODEL_STATES_MAX);
    key->states[key->count++] = *state;
}

static bool may_be_late(const struct model *model, const struct command *command, uint32_t number) {
    const struct model_key *key = &model->all[number];
    bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
    for (uint32_t i = 0; i < key->count && gets; i++) {
        if (key->states[i].present && key->states[i].value->length > PREDICT_LONG_BYTES) {
            return server_has_refused_leases(model->world) &&
                   client_has_later(model->client, number);
        }
    }
    return false;
}

void model_observe(struct model *model, const struct command *command, uint32_t number,
                   const struct observed *observed) {
    struct model_key *key = &model->all[number];
    struct model_key after = {0};
    world_note(model->world, "told", (uint64_t)command->kind << 32 | number, observed->answer,
               command->sent_step);
    key_age(model, key, command);
    if (key->lost) {
        return;
    }
    for (uint32_t i = 0; i < key->count; i++) {
        struct outcome outcomes[OUTCOMES_MAX];
        uint32_t count = predict(model->world, command, &key->states[i], outcomes);
        for (uint32_t j = 0; j < count; j++) {
            if (predict_agrees(command, &outcomes[j], observed)) {
                key_add(model, &after, &outcomes[j].state);
            } else {
                value_release(outcomes[j].state.value);
            }
        }
    }
    if (after.count == 0 && may_be_late(model, command, number)) {
        key->lost = command->kind == COMMAND_GAT; /* it has touched what came later */
        return;
    }
    if (after.count == 0) {
        fail_observed(model, command, number, key, observed);
    }
    key_clear(key);
    *key = after;
}

uint64_t model_cas(const struct model *model, uint32_t number) {
    const struct model_key *key = &model->all[number];
    struct random *random = &model->world->random;
    const struct state *state = &key->states[random_below(random, key->count)];
    if (state->cas_known && state->cas != 0 && !random_one_in(random, 6)) {
        return state->cas;
    }
    return ((uint64_t)1 << 40) + random_below(random, 1000); /* so high that none is */
}

uint32_t model_length(const struct model *model, uint32_t number) {
    const struct state *state = &model->all[number].states[0];
    return state->present ? state->value->length : 0;
}

bool model_is_there(const struct model *model, const struct command *command, uint32_t number) {
    const struct model_key *key = &model->all[number];
    if (key->lost) {
        return false;
    }
    for (uint32_t i = 0; i < key->count; i++) {
        const struct state *state = &key->states[i];
        if (!state->present || state_fate(model, number, state, command) != FATE_STAYS) {
            return false;
        }
    }
    return true;
}

bool model_is_older(const struct model *model, uint32_t number, uint64_t step) {
    const struct model_key *key = &model->all[number];
    for (uint32_t i = 0; i < key->count; i++) {
        if (key->states[i].done_step >= step) {
            return false;
        }
    }
    return true;
}
