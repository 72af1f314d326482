/* Fuzzes parsers and reply writers: a stream of requests is fed whole and in fragments.
 *
 * Checked: the requests are the same whatever the fragments; a call repeated with the parser
 * restored gives the same; nothing is read beyond the bytes given, and requests point into them;
 * parser.need is more than there is, and no request comes with fewer bytes; a reply keeps within
 * its bound.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/login.h"
#include "proto/parser.h"
#include "proto/reply.h"
#include "tests/fuzz/input.h"

#define VALUE_LENGTH_LARGE (1u << 20)
#define VALUE_LENGTH_SMALL 16
#define UPLOAD_FROM 2

/* A stream has at most one request a byte (a get line of short keys comes close), and the ends of
 * its get lines. */
#define REQUESTS_MAX(length) (2 * (length) + 8)

/* One way of feeding a stream, and its outcome. */
struct run {
    struct parser parser;
    uint64_t *prints; /* a fingerprint of each request */
    size_t count;
    size_t room;
    enum parse_status end; /* the last status, and whether the last request closes */
    bool closed;
    bool line_too_long; /* PARSE_CLOSE came of a line whose end wasn't there */
    bool has_errors;
    bool uploading;
    uint64_t upload_print; /* of what has come of the upload under way */
    uint64_t upload_left;
};

static uint64_t mix(uint64_t print, const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        print = (print ^ at[i]) * 0x100000001b3u; /* FNV-1a */
    }
    return print;
}

static bool carries_value(const struct request *request) {
    enum op op = (enum op)request->op;
    bool stores = op >= OP_SET && op <= OP_PREPEND && !request->upload;
    bool is_part = op == OP_UPLOAD_PART || op == OP_UPLOAD_END;
    return (stores || is_part || op == OP_LOGIN) && request->value_length > 0;
}

/* A hash of all that a request says, but not of its pointers. */
static uint64_t print_of(const struct request *r) {
    uint64_t print = 0xcbf29ce484222325u;
#define MIX(field) print = mix(print, &r->field, sizeof(r->field))
    MIX(op), MIX(protocol), MIX(opcode), MIX(error), MIX(quiet), MIX(return_cas);
    MIX(return_key), MIX(last), MIX(compare_cas), MIX(create), MIX(closes), MIX(key_length);
    MIX(upload), MIX(delete_on_refusal);
    MIX(value_length), MIX(client_flags), MIX(opaque), MIX(exptime), MIX(cas), MIX(delta);
    MIX(initial), MIX(meta), MIX(token_length), MIX(returns), MIX(vivify_exptime);
    MIX(recache_exptime), MIX(new_cas);
#undef MIX
    print = mix(print, r->key_length ? r->key : "", r->key_length);
    print = mix(print, carries_value(r) ? r->value : "", carries_value(r) ? r->value_length : 0);
    return mix(print, r->token_length ? r->token : "", r->token_length);
}

static bool lies_in(const char *part, size_t part_length, const char *bytes, size_t length) {
    return part >= bytes && part + part_length <= bytes + length;
}

static void check_request(const struct request *request, const char *bytes, size_t length,
                          const char *key_space) {
    enum op op = (enum op)request->op;
    assert(op <= OP_QUIT);
    assert(request->token_length <= META_OPAQUE_LENGTH_MAX);
    if (op_has_key(op)) {
        assert(request->key_length > 0 && request->key_length <= KEY_LENGTH_MAX);
    }
    if (request->key_length > 0) {
        assert(lies_in(request->key, request->key_length, bytes, length) ||
               lies_in(request->key, request->key_length, key_space, KEY_LENGTH_MAX));
    }
    if (carries_value(request)) {
        assert(lies_in(request->value, request->value_length, bytes, length));
    }
    if (request->token_length > 0) {
        assert(lies_in(request->token, request->token_length, bytes, length));
    }
}

static void check_credentials(const struct request *request) {
    struct credentials found;
    if (!login_credentials(request, &found)) {
        return;
    }
    assert(lies_in(found.user, found.user_length, request->value, request->value_length));
    assert(lies_in(found.password, found.password_length, request->value, request->value_length));
}

