#include "stream.h"
#include "proto/login.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_SHOWN_MAX 40

struct stream_setting {
    enum stream_login login;
    uint32_t upload_from;
};

/* A request whose value comes in parts, put together again. */
struct upload {
    struct request request; /* key, token and value are on the heap */
    uint32_t there;         /* bytes of the value */
    size_t start;           /* in the stream */
};

struct stream {
    struct parser parser;
    char key_space[KEY_LENGTH_MAX];
    const char *bytes;
    size_t start; /* first byte not used */
    size_t end;   /* behind the last byte that arrived */
    size_t length;
    FILE *out;
    bool any; /* something was rendered */
    struct upload upload;
};

static const char *const op_names[] = {
    [OP_GET] = "get",
    [OP_TOUCH] = "touch",
    [OP_GAT] = "gat",
    [OP_SET] = "set",
    [OP_ADD] = "add",
    [OP_REPLACE] = "replace",
    [OP_APPEND] = "append",
    [OP_PREPEND] = "prepend",
    [OP_DELETE] = "delete",
    [OP_INCR] = "incr",
    [OP_DECR] = "decr",
    [OP_META_GET] = "mg",
    [OP_META_ITEM] = "me",
    [OP_REJECT] = "REJECT",
    [OP_FLUSH] = "flush",
    [OP_STATS] = "stats",
    [OP_METADUMP] = "metadump",
    [OP_MGDUMP] = "mgdump",
    [OP_CRAWL] = "crawl",
    [OP_CRAWLER_SWITCH] = "crawler_switch",
    [OP_CRAWLER_SLEEP] = "crawler_sleep",
    [OP_CRAWLER_TOCRAWL] = "crawler_tocrawl",
    [OP_MEMORY_LIMIT] = "memory_limit",
    [OP_DEBUG_TIME] = "debug_time",
    [OP_VERSION] = "version",
    [OP_VERBOSITY] = "level",
    [OP_NOOP] = "noop",
    [OP_OK] = "ok",
    [OP_SHUTDOWN] = "shutdown",
    [OP_LOGIN] = "login",
    [OP_SASL_LIST] = "sasl_list",
    [OP_UPLOAD_PART] = "part",
    [OP_UPLOAD_END] = "end",
    [OP_END] = "END",
    [OP_ERROR] = "ERROR",
    [OP_QUIT] = "quit",
};

