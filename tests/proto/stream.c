#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_SHOWN_MAX 40

struct stream {
    struct parser parser;
    const char *bytes;
    size_t start; /* first byte not used */
    size_t end;   /* behind the last byte that arrived */
    size_t length;
    FILE *out;
    bool any; /* something was rendered */
};

static const char *const op_names[] = {
    [OP_GET] = "get",         [OP_TOUCH] = "touch",     [OP_GAT] = "gat",
    [OP_SET] = "set",         [OP_ADD] = "add",         [OP_REPLACE] = "replace",
    [OP_APPEND] = "append",   [OP_PREPEND] = "prepend", [OP_DELETE] = "delete",
    [OP_INCR] = "incr",       [OP_DECR] = "decr",       [OP_REJECT] = "REJECT",
    [OP_FLUSH] = "flush",     [OP_STATS] = "stats",     [OP_VERSION] = "version",
    [OP_VERBOSITY] = "level", [OP_NOOP] = "noop",       [OP_END] = "END",
    [OP_ERROR] = "ERROR",     [OP_QUIT] = "quit",
};

static const char *const error_names[] = {
    [PROTO_ERROR_NONE] = "none",           [PROTO_ERROR_COMMAND] = "command",
    [PROTO_ERROR_FORMAT] = "format",       [PROTO_ERROR_DATA_CHUNK] = "chunk",
    [PROTO_ERROR_DELTA] = "delta",         [PROTO_ERROR_EXPTIME] = "exptime",
    [PROTO_ERROR_DELETE_USAGE] = "usage",  [PROTO_ERROR_TOO_LARGE] = "too_large",
    [PROTO_ERROR_NO_MEMORY] = "no_memory",
};

static bool is_store(uint8_t op) {
    return op >= OP_SET && op <= OP_PREPEND;
}

static void render_word(FILE *out, const char *before, const char *word, size_t length) {
    if (length > WORD_SHOWN_MAX) {
        fprintf(out, "%s<%zu>", before, length);
    } else {
        fprintf(out, "%s%.*s", before, (int)length, word);
    }
}

static void render_numbers(FILE *out, const struct request *request) {
    if (request->client_flags != 0) {
        fprintf(out, " f%u", request->client_flags);
    }
    if (request->exptime != 0) {
        fprintf(out, " e%lld", (long long)request->exptime);
    }
    if (request->compare_cas) {
        fprintf(out, " cas%llu", (unsigned long long)request->cas);
    }
    if (request->delta != 0) {
        fprintf(out, " d%llu", (unsigned long long)request->delta);
    }
    if (request->initial != 0) {
        fprintf(out, " i%llu", (unsigned long long)request->initial);
    }
}

static void render_booleans(FILE *out, const struct request *request) {
    fputs(request->create ? " create" : "", out);
    fputs(request->return_cas ? " +cas" : "", out);
    fputs(request->return_key ? " +key" : "", out);
    fputs(request->quiet ? " quiet" : "", out);
    fputs(request->last ? " last" : "", out);
    fputs(request->closes ? " closes" : "", out);
}

static void render_opaque(FILE *out, const struct request *request) {
    if (request->protocol == PROTOCOL_BINARY) {
        unsigned char opaque[4];
        memcpy(opaque, &request->opaque, sizeof(opaque));
        fprintf(out, " %02x/%02x%02x%02x%02x", request->opcode, opaque[0], opaque[1], opaque[2],
                opaque[3]);
    }
}

static void render_request(FILE *out, const struct request *request) {
    fputs(op_names[request->op], out);
    if ((op_has_key(request->op) || request->op == OP_STATS) && request->key_length > 0) {
        render_word(out, " ", request->key, request->key_length);
    }
    if (request->op == OP_REJECT || request->op == OP_ERROR) {
        fprintf(out, " %s", error_names[request->error]);
    } else {
        render_numbers(out, request);
    }
    if (is_store(request->op)) {
        render_word(out, " v\"", request->value, request->value_length);
        fputc('"', out);
    }
    render_booleans(out, request);
    render_opaque(out, request);
}

static bool same_bytes(const char *a, const char *b, size_t length) {
    return length == 0 || memcmp(a, b, length) == 0;
}

