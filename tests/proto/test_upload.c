/* Uploads: their parts for every way they can arrive. Replies in two parts, around a value that the
 * caller sends. */
#include "compose.h"
#include "proto/reply.h"
#include "random.h"
#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LENGTH_MAX 70000
#define PART_LENGTH_MIN 8192

/* A stream with an upload, and the parts received so far. */
struct run {
    struct parser parser;
    const struct composed *sent;
    size_t start;
    size_t end;
    char value[VALUE_LENGTH_MAX];
    uint32_t there;
    uint32_t parts;
    bool begun;
    bool ended;
};

static void take(struct run *run, const struct request *request, const struct request *wanted) {
    if (!run->begun) {
        cr_assert(request->upload);
        cr_assert(eq(ptr, (void *)request->value, NULL));
        cr_assert(eq(u32, request->value_length, wanted->value_length));
        cr_assert(zero(int, memcmp(request->key, wanted->key, wanted->key_length)));
        run->begun = true;
        return;
    }
    if (request->op == OP_UPLOAD_END) {
        cr_assert(eq(u32, run->there + request->value_length, wanted->value_length));
    } else {
        cr_assert(ge(u32, request->value_length, (uint32_t)PART_LENGTH_MIN - 1));
    }
    cr_assert(le(u32, request->value_length, UPLOAD_PART_LENGTH_MAX));
    cr_assert(le(u32, request->value_length, wanted->value_length - run->there));
    cr_assert(zero(int, request->error));
    memcpy(run->value + run->there, request->value, request->value_length);
    run->there += request->value_length;
    run->parts++;
    run->ended = request->op == OP_UPLOAD_END;
}

/* Feeds the stream until the upload or the bytes end. Each call gets a copy of exactly the bytes
 * that have arrived. */
static void feed(struct run *run, size_t fragment, const struct request *wanted) {
    while (!run->ended) {
        size_t length = run->end - run->start, used;
        char key_space[KEY_LENGTH_MAX], *copy = malloc(length + 1);
        struct request request;
        memcpy(copy + 1, run->sent->bytes + run->start, length);
        enum parse_status status =
            stream_next(&run->parser, copy + 1, length, key_space, &request, &used);
        run->start += used;
        if (status == PARSE_REQUEST) {
            take(run, &request, wanted);
        } else {
            cr_assert(eq(int, (int)status, PARSE_MORE));
            cr_assert(lt(sz, run->end - run->start, run->parser.need));
            cr_assert(run->parser.need <= PART_LENGTH_MIN || run->begun == false);
            cr_assert(lt(sz, run->end, run->sent->length), "bytes were lost");
            run->end +=
                fragment < run->sent->length - run->end ? fragment : run->sent->length - run->end;
        }
        free(copy);
    }
}

static void check(const struct request *wanted, size_t fragment) {
    struct composed sent = {0};
    struct run *run = calloc(1, sizeof(*run));
    compose_request(&sent, wanted);
    run->sent = &sent;
    parser_init(&run->parser, VALUE_LENGTH_MAX, 1000);
    feed(run, fragment, wanted);
    cr_assert(eq(sz, run->start, sent.length), "length %u fragment %zu", wanted->value_length,
              fragment);
    cr_assert(eq(u32, run->there, wanted->value_length));
    cr_assert(zero(int, memcmp(run->value, wanted->value, wanted->value_length)));
    cr_assert(le(u32, run->parts, wanted->value_length / (PART_LENGTH_MIN - 1) + 1));
    compose_free(&sent);
    free(run);
}

static const uint32_t lengths[] = {1001,  8189,  8190,  8191,  8192,  8193,  16382, 16383,
                                   16384, 16385, 16386, 24576, 24577, 32768, 32769, 70000};

Test(upload, arrives_whole_in_any_fragments, .timeout = 600) {
    static const size_t fragments[] = {1, 2, 5, 10, 100, 1000, 8191, 8192, 16384, 30000, 1000000};
    static const uint8_t protocols[] = {PROTOCOL_TEXT, PROTOCOL_META, PROTOCOL_BINARY};
    char *value = malloc(VALUE_LENGTH_MAX);
    uint64_t seed = 1;
    for (size_t i = 0; i < VALUE_LENGTH_MAX; i++) {
        value[i] = (char)random_next(&seed);
    }
    for (size_t i = 0; i < 3 * sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct request request = {
            .op = OP_SET,
            .opcode = 0x01,
            .protocol = protocols[i % 3],
            .key = "some_key",
            .key_length = 8,
            .value = value,
            .value_length = lengths[i / 3],
        };
        for (size_t j = 0; j < sizeof(fragments) / sizeof(fragments[0]); j++) {
            if (fragments[j] > 1 || lengths[i / 3] < 20000) {
                check(&request, fragments[j]);
            }
        }
    }
    free(value);
}

/* The bytes behind a value are not part of it. */
Test(upload, ends_before_the_next_command) {
    static const char sent[] =
        "set a 0 0 5\r\nhello\r\nset b 0 0 5 noreply\r\nhelloxxset c 0 0 2\r\n"
        "ok\r\nset d 0 0 1001\r\n";
    char *rendered = stream_render_uploads(STREAM_BYTES(sent), STREAM_WHOLE, 3);
    cr_assert(eq(str, rendered,
                 (char *)"set a v\"hello\"; ERROR chunk quiet; set c v\"ok\"; REJECT d too_large"));
    free(rendered);
}

