/* Meta commands: bytes to requests. */
#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K250 STREAM_K250
#define K251 STREAM_K251

#define CASE STREAM_CASE
#define CHECK_ALL STREAM_CHECK_ALL

#define O31 "1234567890123456789012345678901"

Test(meta, get) {
    static const struct stream_case cases[] = {
        CASE("mg a\r\n", "mg a"),
        CASE("mg a\n", "mg a"),
        CASE("mg  a  v \r\n", "mg a [v]"),
        CASE("mg a v\r\nmg b v\r\n", "mg a [v]; mg b [v]"),
        CASE("mg nope v k Oabc\r\n", "mg nope [v] >kO Oabc"),
        CASE("mg a c f h k l s t\r\n", "mg a >cfhklst"),
        CASE("mg a t s l k h f c O1\r\n", "mg a >tslkhfcO O1"),
        CASE("mg a O\r\n", "mg a >O"),
        CASE("mg a O" O31 "\r\n", "mg a >O O" O31),
        CASE("mg a u q\r\n", "mg a [u] quiet"),
        CASE("mg a C7 v\r\n", "mg a [v C7]"),
        CASE("mg a C18446744073709551615\r\n", "mg a [C-1]"),
        CASE("mg a E7 N30 R20\r\n", "mg a [E7 N30 R20]"),
        CASE("mg viv N30 s v t c\r\n", "mg viv [v >t N30] >stc"),
        CASE("mg viv s v t c N30\r\n", "mg viv [v N30] >stc"),
        CASE("mg a T10 t\r\n", "mg a e10 [T >t] >t"),
        CASE("mg a t T10\r\n", "mg a e10 [T] >t"),
        CASE("mg a T-1\r\n", "mg a e-1 [T]"),
        CASE("mg a N5 T10\r\n", "mg a e10 [T N10]"),
        CASE("mg a T10 N5\r\n", "mg a e10 [T N5]"),
        CASE("mg a P L Lpath/ \r\n", "ERROR flag_twice"),
        CASE("mg a P/path Lpath/ v\r\n", "mg a [v]"),
        CASE("mg a I x F3 M D4 J5\r\n", "mg a f3 d4 i5"), /* of other commands */
        CASE("mg " K250 " v\r\n", "mg <250> [v]"),
        CASE("mg a v", "left 6"),
    };
    CHECK_ALL(cases);
}

Test(meta, keys_in_base64) {
    static const struct stream_case cases[] = {
        CASE("mg Zm9v b\r\n", "mg foo [b]"),
        CASE("mg Zm9v v b k\r\n", "mg foo [v b] >k"),
        CASE("mg Zm9vYg== b\r\n", "mg foob [b]"),
        CASE("ms Zm9v 2 b k\r\nhi\r\n", "m-set foo [b] >k v\"hi\""),
        CASE("md Zm9v b\r\n", "m-delete foo [b]"),
        CASE("ma Zm9v b\r\n", "m-incr foo d1 [b]"),
        CASE("me Zm9v b\r\n", "me foo [b]"),
        CASE("me Zm9v b x\r\n", "me foo [b]"),
        CASE("me Zm9v bb\r\n", "me Zm9v"),
        CASE("mg foo b\r\n", "ERROR flag_key"),
        CASE("mg !!!! b\r\n", "ERROR flag_key"),
        CASE("mg ==== b v\r\n", "ERROR flag_key"),
        CASE("md foo b q\r\n", "ERROR flag_key"),
        CASE("ma foo b\r\n", "ERROR delta_flags"),
        CASE("me foo b\r\n", "ERROR format"),
        CASE("ms foo 2 b\r\nhi\r\nmn\r\n", "ERROR flag_key; m-noop"),
        CASE("mg " K250 "kk b\r\n", "ERROR format"),
    };
    CHECK_ALL(cases);
}

