#include "predict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "server.h"

#define RELATIVE_SECONDS_MAX 2592000

struct prediction {
    const struct world *world;
    const struct command *command;
    const struct state *before;
    struct outcome *outcomes;
    uint32_t count;
};

static struct outcome *add(struct prediction *prediction, enum answer answer) {
    struct outcome *outcome = &prediction->outcomes[prediction->count++];
    *outcome = (struct outcome){
        .answer = answer,
        .base64 = prediction->before->base64,
        .state = *prediction->before,
    };
    value_hold(outcome->state.value);
    return outcome;
}

static struct outcome *add_absent(struct prediction *prediction, enum answer answer) {
    struct outcome *outcome = add(prediction, answer);
    value_release(outcome->state.value);
    outcome->state = (struct state){0};
    return outcome;
}

/* Sets when it expires; may make it absent. */
static void set_expiry_to(const struct prediction *prediction, struct state *state,
                          int64_t exptime) {
    const struct command *command = prediction->command;
    state->expires_low = state->expires_high = 0;
    if (exptime == 0 || exptime > command->sent_unix_s) {
        return; /* never, or so far ahead that no seed gets there */
    }
    if (exptime < 0 || exptime > RELATIVE_SECONDS_MAX) {
        value_release(state->value);
        *state = (struct state){0};
        return;
    }
    uint32_t ticks = (uint32_t)exptime * CLOCK_TICKS_PER_SECOND + 1;
    state->expires_low = command->sent_tick + ticks;
    state->expires_high = world_tick(prediction->world) + ticks;
}

static void set_expiry(const struct prediction *prediction, struct state *state) {
    set_expiry_to(prediction, state, prediction->command->exptime);
}

static void renew_cas(const struct prediction *prediction, struct state *state) {
    bool none = prediction->world->choices.no_cas;
    state->cas = none ? 0 : prediction->command->new_cas;
    state->cas_known = none || state->cas != 0;
}

/* A new version under the key. */
static void renew(const struct prediction *prediction, struct state *state, struct value *value) {
    value_release(state->value);
    state->present = true;
    state->value = value;
    state->token_sent = state->stale = false;
    renew_cas(prediction, state);
    state->since_step = prediction->command->sent_step;
    state->done_step = prediction->world->step;
    state->evictions = prediction->command->evictions;
}

static void add_stored(struct prediction *prediction) {
    const struct command *command = prediction->command;
    bool joins = command->kind == COMMAND_APPEND || command->kind == COMMAND_PREPEND;
    struct outcome *outcome = add(prediction, ANSWER_DONE);
    renew(prediction, &outcome->state, value_hold(command->value));
    outcome->state.flags = command->flags;
    outcome->state.base64 = command->base64;
    set_expiry_to(prediction, &outcome->state, joins ? command->other_exptime : command->exptime);
}

/* By a CAS older than the item's. */
static void add_stored_stale(struct prediction *prediction) {
    struct outcome *outcome = add(prediction, ANSWER_DONE);
    renew(prediction, &outcome->state, value_hold(prediction->command->value));
    outcome->state.flags = prediction->command->flags;
    outcome->state.base64 = prediction->command->base64;
    outcome->state.stale = true;
    outcome->state.token_sent = prediction->before->token_sent;
}

/* 0: none. */
static uint64_t compared(const struct command *command) {
    return command->cas_ignored ? 0 : command->cas;
}

/* CAS values from there on are no counter's. */
#define CAS_COUNTED_MAX ((uint64_t)1 << 39)

/* The item is there, and its CAS may be another one than the command's. True when it is done with.
 */
static bool predict_compare(struct prediction *prediction) {
    const struct command *command = prediction->command;
    const struct state *before = prediction->before;
    if (compared(command) == 0 || (before->cas_known && before->cas == compared(command))) {
        return false;
    }
    bool maybe_older = !before->cas_known && compared(command) < CAS_COUNTED_MAX;
    bool older = before->cas_known && compared(command) < before->cas;
    bool stores = command->invalidate && command->kind == COMMAND_CAS;
    if (!older || !stores) {
        add(prediction, ANSWER_EXISTS);
    }
    if (stores && (older || maybe_older)) {
        add_stored_stale(prediction);
    }
    if (maybe_older) {
        return false; /* or it is that very one */
    }
    return true;
}

