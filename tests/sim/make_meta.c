/* What a client says next in the meta protocol. */
#include <string.h>

#include "client.h"

static void make_returns(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
    bool counts = command->kind == COMMAND_INCR || command->kind == COMMAND_DECR;
    const char *letters = gets ? "vkcfsO" : command->value ? "kcsO" : counts ? "kcO" : "kO";
    uint32_t count = 0;
    if (counts) {
        command->returns[count++] = 'v';
    }
    if (command->kind == COMMAND_GET && random_one_in(random, 4)) {
        command->returns[count++] = 't';
    }
    for (const char *at = letters; *at != '\0'; at++) {
        if (count < COMMAND_RETURNS_MAX - 2 && *at != 'O' && random_one_in(random, 2)) {
            command->returns[count++] = *at;
        }
    }
    if (command->quiet || random_one_in(random, 2)) {
        command->returns[count++] = 'O';
    }
}

/* A CAS that no counter gets to: below and above 40 bits, which is what items have room for. */
static uint64_t make_cas(struct random *random) {
    uint64_t below = random_below(random, 5);
    switch (random_below(random, 3)) {
    case 0:
        return ((uint64_t)1 << 40) - 1 - below;
    case 1:
        return ((uint64_t)1 << 40) + 5000 + below;
    default:
        return UINT64_MAX - below;
    }
}

/* md: all that it may do beside deleting. */
static void make_delete(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    command->invalidate = random_one_in(random, 2);
    command->empty = random_one_in(random, 4);
    bool kept = command->invalidate || command->empty;
    command->quiet = command->quiet && !kept; /* it may be refused */
    command->touch = kept && random_one_in(random, 3);
    command->flags = command->empty ? random_below(random, 3) : 0;
}

/* What only meta commands have: b, E, I, R, T, x, and N and C of more commands. */
static void make_changes(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    bool counts = command->kind == COMMAND_INCR || command->kind == COMMAND_DECR;
    bool joins = command->kind == COMMAND_APPEND || command->kind == COMMAND_PREPEND;
    command->base64 = !client->key_is_long && random_one_in(random, 4);
    if (command->kind == COMMAND_DELETE) {
        make_delete(client, command);
    }
    command->touch |= counts && random_one_in(random, 4);
    command->create |= joins && random_one_in(random, 3);
    command->other_exptime = make_exptime(client, false);
    if (command->kind == COMMAND_GET && random_one_in(random, 3)) {
        command->recache_s = random_between(random, 1, 5);
    }
    if ((counts || joins || command->kind == COMMAND_DELETE) && random_one_in(random, 4)) {
        command->cas = model_cas(&client->model, command->keys[0]);
    }
    if (command->kind == COMMAND_CAS && random_one_in(random, 2)) {
        command->invalidate = true;
        command->cas -= random_one_in(random, 2) && command->cas > 1;
        command->cas = random_one_in(random, 4) ? 1 : command->cas;
    }
    bool writes = command->value || counts || command->invalidate || command->empty;
    if ((writes || command->create) && random_one_in(random, 5)) {
        command->new_cas = make_cas(random);
    }
}

void make_meta(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
    command->speech = SPEECH_META;
    /* An error of the others does not tell whose it is. */
    bool may_be_quiet = gets || command->kind == COMMAND_DELETE;
    command->quiet = may_be_quiet && random_one_in(random, 3);
    command->opaque = client->opaque++;
    make_returns(client, command);
    bool counts = command->kind == COMMAND_INCR || command->kind == COMMAND_DECR;
    if ((counts || command->kind == COMMAND_GET) && random_one_in(random, 3)) {
        command->create = true;
        command->initial = random_below(random, 1000);
        command->exptime = make_exptime(client, false);
    }
    make_changes(client, command);
}