Test(meta, get_errors) {
    static const struct stream_case cases[] = {
        CASE("mg\r\n", "ERROR format"),
        CASE("mg \r\n", "ERROR format"),
        CASE("mg\n", "ERROR format"),
        CASE("mg " K251 " v\r\n", "ERROR format"),
        CASE("mg a v v\r\n", "ERROR flag_twice"),
        CASE("mg a m\r\n", "ERROR flag"),
        CASE("mg a 1\r\n", "ERROR flag"),
        CASE("mg a q 1\r\n", "ERROR flag"),
        CASE("mg a noreply\r\n", "ERROR flag"),
        CASE("mg a m q\r\n", "ERROR flag"),
        CASE("mg a !\r\n", "ERROR format"),
        CASE("mg a \xff\r\n", "ERROR format"),
        CASE("mg a v v !\r\n", "ERROR format"),
        CASE("mg a O" O31 "2\r\n", "ERROR flag_opaque"),
        CASE("mg a q O" O31 "2\r\n", "ERROR flag_opaque"),
        CASE("mg a O" O31 "2 Tx\r\n", "ERROR flag_token"),
        CASE("mg a Tx O" O31 "2\r\n", "ERROR flag_token"),
        CASE("mg a Tx v v\r\n", "ERROR flag_twice"),
        CASE("mg a b Tx\r\n", "ERROR flag_token"),
        CASE("mg a Tx b\r\n", "ERROR flag_key"),
        CASE("mg a Tx Fx\r\n", "ERROR flag_token"),
        CASE("mg a Fx Tx\r\n", "ERROR flag_token"),
    };
    CHECK_ALL(cases);
}

Test(meta, malformed_numbers) {
    static const struct stream_case cases[] = {
        CASE("mg a T\r\n", "ERROR flag_token"),
        CASE("mg a Tx\r\n", "ERROR flag_token"),
        CASE("mg a T+5\r\n", "ERROR flag_token"),
        CASE("mg a T\t5\r\n", "ERROR flag_token"),
        CASE("mg a T5\t\r\n", "ERROR flag_token"),
        CASE("mg a T-\r\n", "mg a [T]"),
        CASE("mg a T-0 t\r\n", "mg a [T >t] >t"),
        CASE("mg a T00000000005\r\n", "mg a e5 [T]"),
        CASE("mg a T000000000005\r\n", "ERROR flag_token"),
        CASE("mg a T4294967295\r\n", "ERROR flag_token"),
        CASE("mg a T1x\r\n", "ERROR flag_token"),
        CASE("mg a T2147483647 t\r\n", "mg a e2147483647 [T >t] >t"),
        CASE("mg a T2147483648\r\n", "ERROR flag_token"),
        CASE("mg a T-2147483648\r\n", "mg a e-2147483648 [T]"),
        CASE("mg a T-2147483649\r\n", "ERROR flag_token"),
        CASE("mg a N\r\n", "ERROR flag_token"),
        CASE("mg a Rx\r\n", "ERROR flag_token"),
        CASE("mg a C\r\n", "ERROR flag_token"),
        CASE("mg a C-1\r\n", "ERROR flag_token"),
        CASE("mg a C18446744073709551616\r\n", "ERROR flag_token"),
        CASE("mg a E+1\r\n", "ERROR flag_token"),
        CASE("mg a F\r\n", "ERROR format"),
        CASE("mg a F4294967296\r\n", "ERROR format"),
        CASE("mg a F4294967295\r\n", "mg a f4294967295"),
        CASE("mg a Jx\r\n", "ERROR flag_initial"),
        CASE("mg a D\r\n", "ERROR flag_delta"),
    };
    CHECK_ALL(cases);
}

/* A line has at most 20 words, with the command and its key. */
Test(meta, too_many_flags) {
    static const struct stream_case cases[] = {
        CASE("mg a v k q t s c f h l u I x C1 E1 T1 N1 R1 F1\r\n",
             "mg a f1 e1 [v T u >R C1 E1 N1 R1] >ktscfhl quiet"),
        CASE("mg a v k q t s c f h l u I x C1 E1 T1 N1 R1 F1 D1\r\n", "ERROR flags_too_many"),
        CASE("mg a 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8\r\n", "ERROR flag"),
        CASE("mg a 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9\r\n", "ERROR flags_too_many"),
        CASE("mg a A A A A A A A A A A A A A A A A A A A A A ! A\r\n", "ERROR flags_too_many"),
        CASE("mg a A A A A A A A A A A A A A A A A A A A A ! A A\r\n", "ERROR format"),
        CASE("ms a 1 v k q t s c f h l u I x C1 E1 T1 N1 R1 F1\r\n1\r\nmn\r\n",
             "ERROR flags_too_many quiet; m-noop"),
        CASE("ma a 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9\r\n", "ERROR delta_flags"),
    };
    CHECK_ALL(cases);
}

