/* Drives a parser over a stream that arrives in fragments, and renders the requests. */
#ifndef TESTS_PROTO_STREAM_H
#define TESTS_PROTO_STREAM_H

#include "proto/parser.h"

#define STREAM_WHOLE 0

/* The largest value that the parser of a stream takes. */
#define STREAM_VALUE_LENGTH_MAX 1000

struct stream_case {
    const char *bytes;
    size_t length;
    const char *expected;
};

#define STREAM_BYTES(literal) (literal), sizeof(literal) - 1

#define STREAM_CASE(literal, expected)                                                             \
    { STREAM_BYTES(literal), expected }

#define STREAM_CHECK_ALL(cases) stream_check_all(cases, sizeof(cases) / sizeof(cases[0]))

/* Keys of 10 and 50 bytes. */
#define STREAM_K10 "kkkkkkkkkk"
#define STREAM_K50 STREAM_K10 STREAM_K10 STREAM_K10 STREAM_K10 STREAM_K10
#define STREAM_K250 STREAM_K50 STREAM_K50 STREAM_K50 STREAM_K50 STREAM_K50
#define STREAM_K251 STREAM_K250 "k"

/* Feeds the bytes in fragments of that size (STREAM_WHOLE: at once) and returns on the heap what
 * was parsed, joined by "; ":
 *
 *     get a last; set k f1 e2 v"abc"; ERROR format quiet; CLOSE; left 3
 *     mg k [v C5] >kO Oabc; m-set k [b] v"abc" quiet; login user:password
 *
 * (in brackets what request.meta says, behind > what is returned).
 * Words longer than 40 bytes stand as their length. The bytes are handed over as copies of exactly
 * their size, so that a sanitizer sees what is read beyond. Each call is made twice, the second
 * time with the parser's state restored, and must come out the same. */
char *stream_render(const char *bytes, size_t length, size_t fragment);

/* The same with values longer than upload_from as uploads, whose parts are joined: the outcome must
 * be the same. */
char *stream_render_uploads(const char *bytes, size_t length, size_t fragment,
                            uint32_t upload_from);

/* Runs the case in fragments of 1, 2, 5, 10 and 100 bytes and whole, with and without uploads, and
 * asserts what it renders to. */
void stream_check(const struct stream_case *c);

/* The kind of connection: open to all; one that must log in, as `user` with `password`, in text or
 * by SASL, or by SASL of any mechanism; one with no_flush and no_dump. */
enum stream_login {
    STREAM_OPEN,
    STREAM_TEXT_LOGIN,
    STREAM_SASL,
    STREAM_SASL_STEPS,
    STREAM_FORBIDDEN
};
void stream_check_login(const struct stream_case *c, enum stream_login login);

void stream_check_all(const struct stream_case *cases, size_t count);

/* parser_next() with its parts as arguments. *used is set to the bytes consumed. */
enum parse_status stream_next(struct parser *parser, const char *bytes, size_t length,
                              char *key_space, struct request *request, size_t *used);

/* Whether both are the same request; of pointers what they point to is compared. */
bool stream_same_request(const struct request *a, const struct request *b);

/* A C string on the heap: word repeated count times between front and back. */
char *stream_repeat(const char *front, const char *word, size_t count, const char *back);

#endif