static void add_joined(struct prediction *prediction) {
    const struct command *command = prediction->command;
    const struct value *old = prediction->before->value, *more = command->value;
    struct value *value = value_create(old->length + more->length);
    bool append = command->kind == COMMAND_APPEND;
    memcpy(value->bytes + (append ? 0 : more->length), old->bytes, old->length);
    memcpy(value->bytes + (append ? old->length : 0), more->bytes, more->length);
    renew(prediction, &add(prediction, ANSWER_DONE)->state, value);
}

static bool may_be_refused(const struct prediction *prediction) {
    return server_refusals(prediction->world) != prediction->command->refusals;
}

/* Where nothing may be evicted, what gives back as much memory as it takes is done: here, a value
 * of this length instead of the old one. Long ones may be leased, and a long CAS needs more memory.
 */
static bool gives_back(const struct prediction *prediction, uint32_t length) {
    const struct state *before = prediction->before;
    return prediction->world->choices.no_eviction && before->present &&
           prediction->command->new_cas >> 48 == 0 && length <= before->value->length &&
           before->value->length <= PREDICT_LONG_BYTES;
}

/* A write may be refused where others have been meanwhile; the old value may go with it. */
static void add_refusals(struct prediction *prediction, bool done) {
    if (may_be_refused(prediction) && !done) {
        add(prediction, ANSWER_NO_MEMORY);
        add_absent(prediction, ANSWER_NO_MEMORY);
    }
}

/* A touch may need memory for an expiry time where there was none, unless nothing may be evicted.
 * What can't be had is missing in text. */
static void add_touch_refusals(struct prediction *prediction) {
    bool done = prediction->world->choices.no_eviction;
    add_refusals(prediction, done);
    if (may_be_refused(prediction) && !done && prediction->command->kind == COMMAND_GAT) {
        add(prediction, ANSWER_MISS);
        add_absent(prediction, ANSWER_MISS);
    }
}

static void predict_write(struct prediction *prediction) {
    const struct command *command = prediction->command;
    const struct state *before = prediction->before;
    bool joins = command->kind == COMMAND_APPEND || command->kind == COMMAND_PREPEND;
    if (command->too_large) {
        if (command->kind != COMMAND_SET) {
            add(prediction, ANSWER_TOO_LARGE);
        }
        add_absent(prediction, ANSWER_TOO_LARGE);
        return;
    }
    add_refusals(prediction, !joins && gives_back(prediction, command->value->length));
    if (command->kind == COMMAND_ADD && before->present) {
        add(prediction, ANSWER_NOT_STORED);
    } else if (joins && command->create && !before->present) {
        add_stored(prediction);
    } else if ((joins || (command->kind == COMMAND_REPLACE && !compared(command))) &&
               !before->present) {
        add(prediction, ANSWER_NOT_STORED);
    } else if (compared(command) && !before->present) {
        add(prediction, ANSWER_MISS);
    } else if (before->present && predict_compare(prediction)) {
        return;
    } else if (joins && before->value->length + command->value->length >
                            server_value_length_max(prediction->world, 1) - 300) {
        /* Where exactly it becomes too long depends on the key. */
        add(prediction, ANSWER_NOT_STORED);
        add_joined(prediction);
    } else if (joins) {
        add_joined(prediction);
    } else {
        add_stored(prediction);
    }
}

/* An empty item, and whoever has made it is to fill it; or there is no memory for it. */
static void add_vivified(struct prediction *prediction) {
    if (server_refusals(prediction->world) != prediction->command->refusals ||
        prediction->world->choices.no_eviction) {
        add(prediction, ANSWER_MISS);
    }
    struct outcome *outcome = add(prediction, ANSWER_HIT);
    renew(prediction, &outcome->state, value_create(0));
    outcome->state.flags = 0;
    outcome->base64 = outcome->state.base64 = prediction->command->base64;
    outcome->state.token_sent = outcome->won = true;
    set_expiry(prediction, &outcome->state);
}

/* Whether an mg wins an item that is there. */
enum wins { WINS_NOT, WINS_MAYBE, WINS };

static enum wins wins(const struct prediction *prediction) {
    const struct command *command = prediction->command;
    const struct state *before = prediction->before;
    if (command->speech != SPEECH_META || before->token_sent) {
        return WINS_NOT;
    }
    if (before->stale) {
        return WINS;
    }
    if (command->recache_s == 0 || before->expires_low == 0) {
        return WINS_NOT;
    }
    if (clock_seconds_left(before->expires_high, command->sent_tick) < command->recache_s) {
        return WINS;
    }
    uint32_t left_s = clock_seconds_left(before->expires_low, world_tick(prediction->world));
    return left_s < command->recache_s ? WINS_MAYBE : WINS_NOT;
}