static const char *const error_names[] = {
    [PROTO_ERROR_NONE] = "none",
    [PROTO_ERROR_COMMAND] = "command",
    [PROTO_ERROR_FORMAT] = "format",
    [PROTO_ERROR_DATA_CHUNK] = "chunk",
    [PROTO_ERROR_DELTA] = "delta",
    [PROTO_ERROR_EXPTIME] = "exptime",
    [PROTO_ERROR_DELETE_USAGE] = "usage",
    [PROTO_ERROR_TOO_LARGE] = "too_large",
    [PROTO_ERROR_NO_MEMORY] = "no_memory",
    [PROTO_ERROR_LOGIN] = "login",
    [PROTO_ERROR_FLUSH] = "flush",
    [PROTO_ERROR_METADUMP] = "metadump",
    [PROTO_ERROR_MGDUMP] = "mgdump",
    [PROTO_ERROR_DETAIL] = "detail",
    [PROTO_ERROR_CACHEDUMP] = "cachedump",
    [PROTO_ERROR_WATCH] = "watch",
    [PROTO_ERROR_LOGIN_LENGTH] = "login_length",
    [PROTO_ERROR_LOGIN_END] = "login_end",
    [PROTO_ERROR_LOGIN_FORMAT] = "login_format",
    [PROTO_ERROR_LOGIN_STEP] = "login_step",
    [PROTO_ERROR_FLAG] = "flag",
    [PROTO_ERROR_FLAG_TWICE] = "flag_twice",
    [PROTO_ERROR_FLAGS_TOO_MANY] = "flags_too_many",
    [PROTO_ERROR_FLAG_TOKEN] = "flag_token",
    [PROTO_ERROR_FLAG_INITIAL] = "flag_initial",
    [PROTO_ERROR_FLAG_DELTA] = "flag_delta",
    [PROTO_ERROR_FLAG_KEY] = "flag_key",
    [PROTO_ERROR_FLAG_OPAQUE] = "flag_opaque",
    [PROTO_ERROR_FLAG_SET_MODE] = "flag_set_mode",
    [PROTO_ERROR_FLAG_DELTA_MODE] = "flag_delta_mode",
    [PROTO_ERROR_DELTA_FLAGS] = "delta_flags",
    [PROTO_ERROR_MEMORY_TOO_SMALL] = "memory_too_small",
    [PROTO_ERROR_MEMORY_IN_BYTES] = "memory_in_bytes",
    [PROTO_ERROR_CRAWLER_SLEEP] = "crawler_sleep",
    [PROTO_ERROR_SLAB_REASSIGN] = "slab_reassign",
    [PROTO_ERROR_AUTOMOVE_WINDOW] = "automove_window",
    [PROTO_ERROR_LRU_SHARES] = "lru_shares",
    [PROTO_ERROR_LRU_FACTORS] = "lru_factors",
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

/* request.meta: the letters in brackets, with their numbers. */
static void render_meta(FILE *out, const struct request *request) {
    static const struct {
        uint16_t bit;
        const char *letter;
    } bits[] = {
        {META_RETURN_VALUE, "v"}, {META_TOUCH, "T"},          {META_NO_BUMP, "u"},
        {META_INVALIDATE, "I"},   {META_EMPTY, "x"},          {META_BASE64, "b"},
        {META_TTL_AFTER, ">t"},   {META_RECACHE_AFTER, ">R"},
    };
    const char *before = " [";
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if ((request->meta & bits[i].bit) != 0) {
            fprintf(out, "%s%s", before, bits[i].letter);
            before = " ";
        }
    }
    const struct {
        uint16_t bit;
        char letter;
        long long number;
    } numbers[] = {
        {META_COMPARE_EQUAL, 'C', (long long)request->cas},
        {META_SET_CAS, 'E', (long long)request->new_cas},
        {META_VIVIFY, 'N', request->vivify_exptime},
        {META_RECACHE, 'R', request->recache_exptime},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if ((request->meta & numbers[i].bit) != 0) {
            fprintf(out, "%s%c%lld", before, numbers[i].letter, numbers[i].number);
            before = " ";
        }
    }
    fputs(request->meta != 0 ? "]" : "", out);
    if (request->returns[0] != '\0') {
        fprintf(out, " >%.*s", META_RETURNS_MAX, request->returns);
    }
    if (request->token_length > 0) {
        render_word(out, " O", request->token, request->token_length);
    }
}

static void render_login(FILE *out, const struct request *request) {
    struct credentials parts;
    if (login_credentials(request, &parts)) {
        fprintf(out, " %.*s:%.*s", (int)parts.user_length, parts.user, (int)parts.password_length,
                parts.password);
    } else {
        fputs(" malformed", out);
    }
}

static void render_opaque(FILE *out, const struct request *request) {
    if (request->protocol == PROTOCOL_BINARY) {
        unsigned char opaque[4];
        memcpy(opaque, &request->opaque, sizeof(opaque));
        fprintf(out, " %02x/%02x%02x%02x%02x", request->opcode, opaque[0], opaque[1], opaque[2],
                opaque[3]);
    }
}

static bool has_words(const struct request *request) {
    return op_has_key(request->op) || (request->op >= OP_STATS && request->op <= OP_CRAWL) ||
           request->op == OP_LOGIN;
}

/* The stores, md, ma and mn share their op with older commands. */
static bool is_shared_by_meta(const struct request *request) {
    return request->protocol == PROTOCOL_META && request->op != OP_META_GET &&
           request->op != OP_META_ITEM && request->op != OP_ERROR;
}

