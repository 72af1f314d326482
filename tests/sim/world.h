/* world: what all parts of one simulation share: chance, time, what was chosen for this seed, and
 * what is told when something goes wrong.
 *
 * Everything that happens is decided by the seed alone: no clock, no thread, no address, nothing
 * else of the machine.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define WORLD_REACTORS_MAX 5
#define WORLD_CLIENTS_MAX 10
#define WORLD_FLUSHES_MAX 64 /* no more prefixes may be flushed at a time */
#define WORLD_PREFIX_BYTES 256
#define WORLD_NO_HOLDER UINT32_MAX

/* How often something goes wrong: parts of 1024 of the chances that it has. */
struct faults {
    uint32_t receive_short;
    uint32_t receive_again;  /* EINTR, EAGAIN */
    uint32_t receive_broken; /* ECONNRESET, ENOMEM */
    uint32_t send_short;
    uint32_t send_again;
    uint32_t send_broken;     /* ECONNRESET, EPIPE, ENOMEM */
    uint32_t accept_refused;  /* EMFILE, ENFILE, ENOMEM, ECONNABORTED, EINTR */
    uint32_t accept_ends;     /* a connection comes without IO_MORE */
    uint32_t client_vanishes; /* per operation of a client */
    uint32_t client_stalls;   /* it reads nothing for a time */
    uint32_t reactor_stands;  /* a reactor gets no processor for some steps of the others */
    uint32_t yields;          /* in the middle of a turn, whenever it asks for I/O */
    uint32_t
        lending_stands;  /* a reactor stands still while it has a shard, or takes or leaves it */
    uint32_t time_leaps; /* of 1024 * 64: per step, up to leap_ns_max */
    uint32_t malloc_fails;
};

/* What the seed has chosen. */
struct choices {
    uint32_t reactors;
    uint32_t clients;
    uint32_t connections; /* of each client, one behind the other */
    uint32_t operations;  /* of each connection, at most */
    uint32_t ring_capacity;
    size_t memory_bytes; /* of a reactor */
    size_t item_bytes_max;
    uint32_t value_bytes_max; /* that clients send, but for a few that are too large */
    bool ample;               /* memory is enough for all that clients send: nothing is evicted */
    bool crowded;             /* and this is sure to be too little */
    bool no_eviction;
    bool no_cas;
    bool no_flush;
    bool no_dump;
    bool shutdown_enabled;
    bool administers;      /* settings are changed while it runs */
    bool resets;           /* with these, statistics are reset */
    bool crawler_switches; /* the crawler is switched off and on */
    bool renews_logins;
    bool renews_items; /* clients mark few items stale, win them and store them anew */
    bool log_full;     /* stderr takes nothing */
    uint8_t binding;   /* enum binding_protocol */
    bool logins;
    uint32_t turn_requests;
    uint32_t idle_timeout_s;
    uint32_t wides;      /* wide ranges of a reactor; 0: all */
    size_t scarce_bytes; /* of buffers, see core/net/memory.h; 0: as usual */
    uint32_t spin_us;
    uint32_t connections_max;
    uint32_t verbosity;
    uint32_t buffers;        /* that an engine may lend */
    uint32_t stream_bytes;   /* that fit between a client and the server, each way, at most */
    uint32_t fragment_bytes; /* of what a client sends or reads at once, at most */
    uint32_t pipelined;      /* operations that a client has under way, at most */
    uint32_t keys;           /* of a client */
    bool flushes;
    bool scans;
    bool expires;     /* items get short lives */
    bool stops_early; /* while clients are still there */
    uint64_t step_ns;
    uint64_t leap_ns_max;
    uint32_t moves; /* of 1024: how often a reactor gives connections to another in a window */
    uint32_t check_every; /* turns between two looks at everything in a store */
    struct faults faults;
};

/* From when a flush may have reached some shard, to when it has reached all, in steps; due_s: by
 * when it has taken effect, on the store's scale. */
struct flush {
    uint64_t sent_step;
    uint64_t done_step; /* UINT64_MAX: not yet */
    uint32_t due_s;     /* the latest second in which it may come to take effect; 0: at once */
    char prefix[WORLD_PREFIX_BYTES]; /* of keys; empty: of all */
};

