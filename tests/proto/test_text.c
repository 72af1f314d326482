/* Text commands: bytes to requests. */
#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K50 STREAM_K50
#define K250 STREAM_K250
#define K251 STREAM_K251

#define CASE STREAM_CASE
#define CHECK_ALL STREAM_CHECK_ALL

Test(text, get) {
    static const struct stream_case cases[] = {
        CASE("get a\r\n", "get a last"),
        CASE("get a\n", "get a last"),
        CASE("get a \r\n", "get a last"),
        CASE("get   a   \r\n", "get a last"),
        CASE("gets a\r\n", "get a +cas last"),
        CASE("get a b c\r\n", "get a; get b; get c last"),
        CASE("gets a  b \n", "get a +cas; get b +cas last"),
        CASE("get a a\r\nget b\r\n", "get a; get a last; get b last"),
        CASE("get noreply\r\n", "get noreply last"),
        CASE("get a\tb\r\n", "get a\tb last"),
        CASE("get a\r\r\n", "get a\r last"),
        CASE("get \r\r\n", "get \r last"),
        CASE("get HTTP/1.1\r\n", "get HTTP/1.1 last"),
        CASE("gets a\r\nget b\r\n", "get a +cas last; get b last"),
        CASE("get 12345678\r\n", "get 12345678 last"),
        CASE("get 1234567 12345678 123456789\r\n", "get 1234567; get 12345678; get 123456789 last"),
        CASE("get " K250 "\r\n", "get <250> last"),
        CASE("get " K250 " " K250 "\n", "get <250>; get <250> last"),
        CASE("get a", "left 5"),
        CASE("get a\r", "left 6"),
    };
    CHECK_ALL(cases);
}

Test(text, get_errors_come_before_values) {
    static const struct stream_case cases[] = {
        CASE("get " K251 "\r\n", "ERROR format"),
        CASE("get a " K251 "\r\nget b\r\n", "ERROR format; get b last"),
        CASE("get a " K251 " b\r\n", "ERROR format"),
        CASE("get " K251 " noreply\r\nget b\r\n", "ERROR format; get b last"),
        CASE("get " K250 " " K251 "\r\n", "ERROR format"),
        CASE("get " K250 "  " K250 "   " K251 " \r\n", "ERROR format"),
        CASE("get " K50 " " K50 " " K50 " " K50 " " K250 " a\r\n",
             "get <50>; get <50>; get <50>; get <50>; get <250>; get a last"),
        CASE("get\r\n", "ERROR format"),
        CASE("get \r\n", "ERROR format"),
        CASE("gets\n", "ERROR format"),
        CASE("gets    \n", "ERROR format"),
    };
    CHECK_ALL(cases);
}

Test(text, unknown_lines) {
    static const struct stream_case cases[] = {
        CASE("\r\n", "ERROR format"),
        CASE("\n", "ERROR format"),
        CASE(" \n", "ERROR format"),
        CASE("a\r\n", "ERROR format"),
        CASE("ge\r\n", "ERROR command"),
        CASE("GET a\r\n", "ERROR command"),
        CASE("  get a\r\n", "ERROR command"),
        CASE("    \r\n", "ERROR command"),
        CASE("get\ta\r\n", "ERROR command"),
        CASE("getss a\r\n", "ERROR command"),
        CASE("flush_alx\r\nflush_alll\r\n", "ERROR command; ERROR command"),
        CASE("verbosities 1\r\n", "ERROR command"),
        CASE("foo noreply\r\n", "ERROR command quiet"),
        CASE("foo noreply  \r\nget a\r\n", "ERROR command quiet; get a last"),
        CASE("foo xnoreply\r\n", "ERROR command"),
        CASE("noreply\r\n", "ERROR command quiet"),
        CASE("GET / x\r\n", "ERROR command"),
        CASE("GET / HTTP/1.1\r\nHost: a\r\n", "CLOSE"),
        CASE("GET / HTTP/1.1 \n", "CLOSE"),
        CASE("GET HTTP/1.1 a\n", "ERROR command"),
        CASE("get a\r\nPOST / HTTP/1.0\r\n", "get a last; CLOSE"),
    };
    CHECK_ALL(cases);
}

