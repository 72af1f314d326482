#include "stream.h"

#include "proto/login.h"
#include "render.h"
#include "same.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    bool has_value = a->op == OP_UPLOAD_PART || a->op == OP_UPLOAD_END ||
                     (a->op >= OP_SET && a->op <= OP_PREPEND && !a->upload);
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
           a->sasl == b->sasl && a->no_flush == b->no_flush && a->no_dump == b->no_dump &&
           a->discovers == b->discovers;
}

enum parse_status stream_next(struct parser *parser, const char *bytes, size_t length,
                              char *key_space, struct request *request, size_t *used) {
    struct parse parse = {.parser = parser,
                          .request = request,
                          .key_space = key_space,
                          .bytes = bytes,
                          .length = length};
    enum parse_status status = parser_next(&parse);
    *used = (size_t)(parse.next - bytes);
    cr_assert(le(sz, *used, length));
    return status;
}

/* Parses, restores the parser, and parses again. */
static enum parse_status parse_twice(struct stream *s, const char *bytes, size_t length,
                                     struct request *request, size_t *used) {
    struct parser before = s->parser;
    enum parse_status first = stream_next(&s->parser, bytes, length, s->key_space, request, used);
    struct parser after = s->parser;
    struct request again;
    char key_space[KEY_LENGTH_MAX];
    size_t used_again;
    s->parser = before;
    enum parse_status second =
        stream_next(&s->parser, bytes, length, key_space, &again, &used_again);
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

/* Logs in as a server does whose only user is `user` with `password`. */
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

/* Whether the old value is deleted if the new one is refused: for an upload as for a whole value.
 */
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
    cr_assert(lt(u32, s->parser.upload_from, request->value_length));
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

/* Adds a part. At the end takes the joined request, as it would have been without an upload. */
static void add_part(struct stream *s, const struct request *part) {
    struct request *kept = &s->upload.request;
    cr_assert(ne(ptr, (void *)kept->value, NULL), "no upload is under way");
    cr_assert(le(u32, part->value_length, kept->value_length - s->upload.there));
    cr_assert(le(u32, part->value_length, UPLOAD_PART_LENGTH_MAX));
    memcpy((char *)kept->value + s->upload.there, part->value, part->value_length);
    s->upload.there += part->value_length;
    if (part->op == OP_UPLOAD_PART) {
        cr_assert(lt(u32, 0u, part->value_length));
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
        cr_assert(lt(sz, (size_t)0, used), "a request without bytes");
        take_request(s, &request, s->start - used);
        goes_on = !request.closes;
    } else if (*status == PARSE_MORE) {
        cr_assert(lt(sz, s->end - s->start, s->parser.need), "need must be more than there is");
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
    s.parser.must_login = setting->login == STREAM_TEXT_LOGIN || setting->login == STREAM_SASL ||
                          setting->login == STREAM_SASL_STEPS;
    s.parser.no_flush = s.parser.no_dump = setting->login == STREAM_FORBIDDEN;
    s.parser.discovers = true;
    s.parser.sasl_steps = setting->login == STREAM_SASL_STEPS;
    s.parser.sasl = setting->login == STREAM_SASL || s.parser.sasl_steps;
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

static void stream_expect(const char *rendered, const struct stream_case *c, size_t fragment,
                          uint32_t uploads_from) {
    char what[200], size[32], from[32];
    snprintf(size, sizeof(size), "in fragments of %zu", fragment);
    snprintf(from, sizeof(from), ", uploads from %u", uploads_from);
    snprintf(what, sizeof(what), "%.60s (%s%s)", c->bytes,
             fragment == STREAM_WHOLE ? "whole" : size, uploads_from == UINT32_MAX ? "" : from);
    same_expect(rendered, c->expected, what);
}

void stream_check_login(const struct stream_case *c, enum stream_login login) {
    static const size_t fragments[] = {STREAM_WHOLE, 1, 2, 5, 10, 100};
    static const uint32_t uploads_from[] = {UINT32_MAX, 0, 2};
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        for (size_t j = 0; j < sizeof(uploads_from) / sizeof(uploads_from[0]); j++) {
            const struct stream_setting setting = {login, uploads_from[j]};
            char *rendered = render(c->bytes, c->length, fragments[i], &setting);
            stream_expect(rendered, c, fragments[i], uploads_from[j]);
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
