/* predict: what a command may be answered, and what is there afterwards, from one state before. */
#ifndef TESTS_SIM_PREDICT_H
#define TESTS_SIM_PREDICT_H

#include "model.h"

#define OUTCOMES_MAX 8

/* Longer values may be stored as large ones, of which no command makes numbers. */
#define PREDICT_LONG_BYTES 1000

struct outcome {
    enum answer answer;
    uint64_t number;
    bool won;
    bool token_sent;    /* before */
    bool stale;         /* before */
    bool base64;        /* its key is returned so */
    struct state state; /* holds its value */
};

/* Returns how many. */
uint32_t predict(const struct world *world, const struct command *command,
                 const struct state *before, struct outcome outcomes[OUTCOMES_MAX]);

/* Whether an answer may be of this outcome. What it tells beside becomes part of the state. */
bool predict_agrees(const struct command *command, struct outcome *outcome,
                    const struct observed *observed);

#endif