/* A value of upload_from bytes comes with its request, one of a byte more doesn't. */
Test(upload, begins_above_its_limit) {
    static const char *const texts[] = {"set k 0 0 %u\r\n%.*s\r\n", "ms k %u\r\n%.*s\r\n"};
    for (size_t i = 0; i < 2; i++) {
        for (uint32_t length = 49; length <= 51; length++) {
            char bytes[200], key_space[KEY_LENGTH_MAX];
            struct parser parser;
            struct request request;
            size_t used;
            int sent =
                snprintf(bytes, sizeof(bytes), texts[i], length, (int)length, STREAM_K50 "k");
            parser_init(&parser, 100, 50);
            cr_assert(eq(int,
                         (int)stream_next(&parser, bytes, (size_t)sent, key_space, &request, &used),
                         PARSE_REQUEST));
            cr_assert(eq(int, request.upload, length > 50));
            cr_assert(eq(sz, used, (size_t)sent - (length > 50 ? length + 2 : 0)));
        }
    }
}

/* Bytes that the caller receives itself are in no part; the last byte always is. */
Test(upload, may_be_received_by_the_caller) {
    static const char *const streams[] = {
        "set k 0 0 9\r\n", "ms k 9\r\n",
        "\x80\x01\0\1\x08\0\0\0\0\0\0\x12\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0k"};
    static const size_t stream_lengths[] = {13, 8, 33};
    for (size_t i = 0; i < 3; i++) {
        char key_space[KEY_LENGTH_MAX];
        struct parser parser;
        struct request request;
        size_t used;
        parser_init(&parser, 100, 5);
        cr_assert(zero(sz, parser_upload_left(&parser)));
        cr_assert(
            eq(int,
               (int)stream_next(&parser, streams[i], stream_lengths[i], key_space, &request, &used),
               PARSE_REQUEST));
        cr_assert(eq(sz, used, stream_lengths[i]));
        cr_assert(eq(sz, parser_upload_left(&parser), (size_t)8));
        parser_uploaded(&parser, 3);
        parser_uploaded(&parser, 4);
        cr_assert(eq(sz, parser_upload_left(&parser), (size_t)1));
        size_t rest = i < 2 ? 4 : 2;
        cr_assert(
            eq(int,
               (int)stream_next(&parser, "89\r\nversion\r\n", rest - 1, key_space, &request, &used),
               PARSE_MORE));
        cr_assert(eq(sz, parser.need, rest));
        cr_assert(eq(int,
                     (int)stream_next(&parser, "89\r\nversion\r\n", 13, key_space, &request, &used),
                     PARSE_REQUEST));
        cr_assert(eq(int, request.op, OP_UPLOAD_END));
        cr_assert(zero(int, request.error));
        cr_assert(eq(u32, request.value_length, 2u));
        cr_assert(zero(int, memcmp(request.value, "89", 2)));
        cr_assert(eq(sz, used, rest));
        cr_assert(zero(sz, parser_upload_left(&parser)));
    }
}

struct halves {
    struct request request;
    struct result result;
    enum protocol protocol;
};

/* Head, value and tail together are the reply that is written with the value in place. */
static void check_halves(const struct halves *c) {
    static const char value[] = "some value";
    struct request request = c->request;
    struct result result = c->result;
    request.protocol = (uint8_t)c->protocol;
    request.key = "k";
    request.key_length = 1;
    result.value = value;
    result.value_length = sizeof(value) - 1;
    char whole[300], parts[300];
    size_t whole_length = reply_write(whole, &request, &result);
    result.value = NULL;
    result.large = 1;
    size_t bound = reply_bound(&request, &result);
    size_t length = reply_write(parts, &request, &result);
    cr_assert(le(sz, length, bound));
    memcpy(parts + length, value, sizeof(value) - 1);
    length += sizeof(value) - 1;
    size_t tail = reply_write_tail(parts + length, &request);
    cr_assert(le(sz, tail, (size_t)REPLY_TAIL_MAX));
    cr_assert(eq(sz, length + tail, whole_length));
    cr_assert(zero(int, memcmp(parts, whole, whole_length)));
}

Test(upload, replies_in_halves) {
    static const struct halves cases[] = {
        {{.op = OP_GET}, {.client_flags = 7}, PROTOCOL_TEXT},
        {{.op = OP_GET, .last = true}, {.client_flags = 7}, PROTOCOL_TEXT},
        {{.op = OP_GAT, .last = true, .return_cas = true}, {.cas = 7}, PROTOCOL_TEXT},
        {{.op = OP_GET}, {.client_flags = 7, .cas = 9}, PROTOCOL_BINARY},
        {{.op = OP_GET, .opcode = 0x0d, .quiet = true, .return_key = true}, {0}, PROTOCOL_BINARY},
        {{.op = OP_GAT, .opcode = 0x1d}, {.client_flags = 7}, PROTOCOL_BINARY},
        {{.op = OP_META_GET, .meta = META_RETURN_VALUE, .returns = "kst"}, {0}, PROTOCOL_META},
        {{.op = OP_META_GET, .meta = META_RETURN_VALUE | META_COMPARE_EQUAL, .cas = 3},
         {.cas = 4, .state = STATE_WON},
         PROTOCOL_META},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_halves(&cases[i]);
    }
}
