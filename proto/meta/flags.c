/* The flags of meta commands: which there are, and what each does to a request. */
#include "proto/meta/flags.h"
#include "proto/base64.h"
#include "proto/number.h"

#include <assert.h>
#include <limits.h>

/* As in memcached: the most words of a line, with the command itself, and the number of words that
 * meta_line_is_malformed() checks. */
#define WORDS_MAX 20
#define WORDS_CHECKED_MAX 23

enum flag_kind {
    FLAG_UNKNOWN,
    FLAG_PLAIN,     /* has no token; one is ignored */
    FLAG_QUIET,     /* q */
    FLAG_TTL,       /* t */
    FLAG_KEY,       /* b */
    FLAG_OPAQUE,    /* O */
    FLAG_MODE,      /* M */
    FLAG_TOUCH,     /* T: seconds */
    FLAG_RECACHE,   /* R: seconds */
    FLAG_SECONDS,   /* N */
    FLAG_NUMBER,    /* 64 bits */
    FLAG_NUMBER_32, /* F */
};

struct flag {
    uint8_t kind;        /* enum flag_kind */
    uint8_t returned_by; /* enum meta_command bits: the reply of these has the flag, too */
    uint8_t error;       /* enum proto_error of a malformed token */
    uint16_t bit;        /* of request.meta */
    uint16_t field;      /* offset in struct request to which the token is read */
};

#define ALL (META_COMMAND_GET | META_COMMAND_STORE | META_COMMAND_DELETE | META_COMMAND_DELTA)
#define FIELD(name) offsetof(struct request, name)

static const struct flag flags[UCHAR_MAX + 1] = {
    ['b'] = {FLAG_KEY, 0, PROTO_ERROR_FLAG_KEY, META_BASE64, 0},
    ['c'] = {FLAG_PLAIN, META_COMMAND_GET | META_COMMAND_STORE | META_COMMAND_DELTA, 0, 0, 0},
    ['f'] = {FLAG_PLAIN, META_COMMAND_GET, 0, 0, 0},
    ['h'] = {FLAG_PLAIN, META_COMMAND_GET, 0, 0, 0},
    ['k'] = {FLAG_PLAIN, ALL, 0, 0, 0},
    ['l'] = {FLAG_PLAIN, META_COMMAND_GET, 0, 0, 0},
    ['q'] = {FLAG_QUIET, 0, 0, 0, 0},
    ['s'] = {FLAG_PLAIN, META_COMMAND_GET | META_COMMAND_STORE, 0, 0, 0},
    ['t'] = {FLAG_TTL, META_COMMAND_GET | META_COMMAND_DELTA, 0, 0, 0},
    ['u'] = {FLAG_PLAIN, 0, 0, META_NO_BUMP, 0},
    ['v'] = {FLAG_PLAIN, 0, 0, META_RETURN_VALUE, 0},
    ['x'] = {FLAG_PLAIN, 0, 0, META_EMPTY, 0},
    ['C'] = {FLAG_NUMBER, 0, PROTO_ERROR_FLAG_TOKEN, META_COMPARE_EQUAL, FIELD(cas)},
    ['D'] = {FLAG_NUMBER, 0, PROTO_ERROR_FLAG_DELTA, 0, FIELD(delta)},
    ['E'] = {FLAG_NUMBER, 0, PROTO_ERROR_FLAG_TOKEN, META_SET_CAS, FIELD(new_cas)},
    ['F'] = {FLAG_NUMBER_32, 0, PROTO_ERROR_FORMAT, 0, FIELD(client_flags)},
    ['I'] = {FLAG_PLAIN, 0, 0, META_INVALIDATE, 0},
    ['J'] = {FLAG_NUMBER, 0, PROTO_ERROR_FLAG_INITIAL, 0, FIELD(initial)},
    ['L'] = {FLAG_PLAIN, 0, 0, 0, 0},
    ['M'] = {FLAG_MODE, 0, 0, 0, 0},
    ['N'] = {FLAG_SECONDS, 0, PROTO_ERROR_FLAG_TOKEN, META_VIVIFY, FIELD(vivify_exptime)},
    ['O'] = {FLAG_OPAQUE, ALL, PROTO_ERROR_FLAG_OPAQUE, 0, 0},
    ['P'] = {FLAG_PLAIN, 0, 0, 0, 0},
    ['R'] = {FLAG_RECACHE, 0, PROTO_ERROR_FLAG_TOKEN, META_RECACHE, FIELD(recache_exptime)},
    ['T'] = {FLAG_TOUCH, 0, PROTO_ERROR_FLAG_TOKEN, META_TOUCH, FIELD(exptime)},
};

/* As in memcached: digits, and every character from A to z in ASCII. */
static bool flag_may_begin_with(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'z');
}

bool meta_line_is_malformed(const struct line *line, unsigned before) {
    struct line words = *line;
    words.rest = words.start;
    for (unsigned i = 0; i < WORDS_CHECKED_MAX; i++) {
        struct word word = line_take_word(&words);
        bool missing = word.length == 0;
        if (i < before ? missing : !missing && !flag_may_begin_with(word.start[0])) {
            return true;
        }
    }
    return false;
}

bool meta_decode_key(struct parse *parse) {
    struct request *request = parse->request;
    size_t length = base64_decode(parse->key_space, request->key, request->key_length);
    request->key = parse->key_space;
    request->key_length = (uint16_t)length;
    return length > 0;
}

/* A flag with its token. */
struct flag_word {
    const struct flag *flag;
    const char *token;
    const char *end;
};