Test(text, gat) {
    static const struct stream_case cases[] = {
        CASE("gat 10 a\r\n", "gat a e10 last"),
        CASE("gat -1 a b\r\n", "gat a e-1; gat b e-1 last"),
        CASE("gats 0 a b c \r\nget a\r\n", "gat a +cas; gat b +cas; gat c +cas last; get a last"),
        CASE("gat 5 a\r\nget a\r\n", "gat a e5 last; get a last"),
        CASE("gat\r\n", "ERROR format"),
        CASE("gat 0\r\n", "ERROR format"),
        CASE("gat 0 \r\n", "ERROR format"),
        CASE("gat abc n\r\n", "ERROR exptime"),
        CASE("gat 1 a " K251 "\r\n", "ERROR format"),
        CASE("gat x " K251 "\r\n", "ERROR exptime"),
    };
    CHECK_ALL(cases);
}

Test(text, stores) {
    static const struct stream_case cases[] = {
        CASE("set k 1 2 3\r\nabc\r\n", "set k f1 e2 v\"abc\""),
        CASE("set k 0 0 0\r\n\r\n", "set k v\"\""),
        CASE("set k 0 0 3\nabc\r\n", "set k v\"abc\""),
        CASE("set  k  0  0  3 \r\nabc\r\n", "set k v\"abc\""),
        CASE("set k 0 0 3 noreply\r\nabc\r\n", "set k v\"abc\" quiet"),
        CASE("set k 0 0 3 other\r\nabc\r\n", "set k v\"abc\""),
        CASE("set k 4294967295 -1 4\r\n\r\n\r\n\r\n", "set k f4294967295 e-1 v\"\r\n\r\n\""),
        CASE("set k 0 0 9\r\nget a b\r\n\r\n", "set k v\"get a b\r\n\""),
        CASE("set k 00000000000000000000001 0 3\r\nabc\r\n", "set k f1 v\"abc\""),
        CASE("add k 0 0 1\r\na\r\n", "add k v\"a\""),
        CASE("replace k 0 0 1\r\na\r\n", "replace k v\"a\""),
        CASE("append k 7 8 1\r\na\r\n", "append k f7 e8 v\"a\""),
        CASE("prepend k 0 0 1\r\na\r\n", "prepend k v\"a\""),
        CASE("cas k 1 2 1 99\r\na\r\n", "set k f1 e2 cas99 v\"a\""),
        CASE("cas k 0 0 1 18446744073709551615 noreply\r\na\r\n",
             "set k cas18446744073709551615 v\"a\" quiet"),
        CASE("set " K250 " 0 0 1\r\na\r\n", "set <250> v\"a\""),
        CASE("set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\nget a\r\n",
             "set a v\"1\"; set b v\"2\"; get a last"),
        CASE("set k 0 0 3\r\nab", "left 15"),
        CASE("set k 0 0 3\r\nabc\r", "left 17"),
    };
    CHECK_ALL(cases);
}