static void win(struct outcome *outcome) {
    outcome->won = outcome->state.token_sent = true;
}

/* A gat of a large value whose lease is refused is run anew later. It has touched the item before:
 * if that has expired meanwhile, it is missing. */
static bool is_gone_by_itself(const struct prediction *prediction, const struct outcome *outcome) {
    const struct world *world = prediction->world;
    const struct state *state = &outcome->state;
    bool expired =
        !state->present || (state->expires_low > 0 && world_tick(world) >= state->expires_low);
    return expired && outcome->answer == ANSWER_HIT && server_has_refused_leases(world) &&
           prediction->before->value->length > PREDICT_LONG_BYTES;
}

static void predict_get(struct prediction *prediction) {
    if (!prediction->before->present && prediction->command->create) {
        add_vivified(prediction);
        return;
    }
    if (!prediction->before->present) {
        add(prediction, ANSWER_MISS);
        return;
    }
    enum answer answer = prediction->command->kind == COMMAND_TOUCH ? ANSWER_DONE : ANSWER_HIT;
    struct outcome *outcome = add(prediction, answer);
    outcome->token_sent = prediction->before->token_sent;
    outcome->stale = prediction->before->stale;
    switch (wins(prediction)) {
    case WINS_NOT:
        break;
    case WINS_MAYBE: /* of COMMAND_GET only */
        add(prediction, answer)->stale = prediction->before->stale;
        win(outcome);
        break;
    case WINS:
        win(outcome);
        break;
    }
    if (prediction->command->kind != COMMAND_GET) {
        add_touch_refusals(prediction);
        set_expiry(prediction, &outcome->state);
        if (is_gone_by_itself(prediction, outcome)) {
            add_absent(prediction, ANSWER_MISS);
        }
    }
}

static bool parse_number(const struct value *value, uint64_t *number) {
    char text[32] = "", *end;
    memcpy(text, value->bytes, value->length < 31 ? value->length : 31);
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && (*end == '\0' || *end == ' ');
}

static uint32_t digits_of(uint64_t number) {
    return (uint32_t)snprintf(NULL, 0, "%llu", (unsigned long long)number);
}

