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

static int64_t random_seconds(uint64_t *seed) {
    return (int32_t)random_number(seed);
}

static void add_value(struct request *r, struct material *m, uint64_t *seed) {
    r->value = m->value;
    r->value_length = stores(r->op) ? (uint32_t)random_below(seed, VALUE_LENGTH_MAX + 1) : 0;
}

static struct request text_request(struct material *m, uint64_t *seed) {
    struct request r = {
        .op = (uint8_t)random_below(seed, OP_META_GET),
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
        r.exptime = random_seconds(seed);
    }
    r.delta = r.op == OP_INCR || r.op == OP_DECR ? random_number(seed) : 0;
    return r;
}

/* The longest key whose base64 is no longer than a key may be. */
#define BINARY_KEY_LENGTH_MAX 186

/* Chooses among bits of request.meta. */
static uint16_t random_bits(uint64_t *seed, uint16_t among) {
    return (uint16_t)(random_next(seed) & among);
}

/* Some of the letters in random order. */
static void add_returns(struct request *r, const char *letters, uint64_t *seed) {
    char left[META_RETURNS_MAX] = {0};
    strncpy(left, letters, sizeof(left) - 1);
    size_t count = random_below(seed, strlen(left) + 1);
    for (size_t i = 0; i < count; i++) {
        size_t at = random_below(seed, strlen(left));
        r->returns[i] = left[at];
        memmove(left + at, left + at + 1, strlen(left + at));
    }
    if (memchr(r->returns, 'O', sizeof(r->returns))) {
        r->token = "opaque-opaque-opaque-opaque-31.";
        r->token_length = (uint8_t)random_below(seed, META_OPAQUE_LENGTH_MAX + 1);
    }
}

static void fill_meta_store(struct request *r, struct material *m, uint64_t *seed) {
    bool extends = r->op == OP_APPEND || r->op == OP_PREPEND;
    add_value(r, m, seed);
    add_returns(r, "Okcs", seed);
    r->client_flags = (uint32_t)random_number(seed);
    r->exptime = random_seconds(seed);
    r->compare_cas = (extends || r->op == OP_SET) && random_below(seed, 2) == 0;
    r->meta = random_bits(seed, META_SET_CAS | META_BASE64);
    r->meta |= extends ? random_bits(seed, META_VIVIFY) : 0;
    r->meta |= r->op == OP_SET && r->compare_cas ? random_bits(seed, META_INVALIDATE) : 0;
}

static void fill_meta_delta(struct request *r, uint64_t *seed) {
    add_returns(r, "Okct", seed);
    r->compare_cas = random_below(seed, 2) == 0;
    r->delta = random_number(seed);
    r->initial = random_number(seed);
    r->meta = random_bits(seed, META_RETURN_VALUE | META_VIVIFY | META_TOUCH | META_SET_CAS |
                                    META_BASE64);
    r->create = (r->meta & META_VIVIFY) != 0;
}

static void fill_meta_by_op(struct request *r, struct material *m, uint64_t *seed) {
    if (stores(r->op)) {
        fill_meta_store(r, m, seed);
    } else if (r->op == OP_DELETE) {
        add_returns(r, "Ok", seed);
        r->compare_cas = random_below(seed, 2) == 0;
        r->meta = random_bits(seed, META_EMPTY | META_SET_CAS | META_BASE64) | META_INVALIDATE;
        r->meta |= random_bits(seed, META_TOUCH);
    } else if (r->op == OP_META_GET) {
        add_returns(r, "Okcfhlst", seed);
        r->meta =
            random_bits(seed, META_RETURN_VALUE | META_COMPARE_EQUAL | META_VIVIFY | META_RECACHE |
                                  META_TOUCH | META_NO_BUMP | META_SET_CAS | META_BASE64);
    } else {
        fill_meta_delta(r, seed);
    }
}

static struct request meta_request(struct material *m, uint64_t *seed) {
    static const uint8_t ops[] = {OP_META_GET, OP_META_GET, OP_SET,    OP_ADD,  OP_REPLACE,
                                  OP_APPEND,   OP_PREPEND,  OP_DELETE, OP_INCR, OP_DECR};
    struct request r = {
        .op = ops[random_below(seed, sizeof(ops))],
        .protocol = PROTOCOL_META,
        .key = m->key,
        .quiet = random_below(seed, 2) == 0,
    };
    fill_meta_by_op(&r, m, seed);
    bool binary = (r.meta & META_BASE64) != 0;
    r.key_length =
        (uint16_t)(1 + random_below(seed, binary ? BINARY_KEY_LENGTH_MAX : KEY_LENGTH_MAX));
    bool cas = r.compare_cas || (r.meta & META_COMPARE_EQUAL) != 0;
    r.cas = cas ? random_number(seed) | 1 : 0;
    r.new_cas = (r.meta & META_SET_CAS) != 0 ? random_number(seed) : 0;
    r.vivify_exptime = (r.meta & META_VIVIFY) != 0 ? random_seconds(seed) : 0;
    r.recache_exptime = (r.meta & META_RECACHE) != 0 ? random_seconds(seed) : 0;
    if (!stores(r.op)) {
        r.exptime = (r.meta & META_TOUCH) != 0 ? random_seconds(seed) : 0;
    }
    bool sets_ttl = (r.meta & (META_TOUCH | META_VIVIFY)) != 0;
    if (sets_ttl && memchr(r.returns, 't', sizeof(r.returns))) {
        r.meta |= META_TTL_AFTER;
    }
    if ((r.meta & META_TOUCH) != 0 && (r.meta & META_RECACHE) != 0) {
        r.meta |= META_RECACHE_AFTER;
    }
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

typedef struct request make_request(struct material *m, uint64_t *seed);

/* Composes a stream of requests and parses the same requests from its bytes. */
static void check_row(uint64_t run, make_request *make, bool text) {
    uint64_t seed = run;
    struct material material[REQUESTS_IN_A_ROW];
    struct request sent[REQUESTS_IN_A_ROW];
    struct composed c = {0};
    for (size_t i = 0; i < REQUESTS_IN_A_ROW; i++) {
        fill_material(&material[i], &seed, text);
        sent[i] = make(&material[i], &seed);
        compose_request(&c, &sent[i]);
    }
    struct parser parser;
    parser_init(&parser, STREAM_VALUE_LENGTH_MAX, UINT32_MAX);
    size_t at = 0;
    for (size_t i = 0; i < REQUESTS_IN_A_ROW; i++) {
        struct request got;
        size_t used;
        char key_space[KEY_LENGTH_MAX];
        enum parse_status status =
            stream_next(&parser, c.bytes + at, c.length - at, key_space, &got, &used);
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
        check_row(run, text_request, true);
    }
}

Test(round_trip, binary) {
    for (uint64_t run = 0; run < 1000; run++) {
        check_row(run, binary_request, false);
    }
}

Test(round_trip, meta) {
    for (uint64_t run = 0; run < 2000; run++) {
        check_row(run, meta_request, true);
    }
}