static void render_request(FILE *out, const struct request *request) {
    fputs(is_shared_by_meta(request) ? "m-" : "", out);
    fputs(op_names[request->op], out);
    if (has_words(request) && request->key_length > 0) {
        render_word(out, " ", request->key, request->key_length);
    }
    if (request->op == OP_REJECT || request->op == OP_ERROR) {
        fprintf(out, " %s", error_names[request->error]);
    } else {
        render_numbers(out, request);
        render_meta(out, request);
    }
    if (request->op == OP_LOGIN) {
        render_login(out, request);
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
                        a->delta == b->delta && a->initial == b->initial && a->meta == b->meta &&
                        a->vivify_exptime == b->vivify_exptime &&
                        a->recache_exptime == b->recache_exptime && a->new_cas == b->new_cas;
    bool same_booleans = a->quiet == b->quiet && a->return_cas == b->return_cas &&
                         a->return_key == b->return_key && a->last == b->last &&
                         a->compare_cas == b->compare_cas && a->create == b->create &&
                         a->closes == b->closes && a->upload == b->upload &&
                         a->delete_on_refusal == b->delete_on_refusal;
    bool same_key = a->key_length == b->key_length &&
                    same_bytes(a->key, b->key, op_has_key(a->op) ? a->key_length : 0);
    bool has_value =
        a->op == OP_UPLOAD_PART || a->op == OP_UPLOAD_END || (is_store(a->op) && !a->upload);
    bool same_value = a->value_length == b->value_length &&
                      same_bytes(a->value, b->value, has_value ? a->value_length : 0);
    bool same_returns = memcmp(a->returns, b->returns, sizeof(a->returns)) == 0 &&
                        a->token_length == b->token_length &&
                        same_bytes(a->token, b->token, a->token_length);
    return same_numbers && same_booleans && same_key && same_value && same_returns;
}

/* Padding is left out of the comparison. */
static bool same_parser(const struct parser *a, const struct parser *b) {
    return a->protocol == b->protocol && a->state == b->state && a->return_cas == b->return_cas &&
           a->upload == b->upload && a->value_length_max == b->value_length_max &&
           a->upload_from == b->upload_from && a->scanned == b->scanned && a->need == b->need &&
           a->skip == b->skip && a->exptime == b->exptime && a->must_login == b->must_login &&
           a->sasl == b->sasl && a->no_flush == b->no_flush && a->no_dump == b->no_dump;
}

/* Parses once, takes it back, parses again. */
static enum parse_status parse_twice(struct stream *s, const char *bytes, size_t length,
                                     struct request *request, size_t *used) {
    struct parser before = s->parser;
    enum parse_status first = parser_next(&s->parser, bytes, length, s->key_space, request, used);
    struct parser after = s->parser;
    struct request again;
    char key_space[KEY_LENGTH_MAX];
    size_t used_again;
    s->parser = before;
    enum parse_status second =
        parser_next(&s->parser, bytes, length, key_space, &again, &used_again);
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

/* What a server does about it whose only user is `user` with `password`. */
static void log_in(struct stream *s, const struct request *request) {
    struct credentials parts;
    s->parser.must_login = !login_credentials(request, &parts) || parts.user_length != 4 ||
                           parts.password_length != 8 || memcmp(parts.user, "user", 4) != 0 ||
                           memcmp(parts.password, "password", 8) != 0;
}

static char *copy_of(const char *bytes, size_t length) {
    char *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    return copy;
}

/* Whatever a refused value drops is dropped if it is refused as an upload. */
static bool deletes_on_refusal(const struct request *request) {
    switch ((enum protocol)request->protocol) {
    case PROTOCOL_META:
        return true;
    case PROTOCOL_BINARY:
        return request->opcode == 0x01 || request->opcode == 0x11;
    default:
        return request->op == OP_SET && !request->compare_cas;
    }
}

static void begin_upload(struct stream *s, const struct request *request, size_t start) {
    cr_assert(gt(u32, request->value_length, s->parser.upload_from));
    cr_assert(eq(int, request->delete_on_refusal, deletes_on_refusal(request)));
    struct request *kept = &s->upload.request;
    *kept = *request;
    kept->upload = kept->delete_on_refusal = false;
    kept->key = copy_of(request->key, request->key_length);
    kept->token = copy_of(request->token_length > 0 ? request->token : "", request->token_length);
    kept->value = malloc(request->value_length);
    s->upload.there = 0;
    s->upload.start = start;
}

static void free_upload(struct stream *s) {
    struct request *kept = &s->upload.request;
    free((char *)kept->key);
    free((char *)kept->token);
    free((char *)kept->value);
    *kept = (struct request){0};
}

/* Adds a part; at the end makes of it what would have come if it hadn't been an upload. */
static void add_part(struct stream *s, const struct request *part) {
    struct request *kept = &s->upload.request;
    cr_assert(ne(ptr, (void *)kept->value, NULL), "no upload is under way");
    cr_assert(le(u32, part->value_length, kept->value_length - s->upload.there));
    cr_assert(le(u32, part->value_length, UPLOAD_PART_LENGTH_MAX));
    memcpy((char *)kept->value + s->upload.there, part->value, part->value_length);
    s->upload.there += part->value_length;
    if (part->op == OP_UPLOAD_PART) {
        cr_assert(gt(u32, part->value_length, 0u));
        return;
    }
    cr_assert(eq(u32, s->upload.there, kept->value_length));
    if (part->error != PROTO_ERROR_NONE) {
        kept->op = OP_ERROR;
        kept->error = part->error;
    }
    separate(s);
    render_request(s->out, kept);
    free_upload(s);
}

static void take_request(struct stream *s, const struct request *request, size_t start) {
    if (request->upload) {
        begin_upload(s, request, start);
        return;
    }
    if (request->op == OP_UPLOAD_PART || request->op == OP_UPLOAD_END) {
        add_part(s, request);
        return;
    }
    separate(s);
    render_request(s->out, request);
    if (request->op == OP_LOGIN) {
        log_in(s, request);
    }
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
        take_request(s, &request, s->start - used);
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

static char *render(const char *bytes, size_t length, size_t fragment,
                    const struct stream_setting *setting) {
    char *text = NULL;
    size_t text_length = 0;
    fragment = fragment == STREAM_WHOLE ? length : fragment;
    struct stream s = {
        .bytes = bytes,
        .length = length,
        .end = fragment < length ? fragment : length,
        .out = open_memstream(&text, &text_length),
    };
    parser_init(&s.parser, STREAM_VALUE_LENGTH_MAX, setting->upload_from);
    s.parser.must_login = setting->login == STREAM_TEXT_LOGIN || setting->login == STREAM_SASL;
    s.parser.no_flush = s.parser.no_dump = setting->login == STREAM_FORBIDDEN;
    s.parser.sasl = setting->login == STREAM_SASL;
    enum parse_status status = PARSE_MORE;
    while (step(&s, fragment, &status)) {
    }
    size_t start = s.upload.request.value ? s.upload.start : s.start;
    if (status == PARSE_MORE && start < s.length) {
        separate(&s);
        fprintf(s.out, "left %zu", s.length - start);
    }
    free_upload(&s);
    fclose(s.out);
    return text;
}

char *stream_render(const char *bytes, size_t length, size_t fragment) {
    return stream_render_uploads(bytes, length, fragment, UINT32_MAX);
}

char *stream_render_uploads(const char *bytes, size_t length, size_t fragment,
                            uint32_t upload_from) {
    const struct stream_setting setting = {STREAM_OPEN, upload_from};
    return render(bytes, length, fragment, &setting);
}

void stream_check_login(const struct stream_case *c, enum stream_login login) {
    static const size_t fragments[] = {STREAM_WHOLE, 1, 2, 5, 10, 100};
    static const uint32_t uploads_from[] = {UINT32_MAX, 0, 2};
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        for (size_t j = 0; j < sizeof(uploads_from) / sizeof(uploads_from[0]); j++) {
            const struct stream_setting setting = {login, uploads_from[j]};
            char *rendered = render(c->bytes, c->length, fragments[i], &setting);
            cr_expect(eq(str, rendered, (char *)c->expected),
                      "fragments of %zu, uploads from %u of: %.60s", fragments[i], uploads_from[j],
                      c->bytes);
            free(rendered);
        }
    }
}

void stream_check(const struct stream_case *c) {
    stream_check_login(c, STREAM_OPEN);
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
