/* What a client composes from a request parses to the same request. */
#include "compose.h"
#include "random.h"
#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LENGTH_MAX 300
#define REQUESTS_IN_A_ROW 20

struct material {
    char key[KEY_LENGTH_MAX];
    char value[VALUE_LENGTH_MAX];
};

static void fill_material(struct material *m, uint64_t *seed, bool text) {
    for (size_t i = 0; i < sizeof(m->key); i++) {
        m->key[i] = (char)(text ? 33 + random_below(seed, 94) : random_next(seed));
    }
    for (size_t i = 0; i < sizeof(m->value); i++) {
        m->value[i] = (char)random_next(seed);
    }
}

static bool stores(uint8_t op) {
    return op >= OP_SET && op <= OP_PREPEND;
}

/* A number of a random magnitude. */
static uint64_t random_number(uint64_t *seed) {
    return random_next(seed) >> random_below(seed, 64);
}

static void add_value(struct request *r, struct material *m, uint64_t *seed) {
    r->value = m->value;
    r->value_length = stores(r->op) ? (uint32_t)random_below(seed, VALUE_LENGTH_MAX + 1) : 0;
}

static struct request text_request(struct material *m, uint64_t *seed) {
    struct request r = {
        .op = (uint8_t)random_below(seed, OP_REJECT),
        .protocol = PROTOCOL_TEXT,
        .key = m->key,
        .key_length = (uint16_t)(1 + random_below(seed, KEY_LENGTH_MAX)),
    };
    bool gets = r.op == OP_GET || r.op == OP_GAT;
    add_value(&r, m, seed);
    r.last = gets;
    r.return_cas = gets && random_below(seed, 2) == 0;
    r.quiet = !gets && random_below(seed, 2) == 0;
    r.compare_cas = r.op == OP_SET && random_below(seed, 2) == 0;
    r.cas = r.compare_cas ? random_number(seed) : 0;
    r.client_flags = stores(r.op) ? (uint32_t)random_number(seed) : 0;
    if (stores(r.op) || r.op == OP_TOUCH || r.op == OP_GAT) {
        r.exptime = (int64_t)random_number(seed) / 2 * (random_below(seed, 4) == 0 ? -1 : 1);
    }
    r.delta = r.op == OP_INCR || r.op == OP_DECR ? random_number(seed) : 0;
    return r;
}

struct form {
    uint8_t opcode;
    uint8_t op;
    bool quiet;
    bool return_key;
};

static struct request binary_request(struct material *m, uint64_t *seed) {
    static const struct form forms[] = {
        {0x00, OP_GET, 0, 0},     {0x01, OP_SET, 0, 0},     {0x02, OP_ADD, 0, 0},
        {0x03, OP_REPLACE, 0, 0}, {0x04, OP_DELETE, 0, 0},  {0x05, OP_INCR, 0, 0},
        {0x06, OP_DECR, 0, 0},    {0x09, OP_GET, 1, 0},     {0x0c, OP_GET, 0, 1},
        {0x0d, OP_GET, 1, 1},     {0x0e, OP_APPEND, 0, 0},  {0x0f, OP_PREPEND, 0, 0},
        {0x11, OP_SET, 1, 0},     {0x12, OP_ADD, 1, 0},     {0x13, OP_REPLACE, 1, 0},
        {0x14, OP_DELETE, 1, 0},  {0x15, OP_INCR, 1, 0},    {0x16, OP_DECR, 1, 0},
        {0x19, OP_APPEND, 1, 0},  {0x1a, OP_PREPEND, 1, 0}, {0x1c, OP_TOUCH, 0, 0},
        {0x1d, OP_GAT, 0, 0},     {0x1e, OP_GAT, 1, 0},     {0x23, OP_GAT, 0, 1},
        {0x24, OP_GAT, 1, 1},
    };
    const struct form *form = &forms[random_below(seed, sizeof(forms) / sizeof(forms[0]))];
    struct request r = {
        .op = form->op,
        .protocol = PROTOCOL_BINARY,
        .opcode = form->opcode,
        .quiet = form->quiet,
        .return_key = form->return_key,
        .opaque = (uint32_t)random_next(seed),
        .key = m->key,
        .key_length = (uint16_t)(1 + random_below(seed, KEY_LENGTH_MAX)),
    };
    bool flags = r.op == OP_SET || r.op == OP_ADD || r.op == OP_REPLACE;
    bool delta = r.op == OP_INCR || r.op == OP_DECR;
    add_value(&r, m, seed);
    r.client_flags = flags ? (uint32_t)random_next(seed) : 0;
    r.exptime =
        flags || delta || r.op == OP_TOUCH || r.op == OP_GAT ? (uint32_t)random_next(seed) : 0;
    r.delta = delta ? random_next(seed) : 0;
    r.initial = delta ? random_next(seed) : 0;
    r.create = delta;
    r.compare_cas = (r.op == OP_SET || delta || r.op == OP_DELETE || r.op == OP_APPEND) &&
                    random_below(seed, 2) == 0;
    r.cas = r.compare_cas ? random_next(seed) | 1 : 0;
    return r;
}

/* Composes a row of requests and finds it again in the bytes. */
static void check_row(uint64_t run, bool text) {
    uint64_t seed = run;
    struct material material[REQUESTS_IN_A_ROW];
    struct request sent[REQUESTS_IN_A_ROW];
    struct composed c = {0};
    for (size_t i = 0; i < REQUESTS_IN_A_ROW; i++) {
        fill_material(&material[i], &seed, text);
        sent[i] = (text ? text_request : binary_request)(&material[i], &seed);
        compose_request(&c, &sent[i]);
    }
    struct parser parser;
    parser_init(&parser, STREAM_VALUE_LENGTH_MAX);
    size_t at = 0;
    for (size_t i = 0; i < REQUESTS_IN_A_ROW; i++) {
        struct request got;
        size_t used;
        enum parse_status status = parser_next(&parser, c.bytes + at, c.length - at, &got, &used);
        cr_assert(eq(int, (int)status, PARSE_REQUEST), "seed %llu", (unsigned long long)run);
        cr_assert(stream_same_request(&got, &sent[i]), "seed %llu op %d", (unsigned long long)run,
                  sent[i].op);
        at += used;
    }
    cr_assert(eq(sz, at, c.length));
    compose_free(&c);
}

Test(round_trip, text) {
    for (uint64_t run = 0; run < 1000; run++) {
        check_row(run, true);
    }
}

Test(round_trip, binary) {
    for (uint64_t run = 0; run < 1000; run++) {
        check_row(run, false);
    }
}
