/* reactor_steps: what a reactor does in a turn, step by step; their order stands in reactor.c. */
#ifndef CORE_SERVER_REACTOR_STEPS_H
#define CORE_SERVER_REACTOR_STEPS_H

#include "core/server/reactor.h"

/* Calls the completions of what the engine has brought to an end. */
void reactor_take_completions(struct reactor *reactor);

/* Takes the replies of other reactors, then answers their requests. */
void reactor_exchange(struct reactor *reactor);

/* Lets the connections that are ready run requests, in rounds; as many in a turn as -R says. */
void reactor_run_requests(struct reactor *reactor);

/* Passes on that a client has asked for the end of the server. */
void reactor_pass_stop(struct reactor *reactor);

/* A reactor_init()'s timer: connections that were refused memory of a store ask again. */
void reactor_retry(void *owner, struct timer *timer);

/* Ends the turn of the connections to which something has happened. */
void reactor_end_turns(struct reactor *reactor);

/* Sends large values, up to OUTGOING_TURN_BYTES. */
void reactor_send_large(struct reactor *reactor);

/* Makes visible what this turn has sent to other reactors, and wakes those that sleep. */
void reactor_publish(struct reactor *reactor);

#endif
