/* Connections that must log in, in both protocols. */
#include "compose.h"
#include "stream.h"

#include "proto/login.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE STREAM_CASE

static void check_text(const struct stream_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        stream_check_login(&cases[i], STREAM_TEXT_LOGIN);
    }
}

Test(login, text) {
    static const struct stream_case cases[] = {
        CASE("set a 0 0 13\r\nuser password\r\nget a\r\n", "login user:password; get a last"),
        CASE("set a 0 0 13\nuser password\r\nmg a\n", "login user:password; mg a"),
        CASE("set a b c 13 noreply\r\nuser password\r\nmn\r\n", "login user:password; m-noop"),
        CASE("set " STREAM_K251 " 0 0 13\r\nuser password\r\nmn\r\n",
             "login user:password; m-noop"),
        CASE("set  a  0  0  13  1 2 3\r\nuser password\r\nmn\r\n", "login user:password; m-noop"),
        CASE("set a 0 0 15\r\nbob secret word\r\nget a\r\n", "login bob:secret word; ERROR login"),
        CASE("set a 0 0 13\r\nuser passwork\r\nset a 0 0 13\r\nuser password\r\nmn\r\n",
             "login user:passwork; login user:password; m-noop"),
        CASE("set a 0 0 14\r\nuser  password\r\n", "login user: password"),
        CASE("set a 0 0 13\r\nuser pass", "left 23"),
    };
    check_text(cases, sizeof(cases) / sizeof(cases[0]));
}