/* The outcome of a login, depending on its bytes. */
static bool login_succeeds(const struct request *request) {
    return request->value_length % 2 == 0;
}

/* Writes the reply into memory of exactly its bound. */
static void check_reply(const struct request *request, const struct result *result) {
    size_t bound = reply_bound(request, result);
    char *out = malloc(bound);
    size_t length = reply_write(out, request, result);
    assert(length <= bound);
    free(out);
}

static bool has_result(enum op op) {
    return op < OP_FLUSH && op != OP_REJECT;
}

/* Whether the reply has the value of an item that was found. */
static bool returns_value(const struct request *request, uint64_t cas) {
    return request->op == OP_GET || request->op == OP_GAT ||
           (request->op == OP_META_GET && mg_returns_value(request, cas));
}

static bool has_line(enum op op) {
    return op_infos[op].text.kind == ANSWER_LINE || op_infos[op].binary.kind == ANSWER_LINE;
}

/* The parts of answers to stats. */
static void check_stats(const struct request *request) {
    char *out = malloc(REPLY_STAT_MAX);
    assert(reply_stat(out, request, "", "") <= REPLY_STAT_MAX);
    assert(reply_stats_end(out, request) <= REPLY_STAT_MAX);
    assert(reply_stats_unknown(out, request) <= REPLY_STAT_MAX);
    assert(reply_stats_line(out, request, "") <= REPLY_STAT_MAX);
    free(out);
}

/* Lines of dumps, about an item of the request's key. */
static void check_lines(const struct request *request, const struct result *result) {
    const struct item_line item = {.key = request->key,
                                   .key_length = request->key_length,
                                   .binary_key = result->state & STATE_BINARY_KEY,
                                   .fetched = result->state & STATE_FETCHED,
                                   .exptime = request->exptime,
                                   .last_access = request->vivify_exptime,
                                   .cas = result->cas,
                                   .bytes = result->number,
                                   .value_length = request->value_length,
                                   .client_flags = result->client_flags};
    char *out = malloc(REPLY_ITEM_LINE_MAX);
    assert(reply_metadump_line(out, &item) <= REPLY_ITEM_LINE_MAX);
    assert(reply_mgdump_line(out, &item) <= REPLY_ITEM_LINE_MAX);
    assert(reply_cachedump_line(out, &item) <= REPLY_ITEM_LINE_MAX);
    free(out);
}

/* The parts of a reply before and behind a value that the caller sends. */
static void check_halves(const struct request *request, struct result result) {
    char tail[REPLY_TAIL_MAX];
    if (!result.value) {
        return;
    }
    result.value = NULL;
    result.large = 1;
    check_reply(request, &result);
    assert(reply_write_tail(tail, request) <= sizeof(tail));
}

static void check_replies(const struct request *request, struct input *input) {
    char value[300];
    enum op op = (enum op)request->op;
    if (op == OP_UPLOAD_PART || op == OP_UPLOAD_END) {
        return;
    }
    bool large = input_draw(input, 2);
    memset(value, 'v', sizeof(value));
    struct result result = {.state = (uint8_t)input_draw(input, UINT8_MAX + 1),
                            .client_flags = large ? UINT32_MAX : 0,
                            .value_length = input_draw(input, sizeof(value) + 1),
                            .idle_s = large ? UINT32_MAX : 0,
                            .ttl_s = large ? INT32_MAX : -1,
                            .cas = large ? UINT64_MAX : 0,
                            .number = large ? UINT64_MAX : 0,
                            .value = value};
    if (op_has_key(op)) {
        check_lines(request, &result);
    }
    if (op == OP_STATS) {
        check_stats(request);
    } else if (has_result(op) || op == OP_LOGIN) {
        for (int status = RESULT_OK; status <= RESULT_NON_NUMERIC && op != OP_LOGIN; status++) {
            bool found = status == RESULT_OK && returns_value(request, result.cas);
            result.status = (uint8_t)status;
            result.value = found ? value : NULL;
            check_reply(request, &result);
            check_halves(request, result);
        }
        if (op == OP_LOGIN) {
            result.status = login_succeeds(request) ? RESULT_OK : RESULT_LOGIN_FAILED;
        }
        check_reply(request, &result);
    } else {
        check_reply(request, has_line(op) ? &result : NULL);
    }
}

