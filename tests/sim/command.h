/* command: one command of a client, from when it is sent to when it is answered. */
#ifndef TESTS_SIM_COMMAND_H
#define TESTS_SIM_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"

enum command_kind {
    COMMAND_GET,
    COMMAND_GAT,
    COMMAND_TOUCH,
    COMMAND_SET,
    COMMAND_ADD,
    COMMAND_REPLACE,
    COMMAND_APPEND,
    COMMAND_PREPEND,
    COMMAND_CAS,
    COMMAND_DELETE,
    COMMAND_INCR,
    COMMAND_DECR,
    COMMAND_FLUSH,
    COMMAND_FIXED, /* it has one right answer, whatever there is */
    COMMAND_LINES, /* lines, or packets, to an end: stats and scans */
    COMMAND_QUIT,
};

enum speech {
    SPEECH_TEXT,
    SPEECH_META,
    SPEECH_BINARY,
};

/* Shared by all that hold it. */
struct value {
    uint32_t holders;
    uint32_t length;
    char bytes[];
};

struct value *value_create(uint32_t length);
struct value *value_hold(struct value *value);
void value_release(struct value *value);

#define COMMAND_KEYS_MAX 100
#define COMMAND_RETURNS_MAX 8

struct command {
    enum command_kind kind;
    enum speech speech;
    bool quiet;
    bool returns_key; /* binary */
    uint32_t key_count;
    uint32_t keys_answered;
    uint8_t keys[COMMAND_KEYS_MAX];
    char returns[COMMAND_RETURNS_MAX]; /* meta: what is to be returned, in order */
    bool wants_cas;                    /* text: gets and gats */
    struct value *value;
    bool too_large; /* certainly */
    uint32_t flags;
    int64_t exptime;
    uint64_t cas;     /* 0: none is compared */
    bool cas_ignored; /* as without CAS values (-C) in some commands */
    uint64_t delta;
    bool create; /* incr, decr, mg: a missing key is made */
    uint64_t initial;

    /* Meta. */
    bool base64;           /* b */
    bool invalidate;       /* I of md and ms */
    bool empty;            /* x of md */
    bool touch;            /* T of md and ma */
    int64_t other_exptime; /* of that T; N of ms */
    uint32_t recache_s;    /* R of mg; 0: none */
    uint64_t new_cas;      /* E; 0: none */

    uint32_t opaque;
    uint8_t opcode;    /* binary */
    const char *fixed; /* its answer, or the line before which lines end */
    uint32_t fixed_length;
    uint32_t flush; /* its number in the world, + 1 */

    /* Scans: a bit for each key of each client that was seen; and of which of its connections. */
    uint64_t seen[WORLD_CLIENTS_MAX];
    uint32_t seen_incarnations[WORLD_CLIENTS_MAX];

    /* When it was sent. */
    uint64_t sent_step;
    uint32_t sent_tick; /* no reactor runs it earlier than this tick of the store */
    int64_t sent_unix_s;
    uint64_t evictions; /* of the server */
    uint64_t refusals;
};

/* What a client is told of one key. */
enum answer {
    ANSWER_SILENT,
    ANSWER_MISS, /* also of what is missing for touch, incr, decr, delete and cas */
    ANSWER_HIT,
    ANSWER_DONE, /* stored, deleted, touched */
    ANSWER_NOT_STORED,
    ANSWER_EXISTS,
    ANSWER_NUMBER,
    ANSWER_NON_NUMERIC,
    ANSWER_NO_MEMORY,
    ANSWER_TOO_LARGE,
};

struct observed {
    enum answer answer;
    const char *bytes; /* the value; NULL where the answer has none */
    uint32_t length;
    bool has_length;
    bool has_flags;
    uint32_t flags;
    bool has_cas;
    uint64_t cas;
    bool has_ttl;
    int64_t ttl_s;
    uint64_t number;
    bool has_tokens; /* of meta: what follows */
    bool won;
    bool token_sent;
    bool stale;
    bool has_key;
    bool base64; /* the key that was returned */
};

#endif