Test(text, stores_refused_and_skipped) {
    static const struct stream_case cases[] = {
        CASE("set a 0 0 3\r\nabcd\r\n", "ERROR chunk; ERROR format"),
        CASE("set a 0 0 3\r\nabcde\r\nget b\r\n", "ERROR chunk; ERROR format; get b last"),
        CASE("set a 0 0 3 noreply\r\nabcde\r\n", "ERROR chunk quiet; ERROR format"),
        CASE("set a 0 0 3\r\nabc\n\nget b\r\n", "ERROR chunk; get b last"),
        CASE("set k 0 x 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k x 0 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k -1 0 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 4294967296 0 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 1x 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 99999999999999999999 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set " K251 " 0 0 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set " K251 " 0 0 3 noreply\r\nabc\r\nget a\r\n", "ERROR format quiet; get a last"),
        CASE("cas k 0 0 3\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("cas k 0 0 3 x\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("cas k 0 0 3 -1\r\nabc\r\nget a\r\n", "ERROR format; get a last"),
        CASE("cas k 0 0 3 noreply\r\nabc\r\nget a\r\n", "ERROR format quiet; get a last"),
        CASE("set k 0 x 3\r\nab", "ERROR format"),
    };
    CHECK_ALL(cases);
}

Test(text, stores_refused_with_nothing_skipped) {
    static const struct stream_case cases[] = {
        CASE("set k 0 0 -1\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 4294967295\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 2147483647\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 2147483646\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 99999999999999999999999\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 3x\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 \r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 -1 noreply\r\nget a\r\n", "ERROR format quiet; get a last"),
    };
    CHECK_ALL(cases);
}

/* Only a set deletes the old value; the other commands leave the item as it is. */
Test(text, too_large_a_value_is_skipped) {
    static const char *const commands[] = {"set", "add", "replace", "append", "prepend"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char front[64];
        snprintf(front, sizeof(front), "%s k 0 0 1001\r\n", commands[i]);
        char *bytes = stream_repeat(front, "x", 1001, "\r\nget a\r\n");
        struct stream_case c = {bytes, strlen(bytes),
                                i == 0 ? "REJECT k too_large; get a last"
                                       : "ERROR too_large; get a last"};
        stream_check(&c);
        free(bytes);
    }
}

Test(text, values_up_to_the_limit) {
    static const struct stream_case at_once[] = {
        CASE("set k 0 0 2147483645\r\n", "REJECT k too_large"),
        CASE("set k 0 0 1001 noreply\r\n", "REJECT k too_large quiet"),
        CASE("cas k 0 0 1001 5\r\n", "ERROR too_large"),
        CASE("set k x 0 1001\r\n", "ERROR format"),
    };
    CHECK_ALL(at_once);
    char *bytes = stream_repeat("set k 0 0 1000\r\n", "x", 1000, "\r\nget a\r\n");
    struct stream_case c = {bytes, strlen(bytes), "set k v\"<1000>\"; get a last"};
    stream_check(&c);
    free(bytes);
}

/* memcached keeps the lower 32 bits of the exptime of a set, as a number with a sign; the other
 * commands refuse what doesn't fit. */
Test(text, exptimes_beyond_2038) {
    static const struct stream_case cases[] = {
        CASE("set k 0 2147483647 1\r\na\r\n", "set k e2147483647 v\"a\""),
        CASE("set k 0 2147483648 1\r\na\r\n", "set k e-2147483648 v\"a\""),
        CASE("add k 0 4102444800 1\r\na\r\n", "add k e-192522496 v\"a\""),
        CASE("set k 0 4294967294 1\r\na\r\n", "set k e-2 v\"a\""),
        CASE("replace k 0 4294967295 1\r\na\r\n", "replace k e-1 v\"a\""),
        CASE("cas k 0 4294967295 1 5\r\na\r\n", "set k e-1 cas5 v\"a\""),
        CASE("set k 0 4294967296 1\r\na\r\n", "set k v\"a\""),
        CASE("set k 0 4294967306 1\r\na\r\n", "set k e10 v\"a\""),
        CASE("set k 0 9223372036854775807 1\r\na\r\n", "set k e-1 v\"a\""),
        CASE("set k 0 9223372036854775808 1\r\na\r\n", "ERROR format"),
        CASE("set k 0 -2147483649 1\r\na\r\n", "set k e2147483647 v\"a\""),
        CASE("set k 0 -4294967296 1\r\na\r\n", "set k v\"a\""),
        CASE("touch k 4294967295\r\n", "ERROR exptime"),
        CASE("gat 4294967295 k\r\n", "ERROR exptime"),
        CASE("flush_all 4294967295\r\n", "ERROR exptime"),
    };
    CHECK_ALL(cases);
}

/* memcached reads flags and exptime of a set with strtol(): signs, white space, and the next word
 * where one is nothing but white space. */
Test(text, flags_and_exptime_with_signs_and_blanks) {
    static const struct stream_case cases[] = {
        CASE("set k +1 +2 3\r\nabc\r\n", "set k f1 e2 v\"abc\""),
        CASE("set k -0 -0 1\r\na\r\n", "set k v\"a\""),
        CASE("set k \t1 \v+2 1\r\na\r\n", "set k f1 e2 v\"a\""),
        CASE("set k 1\t 2\f 1\r\na\r\n", "set k f1 e2 v\"a\""),
        CASE("set k 1\tx 2\rx 1\r\na\r\n", "set k f1 e2 v\"a\""),
        CASE("set k 1\0x 2\0x 1\r\na\r\n", "set k f1 e2 v\"a\""),
        CASE("set k \t 5 1\r\na\r\n", "set k f5 e5 v\"a\""),
        CASE("set k \t \t 1\r\na\r\n", "set k f1 e1 v\"a\""),
        CASE("set k + 0 1\r\na\r\n", "ERROR format"),
        CASE("set k - 0 1\r\na\r\n", "ERROR format"),
        CASE("set k 0 + 1\r\na\r\n", "ERROR format"),
        CASE("set k 0 - 1\r\na\r\n", "ERROR format"),
        CASE("set k 0 +-1 1\r\na\r\n", "ERROR format"),
        CASE("set k \t-1 0 1\r\na\r\n", "ERROR format"),
        CASE("set k \t\r\nget a\r\n", "ERROR format; get a last"),
    };
    CHECK_ALL(cases);
}

/* Its other numbers are digits alone, in at most 11 characters, or 22; a minus alone is 0 where
 * there may be one. */
Test(text, numbers_with_signs_and_blanks) {
    static const struct stream_case cases[] = {
        CASE("set k 0 0 +1\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 \t1\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 1\t\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 000000000001\r\nget a\r\n", "ERROR format; get a last"),
        CASE("set k 0 0 00000000001\r\na\r\n", "set k v\"a\""),
        CASE("set k 0 0 -0\r\n\r\n", "set k v\"\""),
        CASE("set k 0 0 -\r\n\r\n", "set k v\"\""),
        CASE("cas k 0 0 1 +1\r\na\r\n", "ERROR format"),
        CASE("cas k 0 0 1 0000000000000000000001\r\na\r\n", "set k cas1 v\"a\""),
        CASE("cas k 0 0 1 00000000000000000000001\r\na\r\n", "ERROR format"),
        CASE("incr k +1\r\n", "ERROR delta"),
        CASE("decr k +1\r\n", "ERROR delta"),
        CASE("incr k -0\r\n", "ERROR delta"),
        CASE("incr k \t1\r\n", "ERROR delta"),
        CASE("incr k 0000000000000000000001\r\n", "incr k d1"),
        CASE("incr k 00000000000000000000001\r\n", "ERROR delta"),
        CASE("touch k +1\r\n", "ERROR exptime"),
        CASE("touch k \t1\r\n", "ERROR exptime"),
        CASE("touch k -\r\n", "touch k"),
        CASE("touch k 00000000001\r\n", "touch k e1"),
        CASE("touch k 000000000001\r\n", "ERROR exptime"),
        CASE("gat +1 k\r\n", "ERROR exptime"),
        CASE("gats +1 k\r\n", "ERROR exptime"),
        CASE("gat - k\r\n", "gat k last"),
        CASE("flush_all +1\r\n", "ERROR exptime"),
        CASE("flush_all -\r\n", "flush"),
        CASE("flush_all 000000000001\r\n", "ERROR exptime"),
        CASE("verbosity +1\r\n", "ERROR format"),
        CASE("verbosity -0\r\n", "ERROR format"),
        CASE("verbosity 000000000001\r\n", "ERROR format"),
    };
    CHECK_ALL(cases);
}

Test(text, delete_) {
    static const struct stream_case cases[] = {
        CASE("delete k\r\n", "delete k"),
        CASE("delete k noreply\r\n", "delete k quiet"),
        CASE("delete k 0\r\n", "delete k"),
        CASE("delete k 0 noreply\r\n", "delete k quiet"),
        CASE("delete k 10\r\n", "ERROR usage"),
        CASE("delete k 0 10\r\n", "ERROR usage"),
        CASE("delete k 10 noreply\r\n", "ERROR usage quiet"),
        CASE("delete k noreply x\r\n", "ERROR usage"),
        CASE("delete / HTTP/1.1\r\n", "ERROR usage"),
        CASE("delete\r\n", "ERROR format"),
        CASE("delete " K251 "\r\n", "ERROR format"),
        CASE("delete " K251 " noreply\r\n", "ERROR format quiet"),
    };
    CHECK_ALL(cases);
}

Test(text, incr_and_decr) {
    static const struct stream_case cases[] = {
        CASE("incr k 1\r\n", "incr k d1"),
        CASE("decr k 18446744073709551615\r\n", "decr k d18446744073709551615"),
        CASE("incr k 5 noreply\r\n", "incr k d5 quiet"),
        CASE("incr k -1\r\n", "ERROR delta"),
        CASE("incr k abc\r\n", "ERROR delta"),
        CASE("incr k 18446744073709551616\r\n", "ERROR delta"),
        CASE("incr k abc noreply\r\n", "ERROR delta quiet"),
        CASE("incr k\r\n", "ERROR format"),
        CASE("decr\r\n", "ERROR format"),
        CASE("incr " K251 " x\r\n", "ERROR format"),
    };
    CHECK_ALL(cases);
}

Test(text, touch) {
    static const struct stream_case cases[] = {
        CASE("touch k 10\r\n", "touch k e10"),
        CASE("touch k -1 noreply\r\n", "touch k e-1 quiet"),
        CASE("touch k abc\r\n", "ERROR exptime"),
        CASE("touch k 2147483647\r\n", "touch k e2147483647"),
        CASE("touch k 2147483648\r\n", "ERROR exptime"),
        CASE("gat -2147483648 k\r\n", "gat k e-2147483648 last"),
        CASE("gat -2147483649 k\r\n", "ERROR exptime"),
        CASE("touch k noreply\r\n", "ERROR exptime quiet"),
        CASE("touch k\r\n", "ERROR format"),
        CASE("touch " K251 " x\r\n", "ERROR format"),
    };
    CHECK_ALL(cases);
}

Test(text, commands_without_a_key) {
    static const struct stream_case cases[] = {
        CASE("flush_all\r\n", "flush"),
        CASE("flush_all 10\r\n", "flush e10"),
        CASE("flush_all -1\r\n", "flush"),
        CASE("flush_all noreply\r\n", "flush quiet"),
        CASE("flush_all 10 noreply\r\n", "flush e10 quiet"),
        CASE("flush_all x\r\n", "ERROR exptime"),
        CASE("flush_all 2147483647\r\n", "flush e2147483647"),
        CASE("flush_all 2147483648\r\n", "ERROR exptime"),
        CASE("flush_all 99999999999 noreply\r\n", "ERROR exptime quiet"),
        CASE("flush_all noreply 0\r\n", "ERROR exptime"),
        CASE("flush_prefix\r\n", "ERROR format"),
        CASE("flush_prefix a\r\n", "flush_prefix a"),
        CASE("flush_prefix  a: 10\r\n", "flush_prefix a: e10"),
        CASE("flush_prefix a noreply\r\n", "flush_prefix a quiet"),
        CASE("flush_prefix noreply\r\n", "flush_prefix noreply"),
        CASE("flush_prefix noreply noreply\r\n", "flush_prefix noreply quiet"),
        CASE("flush_prefix a -1\r\n", "flush_prefix a"),
        CASE("flush_prefix a 10 noreply\r\n", "flush_prefix a e10 quiet"),
        CASE("flush_prefix a b\r\n", "ERROR exptime"),
        CASE("flush_prefix a b noreply\r\n", "ERROR exptime quiet"),
        CASE("flush_prefix a 2147483648\r\n", "ERROR exptime"),
        CASE("flush_prefix " K250 "\r\n", "flush_prefix <250>"),
        CASE("flush_prefix " K251 "\r\n", "ERROR format"),
        CASE("flush_prefix " K251 " noreply\r\n", "ERROR format quiet"),
        CASE("flush_prefi a\r\nflush_prefixx a\r\n", "ERROR command; ERROR command"),
        CASE("version\r\n", "version"),
        CASE("version x\n", "version"),
        CASE("version noreply\n", "version"),
        CASE("verbosity 1\r\n", "level d1"),
        CASE("verbosity 1 noreply\r\n", "level d1 quiet"),
        CASE("verbosity\r\n", "ERROR format"),
        CASE("verbosity x\r\n", "ERROR format"),
        CASE("stats\r\n", "stats"),
        CASE("stats \r\n", "stats"),
        CASE("stats items\r\n", "stats items"),
        CASE("stats  detail on \r\n", "stats detail on"),
        CASE("stats " K251 "\r\n", "ERROR command"),
        CASE("get a\r\nquit\r\nget b\r\n", "get a last; quit closes"),
        CASE("quit now\r\n", "quit closes"),
    };
    CHECK_ALL(cases);
}