static void keep_print(struct run *run, uint64_t print) {
    if (run->count == run->room) {
        run->room = run->room ? 2 * run->room : 64;
        run->prints = realloc(run->prints, run->room * sizeof(*run->prints));
    }
    run->prints[run->count++] = print;
}

/* The parts of an upload depend on the fragments, their bytes don't. Returns true for a part of an
 * upload. */
static bool keep_upload(struct run *run, const struct request *request) {
    if (request->upload) {
        run->uploading = true;
        run->upload_left = request->value_length;
        run->upload_print = print_of(request);
        return true;
    }
    bool last = request->op == OP_UPLOAD_END;
    assert(run->uploading == (last || request->op == OP_UPLOAD_PART));
    if (!run->uploading) {
        return false;
    }
    assert(last || request->value_length > 0);
    assert(request->value_length <= UPLOAD_PART_LENGTH_MAX);
    assert(last ? request->value_length == run->upload_left
                : request->value_length <= run->upload_left);
    run->upload_left -= request->value_length;
    run->upload_print = mix(run->upload_print, request->value, request->value_length);
    if (last) {
        keep_print(run, mix(run->upload_print, &request->error, sizeof(request->error)));
    }
    run->uploading = !last;
    return true;
}

/* A line's last key is marked as such only if the newline had arrived, else an OP_END follows: the
 * mark is recorded as that request. */
static void keep(struct run *run, const struct request *request, size_t stream_length) {
    struct request plain = *request;
    assert(run->count < REQUESTS_MAX(stream_length));
    if (keep_upload(run, request)) {
        return;
    }
    plain.last = false;
    if (request->op != OP_END) {
        keep_print(run, print_of(&plain));
    }
    if (request->op == OP_END || request->last) {
        keep_print(run, OP_END);
    }
    run->closed = request->closes;
    run->has_errors |= request->op == OP_ERROR;
    if (request->op == OP_LOGIN) {
        run->parser.must_login = !login_succeeds(request);
    }
}

static enum parse_status next(struct parser *parser, const char *bytes, size_t length,
                              char *key_space, struct request *request, size_t *used) {
    struct parse parse = {.parser = parser,
                          .request = request,
                          .key_space = key_space,
                          .bytes = bytes,
                          .length = length};
    enum parse_status status = parser_next(&parse);
    *used = (size_t)(parse.next - bytes);
    return status;
}

/* Repeats the last call with the parser as it was before. */
static void check_repeated(struct parser before, const struct run *run, const char *bytes,
                           size_t length, const struct request *first, size_t first_used) {
    char key_space[KEY_LENGTH_MAX];
    struct request request;
    size_t used = 0;
    enum parse_status status = next(&before, bytes, length, key_space, &request, &used);
    assert(status == run->end && used == first_used);
    if (status == PARSE_REQUEST) {
        assert(print_of(&request) == print_of(first));
    } else if (status == PARSE_MORE) {
        assert(before.need == run->parser.need);
    }
}

/* One call. Returns the bytes used. */
static size_t take(struct run *run, struct input *input, const char *bytes, size_t length) {
    const struct parser before = run->parser;
    char *key_space = malloc(KEY_LENGTH_MAX);
    struct request request;
    size_t used = 0;
    run->end = next(&run->parser, bytes, length, key_space, &request, &used);
    assert(used <= length);
    check_repeated(before, run, bytes, length, &request, used);
    if (run->end == PARSE_REQUEST) {
        check_request(&request, bytes, length, key_space);
        check_replies(&request, input);
        if (request.op == OP_LOGIN) {
            check_credentials(&request);
        }
        keep(run, &request, input->length);
    } else if (run->end == PARSE_MORE) {
        assert(run->parser.need > length - used);
    } else {
        run->line_too_long = !memchr(bytes, '\n', length) && length >= TEXT_LINE_LENGTH_MAX;
    }
    free(key_space);
    return used;
}