static size_t flag_token_length(const struct flag_word *word) {
    return (size_t)(word->end - word->token);
}

static void *flag_field(struct request *request, const struct flag *flag) {
    return (char *)request + flag->field;
}

static bool flag_take_number(const struct flag_word *word, uint64_t *value) {
    return number_parse_u64(word->token, flag_token_length(word), value);
}

static bool flag_take_number_32(const struct flag_word *word, uint32_t *value) {
    return number_parse_u32(word->token, flag_token_length(word), value);
}

static bool flag_take_seconds(const struct flag_word *word, int64_t *value) {
    return number_parse_i32(word->token, flag_token_length(word), value);
}

static bool flag_take_opaque(const struct flag_word *word, struct request *request) {
    if (flag_token_length(word) > META_OPAQUE_LENGTH_MAX) {
        return false;
    }
    request->token = word->token;
    request->token_length = (uint8_t)flag_token_length(word);
    return true;
}

/* In mg and ma a T behind N is the expiry of an item created by N, too. Not in ms, which is an
 * OP_SET until its mode is known. */
static bool flag_take_touch(const struct flag_word *word, struct request *request) {
    bool ok = flag_take_seconds(word, &request->exptime);
    if ((request->meta & META_VIVIFY) != 0 && request->op != OP_SET) {
        request->vivify_exptime = request->exptime;
    }
    return ok;
}

/* False when the flag's token is malformed. */
static bool flag_take(struct parse *parse, const struct flag_word *word, char *mode) {
    struct request *request = parse->request;
    switch ((enum flag_kind)word->flag->kind) {
    case FLAG_UNKNOWN:
    case FLAG_PLAIN:
        return true;
    case FLAG_QUIET:
        request->quiet = true;
        return true;
    case FLAG_TTL:
        request->meta |= (request->meta & (META_TOUCH | META_VIVIFY)) != 0 ? META_TTL_AFTER : 0;
        return true;
    case FLAG_KEY:
        return meta_decode_key(parse);
    case FLAG_OPAQUE:
        return flag_take_opaque(word, request);
    case FLAG_MODE:
        *mode = flag_token_length(word) > 0 ? word->token[0] : ' ';
        return true;
    case FLAG_TOUCH:
        return flag_take_touch(word, request);
    case FLAG_RECACHE:
        request->meta |= (request->meta & META_TOUCH) != 0 ? META_RECACHE_AFTER : 0;
        return flag_take_seconds(word, &request->recache_exptime);
    case FLAG_SECONDS:
        return flag_take_seconds(word, flag_field(request, word->flag));
    case FLAG_NUMBER:
        return flag_take_number(word, flag_field(request, word->flag));
    case FLAG_NUMBER_32:
        return flag_take_number_32(word, flag_field(request, word->flag));
    }
    return false;
}

/* As in memcached the last of several malformed tokens is the answer; but a malformed F and a long
 * opaque give way to any other. */
static enum proto_error flag_worse_error(enum proto_error noted, enum proto_error error) {
    bool mild = error == PROTO_ERROR_FORMAT || error == PROTO_ERROR_FLAG_OPAQUE;
    return noted == PROTO_ERROR_NONE || noted == PROTO_ERROR_FLAG_OPAQUE || !mild ? error : noted;
}

/* The answer to a flag that is unknown or given twice, after which no flag is looked at: that
 * error, unless the line has more than WORDS_MAX words. `taken` of them are off the line. */
static enum proto_error flag_fatal_error(const struct line *line, unsigned taken,
                                         enum proto_error error) {
    struct line rest = *line;
    while (taken <= WORDS_MAX && line_take_word(&rest).length > 0) {
        taken++;
    }
    return taken > WORDS_MAX ? PROTO_ERROR_FLAGS_TOO_MANY : error;
}

/* Flags are short: a loop over bytes takes fewer instructions than word_length(). */
static const char *flag_end(const char *at, const char *end) {
    while (at < end && *at != ' ') {
        at++;
    }
    return at;
}

enum proto_error meta_take_flags(struct parse *parse, struct line *line, enum meta_command command,
                                 char *mode) {
    struct request *request = parse->request;
    enum proto_error noted = PROTO_ERROR_NONE;
    unsigned words = command == META_COMMAND_STORE ? 3 : 2;
    char *returned = request->returns;
    uint64_t seen = 0; /* a bit per character modulo 64: no two flags share one */
    const char *const end = line->end;
    const char *at = line_skip_spaces(line->rest, end);
    *mode = '\0';
    while (at < end) {
        const struct flag *flag = &flags[(unsigned char)*at];
        uint64_t letter_bit = (uint64_t)1 << (*at & 63);
        if (flag->kind == FLAG_UNKNOWN || (seen & letter_bit) != 0 || words == WORDS_MAX) {
            line->rest = at;
            return flag_fatal_error(line, words,
                                    flag->kind == FLAG_UNKNOWN ? PROTO_ERROR_FLAG
                                                               : PROTO_ERROR_FLAG_TWICE);
        }
        words++;
        seen |= letter_bit;
        request->meta |= flag->bit;
        if ((flag->returned_by & command) != 0) {
            *returned++ = *at;
        }
        struct flag_word taken = {flag, at + 1, flag_end(at, end)};
        if (!flag_take(parse, &taken, mode)) {
            noted = flag_worse_error(noted, (enum proto_error)flag->error);
        }
        at = line_skip_spaces(taken.end, end);
    }
    assert(returned <= request->returns + META_RETURNS_MAX);
    return noted;
}