Test(meta, store) {
    static const struct stream_case cases[] = {
        CASE("ms a 2\r\nhi\r\n", "m-set a v\"hi\""),
        CASE("ms a 0\r\n\r\n", "m-set a v\"\""),
        CASE("ms a -0\r\n\r\n", "m-set a v\"\""),
        CASE("ms a -\r\n\r\n", "m-set a v\"\""),
        CASE("ms a 00000000002\r\nhi\r\n", "m-set a v\"hi\""),
        CASE("ms  a  2  \nhi\r\nmn\r\n", "m-set a v\"hi\"; m-noop"),
        CASE("ms a 2 T60 F7 c s k Oab q\r\nhi\r\n", "m-set a f7 e60 >cskO Oab v\"hi\" quiet"),
        CASE("ms a 2 T-1\r\nhi\r\n", "m-set a e-1 v\"hi\""),
        CASE("ms a 2 MS\r\nhi\r\n", "m-set a v\"hi\""),
        CASE("ms a 2 ME q\r\nhi\r\n", "m-add a v\"hi\" quiet"),
        CASE("ms a 2 MA\r\nhi\r\n", "m-append a v\"hi\""),
        CASE("ms a 2 MAppend\r\nhi\r\n", "m-append a v\"hi\""),
        CASE("ms a 2 MP\r\nhi\r\n", "m-prepend a v\"hi\""),
        CASE("ms a 2 MR\r\nhi\r\n", "m-replace a v\"hi\""),
        CASE("ms a 2 N30\r\nhi\r\n", "m-set a v\"hi\""),
        CASE("ms a 2 N30 T60 MA\r\nhi\r\n", "m-append a e60 [N30] v\"hi\""),
        CASE("ms a 2 MP N30\r\nhi\r\n", "m-prepend a [N30] v\"hi\""),
        CASE("ms a 2 C1\r\nhi\r\n", "m-set a cas1 v\"hi\""),
        CASE("ms a 2 C0\r\nhi\r\n", "m-set a cas0 v\"hi\""),
        CASE("ms a 2 C1 I\r\nhi\r\n", "m-set a cas1 [I] v\"hi\""),
        CASE("ms a 2 I\r\nhi\r\n", "m-set a v\"hi\""),
        CASE("ms a 2 MR C1 I\r\nhi\r\n", "m-set a cas1 [I] v\"hi\""),
        CASE("ms a 2 ME C1\r\nhi\r\n", "m-add a v\"hi\""),
        CASE("ms a 2 MA C1 I\r\nhi\r\n", "m-append a cas1 v\"hi\""),
        CASE("ms a 2 MA C0\r\nhi\r\n", "m-append a v\"hi\""),
        CASE("ms a 2 E99\r\nhi\r\n", "m-set a [E99] v\"hi\""),
        CASE("ms a 2 f t v u h l\r\nhi\r\n", "m-set a v\"hi\""), /* of other commands */
        CASE("ms " K250 " 1\r\n1\r\n", "m-set <250> v\"1\""),
        CASE("ms a 2\r\nh", "left 9"),
    };
    CHECK_ALL(cases);
}

Test(meta, stores_refused_and_skipped) {
    static const struct stream_case cases[] = {
        CASE("ms a 2 v v\r\nhi\r\nmn\r\n", "ERROR flag_twice; m-noop"),
        CASE("ms a 2 S2\r\nhi\r\nmn\r\n", "ERROR flag; m-noop"),
        CASE("ms a 2 noreply\r\nhi\r\nmn\r\n", "ERROR flag; m-noop"),
        CASE("ms a 2 MX\r\nhi\r\nmn\r\n", "ERROR flag_set_mode; m-noop"),
        CASE("ms a 2 M\r\nhi\r\nmn\r\n", "ERROR flag_set_mode; m-noop"),
        CASE("ms a 2 M Tx\r\nhi\r\nmn\r\n", "ERROR flag_token; m-noop"),
        CASE("ms a 2 Fx\r\nhi\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 2 F000000000001\r\nhi\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 2 T4294967295\r\nhi\r\nmn\r\n", "ERROR flag_token; m-noop"),
        CASE("ms " K251 " 2\r\nhi\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 2 O" O31 "2\r\nhi\r\nmn\r\n", "ERROR flag_opaque; m-noop"),
        CASE("ms a 3\r\nabcd\r\nmn\r\n", "ERROR chunk; ERROR format; m-noop"),
        CASE("ms a 3\r\nabcde\r\nmn\r\n", "ERROR chunk; ERROR format; m-noop"),
        CASE("ms a 2 Tx\r\nh", "ERROR flag_token"),
    };
    CHECK_ALL(cases);
}

Test(meta, stores_refused_with_nothing_skipped) {
    static const struct stream_case cases[] = {
        CASE("ms\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a x\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a S2\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a -1\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a +2\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a \t2\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 000000000002\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 2147483646\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 4294967296\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 2 !\r\nmn\r\n", "ERROR format; m-noop"),
        CASE("ms a 2 v v !\r\nmn\r\n", "ERROR format; m-noop"),
    };
    CHECK_ALL(cases);
}