Test(login, text_refused) {
    static const struct stream_case cases[] = {
        CASE("get a b\r\nquit it\r\nmg a v\r\n", "ERROR login; ERROR login; ERROR login"),
        CASE("get a b noreply\r\n", "ERROR login"),
        CASE("add a 0 0 2\r\nuser password\r\n", "ERROR login; ERROR login"),
        CASE(" set a 0 0 13\r\nuser password\r\n", "ERROR login; ERROR login"),
        CASE("set a b\r\n", "ERROR login"),
        CASE("set a 0 0 x\r\n", "ERROR login"),
        CASE("set a 0 0 -1\r\n", "ERROR login"),
        CASE("set a 0 0 4294967296\r\n", "ERROR login"),
        CASE("set a 0 0 16385\r\nuser password\r\n", "ERROR login_length; ERROR login"),
        CASE("set a 0 0 8\r\nuserpass\r\nget a b\r\n", "ERROR login_format; ERROR login"),
        CASE("set a 0 0 0\r\n\r\nget a b\r\n", "ERROR login_format; ERROR login"),
        CASE("set a 0 0 13\r\nuser passwordXXget a b\r\n", "ERROR login_end; ERROR login"),
        CASE("\x80\x0a\0\0\0\0\0\0\0\0\0\0\1\2\3\4\0\0\0\0\0\0\0\0",
             "ERROR login closes 0a/01020304"),
    };
    check_text(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Too short a line for a login, or none at all. */
Test(login, text_closes) {
    static const struct stream_case cases[] = {
        CASE("quit\r\n", "CLOSE"), CASE("get\r\n", "CLOSE"),        CASE("mn\r\n", "CLOSE"),
        CASE("\r\n", "CLOSE"),     CASE("quit x\n", "ERROR login"),
    };
    check_text(cases, sizeof(cases) / sizeof(cases[0]));
    char *bytes = stream_repeat("get ", "x", 2045, "");
    struct stream_case long_line = {bytes, strlen(bytes), "CLOSE"};
    stream_check_login(&long_line, STREAM_TEXT_LOGIN);
    free(bytes);
}

/* Up to three packets, followed by a noop unless the connection closes. */
struct sasl_case {
    struct packet_spec packets[3];
    const char *expected;
};

#define LOGIN(code, mechanism, bytes)                                                              \
    {                                                                                              \
        .opcode = (code), .key = (mechanism), .key_length = sizeof(mechanism) - 1,                 \
        .value = (bytes), .value_length = sizeof(bytes) - 1                                        \
    }
#define NOOP                                                                                       \
    { .opcode = 0x0a }
#define KEY(bytes) .key = (bytes), .key_length = sizeof(bytes) - 1

static void check_sasl(const struct sasl_case *sasl, enum stream_login login) {
    struct composed c = {0};
    for (size_t i = 0; i < 3; i++) {
        if (i == 0 || sasl->packets[i].opcode != 0) {
            compose_packet(&c, &sasl->packets[i]);
        }
    }
    struct stream_case whole = {c.bytes, c.length, sasl->expected};
    stream_check_login(&whole, login);
    compose_free(&c);
}

Test(login, sasl) {
    static const struct sasl_case cases[] = {
        {{LOGIN(0x21, "PLAIN", "\0user\0password"), NOOP},
         "login PLAIN user:password 21/00000000; noop 0a/00000000"},
        {{LOGIN(0x21, "plain", "user\0user\0password"), NOOP},
         "login plain user:password 21/00000000; noop 0a/00000000"},
        {{LOGIN(0x21, "PLAIN", "bob\0user\0password"), NOOP},
         "login PLAIN malformed 21/00000000; ERROR login closes 0a/00000000"},
        {{LOGIN(0x21, "PLAIN", "\0user\0passwork"), LOGIN(0x21, "PLAIN", "\0user\0password"), NOOP},
         "login PLAIN user:passwork 21/00000000; login PLAIN user:password 21/00000000; "
         "noop 0a/00000000"},
        {{LOGIN(0x21, "PLAIN", ""), LOGIN(0x22, "PLAIN", "\0user\0password"), NOOP},
         "ERROR login_step 21/00000000; login PLAIN user:password 22/00000000; noop 0a/00000000"},
        {{LOGIN(0x22, "PLAIN", "\0user\0password"), {.opcode = 0x0b}},
         "ERROR login 22/00000000; version 0b/00000000"},
        {{LOGIN(0x21, "CRAM-MD5", ""), {.opcode = 0x0b}},
         "login CRAM-MD5 malformed 21/00000000; version 0b/00000000"},
        {{{.opcode = 0x20}, {.opcode = 0x0b}}, "sasl_list 20/00000000; version 0b/00000000"},
        {{LOGIN(0x21, "PLAIN", "\0user\0password"), {.opcode = 0x20}, NOOP},
         "login PLAIN user:password 21/00000000; sasl_list 20/00000000; "
         "ERROR login closes 0a/00000000"},
        {{LOGIN(0x21, "PLAIN", "\0user\0password"), LOGIN(0x21, "PLAIN", ""), NOOP},
         "login PLAIN user:password 21/00000000; ERROR login_step 21/00000000; "
         "ERROR login closes 0a/00000000"},
        {{LOGIN(0x21, "PLAIN", "\0user\0password"), LOGIN(0x22, "PLAIN", "x"), NOOP},
         "login PLAIN user:password 21/00000000; ERROR login 22/00000000; "
         "ERROR login closes 0a/00000000"},
        {{LOGIN(0x21, "PLAIN", ""), {.opcode = 0x20}, LOGIN(0x22, "PLAIN", "\0user\0password")},
         "ERROR login_step 21/00000000; sasl_list 20/00000000; "
         "login PLAIN user:password 22/00000000"},
        {{LOGIN(0x21, "123456789012345678901234567890123", "\0user\0password"), {.opcode = 0x0b}},
         "ERROR format 21/00000000; version 0b/00000000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_sasl(&cases[i], STREAM_SASL);
    }
}

/* Each auth and step is handed up, whatever the mechanism. */
Test(login, sasl_with_steps) {
    static const struct sasl_case cases[] = {
        {{LOGIN(0x21, "PLAIN", ""), LOGIN(0x22, "PLAIN", "\0user\0password"), NOOP},
         "login PLAIN malformed 21/00000000; login PLAIN user:password 22/00000000; "
         "noop 0a/00000000"},
        {{LOGIN(0x22, "CRAM-MD5", "x"), {.opcode = 0x20}, LOGIN(0x22, "CRAM-MD5", "x")},
         "login CRAM-MD5 malformed 22/00000000; sasl_list 20/00000000; "
         "login CRAM-MD5 malformed 22/00000000"},
        {{LOGIN(0x21, "PLAIN", "\0user\0password"), LOGIN(0x22, "PLAIN", "x"), NOOP},
         "login PLAIN user:password 21/00000000; login PLAIN malformed 22/00000000; "
         "ERROR login closes 0a/00000000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_sasl(&cases[i], STREAM_SASL_STEPS);
    }
}

Test(login, sasl_closes) {
    static const struct sasl_case cases[] = {
        {{NOOP}, "ERROR login closes 0a/00000000"},
        {{{.opcode = 0x00, KEY("k")}}, "ERROR login closes 00/00000000"},
        {{{.opcode = 0x09, KEY("k")}}, "ERROR login quiet closes 09/00000000"},
        {{{.opcode = 0x00, KEY(STREAM_K251)}}, "ERROR login closes 00/00000000"},
        {{{.opcode = 0xff}}, "ERROR login closes ff/00000000"},
        {{{.opcode = 0x07}}, "ERROR login closes 07/00000000"},
        {{{.opcode = 0x20, KEY("k")}}, "ERROR format closes 20/00000000"},
        {{LOGIN(0x21, "", "\0user\0password")}, "ERROR format closes 21/00000000"},
        {{{.opcode = 0x21, .extras = "abcd", .extras_length = 4, KEY("PLAIN")}},
         "ERROR format closes 21/00000000"},
        {{LOGIN(0x21, STREAM_K251, "")}, "ERROR format closes 21/00000000"},
        {{{.opcode = 0x00, .key_length = 1, .body_length = 0xffffffff}},
         "ERROR format closes 00/00000000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_sasl(&cases[i], STREAM_SASL);
    }
}

/* Logins in text only, and no logins. */
Test(login, without_sasl) {
    static const struct sasl_case text_alone = {{{.opcode = 0x20}},
                                                "ERROR login closes 20/00000000"};
    check_sasl(&text_alone, STREAM_TEXT_LOGIN);
    static const struct sasl_case cases[] = {
        {{{.opcode = 0x20}, NOOP}, "ERROR command 20/00000000; noop 0a/00000000"},
        {{LOGIN(0x21, "PLAIN", "\0user\0password"), NOOP},
         "ERROR command 21/00000000; noop 0a/00000000"},
        {{LOGIN(0x22, "PLAIN", "\0user\0password"), NOOP},
         "ERROR command 22/00000000; noop 0a/00000000"},
        {{{.opcode = 0x20, KEY("k")}}, "ERROR format closes 20/00000000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_sasl(&cases[i], STREAM_OPEN);
    }
}

Test(login, too_long_a_sasl_login_is_skipped) {
    static char value[512 * 1024 + 1];
    struct sasl_case c = {
        {{.opcode = 0x21, KEY("PLAIN"), .value = value, .value_length = LOGIN_LENGTH_MAX + 1},
         {.opcode = 0x21, KEY("PLAIN"), .value = value, .value_length = sizeof(value)},
         {.opcode = 0x0b}},
        "ERROR login 21/00000000; ERROR no_memory 21/00000000; version 0b/00000000",
    };
    check_sasl(&c, STREAM_SASL);
}

static void check_credentials(enum protocol protocol, const char *mechanism, const char *value,
                              size_t length, const char *expected) {
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, value, length);
    struct request request = {
        .op = OP_LOGIN,
        .protocol = (uint8_t)protocol,
        .key = mechanism,
        .key_length = (uint16_t)strlen(mechanism),
        .value = copy,
        .value_length = (uint32_t)length,
    };
    struct credentials parts;
    bool ok = login_credentials(&request, &parts);
    cr_expect(eq(int, ok, expected ? 1 : 0), "%s", value);
    if (ok && expected) {
        char text[64];
        snprintf(text, sizeof(text), "%.*s/%.*s", (int)parts.user_length, parts.user,
                 (int)parts.password_length, parts.password);
        cr_expect(eq(str, text, (char *)expected));
    }
    free(copy);
}

Test(login, credentials) {
    static const struct {
        enum protocol protocol;
        const char *mechanism;
        const char *value;
        size_t length;
        const char *expected;
    } cases[] = {
        {PROTOCOL_TEXT, "", STREAM_BYTES("user password"), "user/password"},
        {PROTOCOL_TEXT, "", STREAM_BYTES("user pass word"), "user/pass word"},
        {PROTOCOL_TEXT, "", STREAM_BYTES("user "), "user/"},
        {PROTOCOL_TEXT, "", STREAM_BYTES(" password"), "/password"},
        {PROTOCOL_TEXT, "", STREAM_BYTES("user"), NULL},
        {PROTOCOL_TEXT, "", STREAM_BYTES(""), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("\0user\0password"), "user/password"},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("user\0user\0pass word"), "user/pass word"},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("usex\0user\0password"), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("us\0user\0password"), NULL},
        {PROTOCOL_BINARY, "PLAI", STREAM_BYTES("\0user\0password"), NULL},
        {PROTOCOL_BINARY, "PLAINS", STREAM_BYTES("\0user\0password"), NULL},
        {PROTOCOL_BINARY, "CRAM-MD5", STREAM_BYTES("\0user\0password"), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("user"), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("\0user"), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("\0user\0"), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("\0\0password"), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES("\0user\0password\0"), NULL},
        {PROTOCOL_BINARY, "PLAIN", STREAM_BYTES(""), NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_credentials(cases[i].protocol, cases[i].mechanism, cases[i].value, cases[i].length,
                          cases[i].expected);
    }
}