bool stream_same_request(const struct request *a, const struct request *b) {
    bool same_numbers = a->op == b->op && a->protocol == b->protocol && a->opcode == b->opcode &&
                        a->error == b->error && a->client_flags == b->client_flags &&
                        a->opaque == b->opaque && a->exptime == b->exptime && a->cas == b->cas &&
                        a->delta == b->delta && a->initial == b->initial;
    bool same_booleans = a->quiet == b->quiet && a->return_cas == b->return_cas &&
                         a->return_key == b->return_key && a->last == b->last &&
                         a->compare_cas == b->compare_cas && a->create == b->create &&
                         a->closes == b->closes;
    bool same_key = a->key_length == b->key_length &&
                    same_bytes(a->key, b->key, op_has_key(a->op) ? a->key_length : 0);
    bool same_value = a->value_length == b->value_length &&
                      same_bytes(a->value, b->value, is_store(a->op) ? a->value_length : 0);
    return same_numbers && same_booleans && same_key && same_value;
}

/* Padding is left out of the comparison. */
static bool same_parser(const struct parser *a, const struct parser *b) {
    return a->protocol == b->protocol && a->state == b->state && a->return_cas == b->return_cas &&
           a->no_memory == b->no_memory && a->value_length_max == b->value_length_max &&
           a->scanned == b->scanned && a->need == b->need && a->skip == b->skip &&
           a->exptime == b->exptime;
}

/* Parses once, takes it back, parses again. */
static enum parse_status parse_twice(struct stream *s, const char *bytes, size_t length,
                                     struct request *request, size_t *used) {
    struct parser before = s->parser;
    enum parse_status first = parser_next(&s->parser, bytes, length, request, used);
    struct parser after = s->parser;
    struct request again;
    size_t used_again;
    s->parser = before;
    enum parse_status second = parser_next(&s->parser, bytes, length, &again, &used_again);
    cr_assert(eq(int, (int)first, (int)second), "status after rewinding");
    cr_assert(eq(sz, *used, used_again), "used after rewinding");
    cr_assert(same_parser(&after, &s->parser), "state after rewinding");
    if (first == PARSE_REQUEST) {
        cr_assert(stream_same_request(request, &again), "request after rewinding");
    }
    return first;
}

static void separate(struct stream *s) {
    fputs(s->any ? "; " : "", s->out);
    s->any = true;
}

/* Renders one request or an end. False when the stream is over. */
static bool step(struct stream *s, size_t fragment, enum parse_status *status) {
    size_t length = s->end - s->start;
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, s->bytes + s->start, length);
    struct request request;
    size_t used;
    *status = parse_twice(s, copy + (length > 0 ? 0 : 1), length, &request, &used);
    cr_assert(le(sz, used, length));
    s->start += used;
    bool goes_on = true;
    if (*status == PARSE_REQUEST) {
        cr_assert(gt(sz, used, (size_t)0), "a request without bytes");
        separate(s);
        render_request(s->out, &request);
        goes_on = !request.closes;
    } else if (*status == PARSE_MORE) {
        cr_assert(gt(sz, s->parser.need, s->end - s->start), "need must be more than there is");
        goes_on = s->end < s->length;
        s->end = s->end + fragment < s->length ? s->end + fragment : s->length;
    } else {
        separate(s);
        fputs("CLOSE", s->out);
        goes_on = false;
    }
    free(copy);
    return goes_on;
}

char *stream_render(const char *bytes, size_t length, size_t fragment) {
    char *text = NULL;
    size_t text_length = 0;
    fragment = fragment == STREAM_WHOLE ? length : fragment;
    struct stream s = {
        .bytes = bytes,
        .length = length,
        .end = fragment < length ? fragment : length,
        .out = open_memstream(&text, &text_length),
    };
    parser_init(&s.parser, STREAM_VALUE_LENGTH_MAX);
    enum parse_status status = PARSE_MORE;
    while (step(&s, fragment, &status)) {
    }
    if (status == PARSE_MORE && s.start < s.length) {
        separate(&s);
        fprintf(s.out, "left %zu", s.length - s.start);
    }
    fclose(s.out);
    return text;
}

void stream_check(const struct stream_case *c) {
    static const size_t fragments[] = {STREAM_WHOLE, 1, 2, 5, 10, 100};
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        char *rendered = stream_render(c->bytes, c->length, fragments[i]);
        cr_expect(eq(str, rendered, (char *)c->expected), "fragments of %zu of: %.60s",
                  fragments[i], c->bytes);
        free(rendered);
    }
}

void stream_check_all(const struct stream_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        stream_check(&cases[i]);
    }
}

char *stream_repeat(const char *front, const char *word, size_t count, const char *back) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    fputs(front, out);
    for (size_t i = 0; i < count; i++) {
        fputs(word, out);
    }
    fputs(back, out);
    fclose(out);
    return text;
}