/* Unlike text commands all modes delete the old value; q doesn't silence the answer. */
Test(meta, too_large_a_value_is_skipped) {
    static const char *const modes[] = {"", " MS", " ME", " MA", " MP", " MR", " C1", " b q"};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char front[64];
        snprintf(front, sizeof(front), "ms a2V5 1001%s\r\n", modes[i]);
        char *bytes = stream_repeat(front, "x", 1001, "\r\nmn\r\n");
        bool binary = strstr(modes[i], "b");
        struct stream_case c = {bytes, strlen(bytes),
                                binary ? "m-REJECT key too_large quiet; m-noop"
                                       : "m-REJECT a2V5 too_large; m-noop"};
        stream_check(&c);
        free(bytes);
    }
}

Test(meta, delete_) {
    static const struct stream_case cases[] = {
        CASE("md a\r\n", "m-delete a"),
        CASE("md a q k Oab\r\n", "m-delete a >kO Oab quiet"),
        CASE("md a C5\r\n", "m-delete a cas5"),
        CASE("md a C0\r\n", "m-delete a cas0"),
        CASE("md a I T30\r\n", "m-delete a e30 [T I]"),
        CASE("md a T30\r\n", "m-delete a e30"),
        CASE("md a x\r\n", "m-delete a [x]"),
        CASE("md a x F7 T50 I E9\r\n", "m-delete a f7 e50 [T I x E9]"),
        CASE("md a c f v t s\r\n", "m-delete a"), /* of other commands */
        CASE("md\r\n", "ERROR format"),
        CASE("md " K251 "\r\n", "ERROR format"),
        CASE("md a v v\r\n", "ERROR flag_twice"),
        CASE("md a T\r\n", "ERROR flag_token"),
        CASE("md a O" O31 "2 q\r\n", "ERROR flag_opaque"),
    };
    CHECK_ALL(cases);
}

Test(meta, delta) {
    static const struct stream_case cases[] = {
        CASE("ma a\r\n", "m-incr a d1"),
        CASE("ma a D5 v t c k Oa\r\n", "m-incr a d5 [v] >tckO Oa"),
        CASE("ma a MI\r\n", "m-incr a d1"),
        CASE("ma a M+\r\n", "m-incr a d1"),
        CASE("ma a MD D2\r\n", "m-decr a d2"),
        CASE("ma a M- q\r\n", "m-decr a d1 quiet"),
        CASE("ma a Mincr\r\n", "ERROR flag_delta_mode"),
        CASE("ma a N30 J5 t\r\n", "m-incr a d1 i5 [>t N30] >t create"),
        CASE("ma a N30 T60\r\n", "m-incr a e60 d1 [T N60] create"),
        CASE("ma a T60 N30\r\n", "m-incr a e60 d1 [T N30] create"),
        CASE("ma a C5 E7\r\n", "m-incr a cas5 d1 [E7]"),
        CASE("ma a C0\r\n", "m-incr a d1"),
        CASE("ma a f h l s\r\n", "m-incr a d1"), /* of other commands */
        CASE("ma\r\n", "ERROR format"),
        CASE("ma a !\r\n", "ERROR format"),
        CASE("ma " K251 "\r\n", "ERROR delta_flags"),
        CASE("ma a v v\r\n", "ERROR delta_flags"),
        CASE("ma a m\r\n", "ERROR delta_flags"),
        CASE("ma a D-1\r\n", "ERROR delta_flags"),
        CASE("ma a MX\r\n", "ERROR flag_delta_mode"),
        CASE("ma a M\r\n", "ERROR flag_delta_mode"),
        CASE("ma a O" O31 "2\r\n", "ERROR flag_opaque"),
    };
    CHECK_ALL(cases);
}

Test(meta, noop_and_item) {
    static const struct stream_case cases[] = {
        CASE("mn\r\n", "m-noop"),
        CASE("mn a b\r\n", "m-noop"),
        CASE("mn noreply\r\n", "m-noop"),
        CASE("mn \n", "m-noop"),
        CASE("mn\n", "ERROR format"),
        CASE("me a\r\n", "me a"),
        CASE("me a q noreply\r\n", "me a"),
        CASE("me\r\n", "ERROR format"),
        CASE("me " K251 "\r\n", "ERROR format"),
        CASE("me a !\r\n", "ERROR format"),
        CASE("mx a\r\n", "ERROR command"),
        CASE("mga a\r\n", "ERROR command"),
        CASE(" mg a\r\n", "ERROR command"),
        CASE("get a\r\nmg b v\r\ngets c\r\n", "get a last; mg b [v]; get c +cas last"),
    };
    CHECK_ALL(cases);
}