static bool goes_on(const struct run *run) {
    return run->end == PARSE_REQUEST && !run->closed;
}

static void run_init(struct run *run, const struct input *input) {
    bool small = input->switches & INPUT_SMALL_VALUES;
    bool uploads = input->switches & INPUT_UPLOADS;
    *run = (struct run){.end = PARSE_MORE};
    parser_init(&run->parser, small ? VALUE_LENGTH_SMALL : VALUE_LENGTH_LARGE,
                uploads ? UPLOAD_FROM : UINT32_MAX);
    run->parser.must_login = input->switches & INPUT_MUST_LOGIN;
    run->parser.sasl = input->switches & INPUT_SASL;
}

/* Draws from a copy of the input, so that the caller's draws don't depend on replies. */
static void feed_whole(struct run *run, struct input input) {
    char *stream = malloc(input.length);
    size_t at = 0;
    memcpy(stream, input.stream, input.length);
    do {
        at += take(run, &input, stream + at, input.length - at);
    } while (goes_on(run));
    free(stream);
}

/* Appends a fragment to the held bytes, in memory of exactly their size. */
static char *append(char *held, size_t length, const char *fragment, size_t fragment_length) {
    char *grown = malloc(length + fragment_length);
    if (length > 0) {
        memcpy(grown, held, length);
    }
    memcpy(grown + length, fragment, fragment_length);
    free(held);
    return grown;
}

/* Removes consumed bytes from the front of the held ones. */
static char *drop(char *held, size_t length, size_t used) {
    char *rest = append(NULL, 0, held + used, length - used);
    free(held);
    return rest;
}

/* Takes all requests of held[0..length). Returns the bytes consumed. */
static size_t take_all(struct run *run, struct input *input, const char *held, size_t length,
                       size_t need) {
    size_t at = 0;
    bool early = length < need;
    do {
        at += take(run, input, held + at, length - at);
        assert(!early || run->end == PARSE_MORE);
    } while (goes_on(run));
    return at;
}

static void feed_fragments(struct run *run, struct input input) {
    char *held = NULL;
    size_t length = 0, at = 0, need = 1;
    while (at < input.length && run->end == PARSE_MORE) {
        size_t fragment = input_fragment(&input, input.length - at);
        held = append(held, length, input.stream + at, fragment);
        length += fragment;
        at += fragment;
        size_t used = take_all(run, &input, held, length, need);
        held = drop(held, length, used);
        length -= used;
        need = run->parser.need;
    }
    free(held);
}

/* Lines longer than TEXT_GET_LINE_WHOLE_MAX are excluded: whether an error at their end comes
 * before their first key depends on the fragments. */
static bool is_comparable(const struct input *input, const struct run *whole) {
    bool lines_long = input->switches & INPUT_LONG;
    return !(lines_long && whole->has_errors);
}

static void check_same(const struct run *whole, const struct run *parts) {
    bool cut_short = parts->end == PARSE_CLOSE && parts->line_too_long;
    size_t count = cut_short ? parts->count : whole->count;
    assert(count <= whole->count && count == parts->count);
    for (size_t i = 0; i < count; i++) {
        assert(whole->prints[i] == parts->prints[i]);
    }
    assert(cut_short || (whole->end == parts->end && whole->closed == parts->closed));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct input input;
    struct run whole, parts;
    if (!input_init(&input, bytes, length)) {
        return 0;
    }
    run_init(&whole, &input);
    run_init(&parts, &input);
    feed_whole(&whole, input);
    feed_fragments(&parts, input);
    if (is_comparable(&input, &whole)) {
        check_same(&whole, &parts);
    }
    free(whole.prints);
    free(parts.prints);
    input_finish(&input);
    return 0;
}