static struct value *write_number(uint64_t number, uint32_t length_min) {
    char text[32];
    uint32_t length = (uint32_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    struct value *value = value_create(length > length_min ? length : length_min);
    memset(value->bytes, ' ', value->length);
    memcpy(value->bytes, text, length);
    return value;
}

static void predict_delta(struct prediction *prediction) {
    const struct command *command = prediction->command;
    const struct state *before = prediction->before;
    uint64_t number;
    if (!before->present) {
        add_refusals(prediction, false);
        if (!command->create) {
            add(prediction, ANSWER_MISS);
            return;
        }
        struct outcome *outcome = add(prediction, ANSWER_NUMBER);
        outcome->number = command->initial;
        renew(prediction, &outcome->state, write_number(command->initial, 0));
        outcome->state.flags = 0;
        outcome->state.base64 = command->base64;
        set_expiry(prediction, &outcome->state);
        return;
    }
    if (before->value->length > 0 && predict_compare(prediction)) {
        return;
    }
    if (!parse_number(before->value, &number)) {
        add(prediction, ANSWER_NON_NUMERIC);
        return;
    }
    if (before->value->length > PREDICT_LONG_BYTES) {
        add(prediction, ANSWER_NON_NUMERIC); /* a long one is none, whatever it begins with */
    }
    if (command->kind == COMMAND_INCR) {
        number += command->delta;
    } else {
        number = number > command->delta ? number - command->delta : 0;
    }
    add_refusals(prediction, gives_back(prediction, digits_of(number)));
    struct outcome *outcome = add(prediction, ANSWER_NUMBER);
    outcome->number = number;
    struct value *value = write_number(number, before->value->length);
    bool in_place = value->length == before->value->length;
    renew(prediction, &outcome->state, value);
    if (in_place) {
        outcome->state.stale = before->stale;
        outcome->state.token_sent = before->token_sent;
    }
    if (command->touch) {
        set_expiry_to(prediction, &outcome->state, command->other_exptime);
    }
}

/* md that keeps the item: I, x. */
static void predict_kept(struct prediction *prediction) {
    const struct command *command = prediction->command;
    const struct state *before = prediction->before;
    add_refusals(prediction, gives_back(prediction, 0));
    struct state *state = &add(prediction, ANSWER_DONE)->state;
    if (command->empty) {
        renew(prediction, state, value_create(0));
        state->flags = command->flags;
        state->expires_low = state->expires_high = 0;
        if (command->new_cas == 0 && !command->invalidate) {
            state->cas = before->cas;
            state->cas_known = before->cas_known;
        }
    } else {
        renew_cas(prediction, state);
    }
    state->token_sent = false;
    state->stale = command->invalidate;
    if (command->touch) {
        set_expiry_to(prediction, state, command->other_exptime);
    }
}

static void predict_delete(struct prediction *prediction) {
    const struct command *command = prediction->command;
    if (!prediction->before->present) {
        add(prediction, ANSWER_MISS);
    } else if (predict_compare(prediction)) {
        return;
    } else if (command->invalidate || command->empty) {
        predict_kept(prediction);
    } else {
        add_absent(prediction, ANSWER_DONE);
    }
}

uint32_t predict(const struct world *world, const struct command *command,
                 const struct state *before, struct outcome outcomes[OUTCOMES_MAX]) {
    struct prediction prediction = {
        .world = world, .command = command, .before = before, .outcomes = outcomes};
    switch (command->kind) {
    case COMMAND_GET:
    case COMMAND_GAT:
    case COMMAND_TOUCH:
        predict_get(&prediction);
        break;
    case COMMAND_SET:
    case COMMAND_ADD:
    case COMMAND_REPLACE:
    case COMMAND_APPEND:
    case COMMAND_PREPEND:
    case COMMAND_CAS:
        predict_write(&prediction);
        break;
    case COMMAND_DELETE:
        predict_delete(&prediction);
        break;
    case COMMAND_INCR:
    case COMMAND_DECR:
        predict_delta(&prediction);
        break;
    case COMMAND_FLUSH:
    case COMMAND_FIXED:
    case COMMAND_LINES:
    case COMMAND_QUIT:
        world_fail(world, "no command on a key");
    }
    return prediction.count;
}

/* What a quiet command leaves unsaid. */
static bool is_silent(const struct command *command, enum answer answer) {
    bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
    if (command->speech == SPEECH_TEXT) {
        return true;
    }
    if (gets) {
        return answer == ANSWER_MISS;
    }
    return answer == ANSWER_DONE || answer == ANSWER_NUMBER;
}

static bool agrees_ttl(const struct state *state, const struct command *command,
                       const struct observed *observed) {
    if (!observed->has_ttl || command->kind != COMMAND_GET) {
        return true;
    }
    if (state->expires_low == 0 || observed->ttl_s == -1) {
        return state->expires_low == 0 && (observed->ttl_s == -1 || observed->ttl_s > 1000000);
    }
    return observed->ttl_s <= clock_seconds_left(state->expires_high, command->sent_tick);
}

bool predict_agrees(const struct command *command, struct outcome *outcome,
                    const struct observed *observed) {
    struct state *state = &outcome->state;
    if (observed->answer == ANSWER_SILENT) {
        return is_silent(command, outcome->answer);
    }
    if (observed->answer != outcome->answer) {
        return false;
    }
    if (observed->answer == ANSWER_NUMBER) {
        if (observed->number != outcome->number) {
            return false;
        }
    } else if (observed->answer != ANSWER_HIT && observed->answer != ANSWER_DONE) {
        return true;
    }
    if (observed->has_tokens &&
        (observed->won != outcome->won || observed->token_sent != outcome->token_sent ||
         observed->stale != outcome->stale)) {
        return false;
    }
    if (observed->has_tokens && observed->has_key && observed->base64 != outcome->base64) {
        return false;
    }
    const struct value *value = state->value;
    if (observed->bytes && value &&
        (observed->length != value->length ||
         memcmp(observed->bytes, value->bytes, value->length) != 0)) {
        return false;
    }
    if (observed->has_length && value && observed->length != value->length) {
        return false;
    }
    if (state->present && observed->has_flags && observed->flags != state->flags) {
        return false;
    }
    if (state->present && observed->has_cas) {
        if (state->cas_known && state->cas != observed->cas) {
            return false;
        }
        state->cas_known = true;
        state->cas = observed->cas;
    }
    /* The t before an N tells the time before. */
    return !state->present || outcome->won || agrees_ttl(state, command, observed);
}
