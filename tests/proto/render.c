/* Renders a request: its op, and each member that isn't the default. */
#include "render.h"

#include <stdlib.h>
#include <string.h>

#include "proto/login.h"

#define WORD_SHOWN_MAX 40

/* Where it is another word than the name in op_infos. */
static const char *const op_words[OP_COUNT] = {
    [OP_REJECT] = "REJECT",
    [OP_FLUSH] = "flush",
    [OP_METADUMP] = "metadump",
    [OP_MGDUMP] = "mgdump",
    [OP_CRAWL] = "crawl",
    [OP_CRAWLER_SWITCH] = "crawler_switch",
    [OP_CRAWLER_SLEEP] = "crawler_sleep",
    [OP_CRAWLER_TOCRAWL] = "crawler_tocrawl",
    [OP_MEMORY_LIMIT] = "memory_limit",
    [OP_DEBUG_TIME] = "debug_time",
    [OP_VERBOSITY] = "level",
    [OP_CONFIG] = "config",
    [OP_CONFIG_KEY] = "config_key",
    [OP_OK] = "ok",
    [OP_UPLOAD_PART] = "part",
    [OP_UPLOAD_END] = "end",
    [OP_END] = "END",
    [OP_ERROR] = "ERROR",
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
    [PROTO_ERROR_FLUSH_PREFIX] = "flush_prefix",
    [PROTO_ERROR_METADUMP] = "metadump",
    [PROTO_ERROR_MGDUMP] = "mgdump",
    [PROTO_ERROR_DETAIL] = "detail",
    [PROTO_ERROR_CACHEDUMP] = "cachedump",
    [PROTO_ERROR_HOTKEYS] = "hotkeys",
    [PROTO_ERROR_WATCH] = "watch",
    [PROTO_ERROR_WATCH_PIPELINED] = "watch_pipelined",
    [PROTO_ERROR_WATCHERS] = "watchers",
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

/* request.meta: the flags in brackets, with their tokens. */
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

/* ms, md, ma and mn share their ops with text and binary commands. */
static bool is_shared_by_meta(const struct request *request) {
    return request->protocol == PROTOCOL_META && request->op != OP_META_GET &&
           request->op != OP_META_ITEM && request->op != OP_ERROR;
}

void render_request(FILE *out, const struct request *request) {
    fputs(is_shared_by_meta(request) ? "m-" : "", out);
    fputs(op_words[request->op] ? op_words[request->op] : op_infos[request->op].name, out);
    if (request->key_length > 0 && request->op != OP_ERROR) {
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
