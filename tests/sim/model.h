/* model: what a client may find under its keys. Nobody else uses them, so that its commands, in
 * their order, decide what is there; but for what it can't know: whether an item has expired
 * already, been evicted, or been flushed by somebody else. So a key has several possible states,
 * and an answer strikes out those that it contradicts; with none left it was wrong.
 */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "command.h"
#include "world.h"

struct client;

struct state {
    bool present;
    struct value *value;
    uint32_t flags;
    bool token_sent; /* somebody has been told to fill it */
    bool stale;
    bool base64; /* its key came so when it was made */
    bool cas_known;
    uint64_t cas;
    uint32_t expires_low; /* ticks of the store between which it expires; 0: never */
    uint32_t expires_high;
    uint64_t since_step; /* when the command was sent that stored it, and when it was answered */
    uint64_t done_step;
    uint64_t evictions; /* of the server when it was sent */
};

#define MODEL_STATES_MAX 32

struct model_key {
    bool lost; /* nobody knows what is there any more, see model_observe() */
    uint32_t count;
    struct state states[MODEL_STATES_MAX];
};

struct model {
    struct world *world;
    const struct client *client;
    uint32_t keys;
    struct model_key *all;
};

void model_init(struct model *model, const struct client *client, uint32_t keys);
void model_finish(struct model *model);

/* The answer to a command about one of its keys. Fails when it can't be right.
 *
 * There is one case in which an answer is out of order: a get of a large value whose lease is
 * refused is run anew later, and sees what commands behind it have done to the key meanwhile (see
 * "Large values on their way" in core/README.md). Then anything is accepted, where a store has
 * refused a lease at all. */
void model_observe(struct model *model, const struct command *command, uint32_t key,
                   const struct observed *observed);

/* The client's own flush has been answered, or was passed over in silence. */
void model_flush(struct model *model, const struct flush *flush);

/* One of the possible CAS values of a key, or a wrong one. */
uint64_t model_cas(const struct model *model, uint32_t key);
/* The length of one of its possible values. */
uint32_t model_length(const struct model *model, uint32_t key);

/* Whether a key is certainly there, for as long as the command has been under way. */
bool model_is_there(const struct model *model, const struct command *command, uint32_t key);

/* Whether nothing but a command of its client can have changed it since a step. */
bool model_is_older(const struct model *model, uint32_t key, uint64_t step);

#endif