/* Messages from one reactor to another, by where they are: see credit.c. */
struct credit {
    uint32_t requested; /* in the ring of requests */
    uint32_t executed;  /* taken by their owner */
    uint32_t replied;   /* in the ring of replies */
    uint32_t returned;  /* taken by their origin, their credit not given back */
};

static inline uint32_t credit_used(const struct credit *credit) {
    return credit->requested + credit->executed + credit->replied + credit->returned;
}

struct simulated_server;
struct sockets;
struct client;
struct engine;

struct world {
    uint64_t seed;
    struct random random;
    struct choices choices;
    uint64_t now_ns;
    uint64_t start_ns; /* of the server */
    /* For how long the system has been suspended, and had been before the last time: what a reactor
     * may still take for true for a tick. */
    uint64_t suspended_ns;
    uint64_t suspended_before_ns;
    uint64_t suspended_at_ns;
    int64_t wall_s; /* Unix time at start_ns, moved as clocks are set */
    uint64_t step;
    uint64_t progress_step; /* when something last went ahead */
    uint32_t lost_rounds;   /* since then in which nobody could do anything, at no time */
    uint64_t idle_ns;       /* time that has leapt since, for want of anything else */
    uint64_t hash;          /* of all that has happened */
    bool trace;
    bool tls;         /* connections are by TLS */
    bool epoll;       /* the engine is the one on epoll, on a simulated kernel */
    uint32_t opening; /* the reactor whose engine is being opened on it */
    /* A reactor has the processor: whatever is allocated is the product's. clang takes malloc() for
     * a function that reads no variable, and left out stores in front of it. */
    volatile bool in_reactor;
    bool stopping;  /* the order to stop has been given */
    bool was_reset; /* `stats reset` has been sent: counters tell little */
    bool settled;   /* what is going on is the end of the seed, without faults */
    bool ended;     /* all reactors have, and are closed */
    uint64_t mallocs_failed;
    uint32_t wides;              /* wide ranges of each reactor */
    uint64_t broken_unexplained; /* connections that only the server's counters can account for */
    uint64_t idle_closes;
    struct sockets *sockets;
    struct simulated_server *server;
    struct engine *engines[WORLD_REACTORS_MAX];
    struct client *clients[WORLD_CLIENTS_MAX];
    uint32_t running;                     /* the reactor that has the processor, or had it last */
    uint32_t holders[WORLD_REACTORS_MAX]; /* of each shard: who has it, see lending.c */
    struct credit credits[WORLD_REACTORS_MAX][WORLD_REACTORS_MAX]; /* from, to */
    struct flush flushes[WORLD_FLUSHES_MAX];
    uint32_t flush_count;

    /* What has happened, for the last line. */
    uint64_t operations;
    uint64_t turns;
    uint64_t borrows;
    uint64_t moves;
    uint64_t copied; /* gets answered from copies */
    uint64_t completions;
    uint64_t injected;
    uint64_t evictions;
    uint64_t refusals;
    uint64_t kicks;
    uint64_t connections;
};

/* Sets all that the seed decides. */
void world_init(struct world *world, uint64_t seed, bool trace);

/* Something has happened: becomes part of the hash, and of the trace. */
void world_note(struct world *world, const char *what, uint64_t a, uint64_t b, uint64_t c);

/* Something has gone ahead: nobody waits for ever. */
void world_progress(struct world *world);

/* The time on the store's scale. */
uint32_t world_tick(const struct world *world);

/* Says what is wrong and how to have it again, and ends the process. */
__attribute__((format(printf, 2, 3), noreturn)) void world_fail(const struct world *world,
                                                                const char *format, ...);
#define WORLD_CHECK(world, condition)                                                              \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            world_fail((world), "%s:%d: not so: %s", __FILE__, __LINE__, #condition);              \
        }                                                                                          \
    } while (0)

/* A chance that something goes wrong: never in the end of a seed. */
static inline bool world_fault(struct world *world, uint32_t parts) {
    if (parts == 0 || world->settled || !random_chance(&world->random, parts)) {
        return false;
    }
    world->injected++;
    return true;
}

/* wrap.c: the functions of libc that the product may call and that must not have their own will
 * (the clocks, malloc(), writes to stderr) ask this world; NULL: none. */
void wrap_world(struct world *world);
struct world *wrap_current(void);
/* Blocks that the product has allocated and not freed. */
int64_t wrap_blocks(void);

#endif
