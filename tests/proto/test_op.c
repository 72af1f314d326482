/* The table of ops: a row for each, and what is computed from an op agrees with its row. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "proto/reply.h"

Test(op, every_op_has_a_row) {
    for (int op = 0; op < OP_COUNT; op++) {
        cr_expect(op_infos[op].name != 0, "op %d", op);
    }
}

Test(op, scopes_are_ranges_of_the_enumeration) {
    for (int op = 0; op < OP_COUNT; op++) {
        const struct op_info *info = &op_infos[op];
        cr_expect(eq(int, op_has_key((enum op)op), info->scope == OP_SCOPE_KEY), "%s", info->name);
        cr_expect(eq(int, op_concerns_shards((enum op)op), info->scope == OP_SCOPE_SHARDS), "%s",
                  info->name);
    }
}

/* Upload parts aren't answered at all, and statistics one by one. */
static bool is_answered_by_reply_write(enum op op) {
    return op != OP_STATS && op != OP_UPLOAD_PART && op != OP_UPLOAD_END;
}

Test(op, every_op_is_answered_in_some_protocol) {
    for (int op = 0; op < OP_COUNT; op++) {
        const struct op_info *info = &op_infos[op];
        bool answered = info->text.kind != ANSWER_ABSENT || info->meta.kind != ANSWER_ABSENT ||
                        info->binary.kind != ANSWER_ABSENT;
        cr_expect(eq(int, answered, is_answered_by_reply_write((enum op)op)), "%s", info->name);
        cr_expect(
            eq(int, info->meta.kind != ANSWER_ABSENT, info->meta_name[0] != '\0' || op == OP_ERROR),
            "%s", info->name);
    }
}

static void check_answer(const struct op_answer *answer, const char *name) {
    bool has_words = answer->kind == ANSWER_WORDS || answer->kind == ANSWER_OUTCOME ||
                     answer->kind == ANSWER_LINE;
    cr_expect(le(int, answer->length, (int)sizeof(answer->words)), "%s", name);
    cr_expect(has_words || answer->length == 0, "%s", name);
}

Test(op, words_are_only_where_they_are_written) {
    for (int op = 0; op < OP_COUNT; op++) {
        check_answer(&op_infos[op].text, op_infos[op].name);
        check_answer(&op_infos[op].meta, op_infos[op].name);
        check_answer(&op_infos[op].binary, op_infos[op].name);
    }
}

static bool needs_no_result(const struct op_answer *answer) {
    return answer->kind == ANSWER_WORDS || answer->kind == ANSWER_ERROR ||
           answer->kind == ANSWER_NOTHING;
}

static void check_without_result(enum op op, enum protocol protocol) {
    char out[256];
    struct request request = {
        .op = (uint8_t)op, .protocol = (uint8_t)protocol, .error = PROTO_ERROR_COMMAND};
    cr_expect(le(sz, reply_write(out, &request, NULL), reply_bound(&request, NULL)), "op %d", op);
}

Test(op, what_needs_no_result_is_answered_without_one) {
    for (int op = 0; op < OP_COUNT; op++) {
        if (needs_no_result(&op_infos[op].text)) {
            check_without_result((enum op)op, PROTOCOL_TEXT);
        }
        if (needs_no_result(&op_infos[op].meta)) {
            check_without_result((enum op)op, PROTOCOL_META);
        }
        if (needs_no_result(&op_infos[op].binary)) {
            check_without_result((enum op)op, PROTOCOL_BINARY);
        }
    }
}
