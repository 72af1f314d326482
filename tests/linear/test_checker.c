/* The checker of histories: some by hand, and many small random ones against all orders tried out.
 */
#include "checker.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "bench/random.h"

#define FEW 6 /* operations, whose orders are tried out */
#define CONNECTIONS 3
#define SEEDS 60000

/* An operation from `sent` to `answered`. */
static void add(struct history *history, uint64_t sent, uint64_t answered, enum need need,
                uint64_t before, enum act act, uint64_t after) {
    struct operation operation = {.sent_ns = sent,
                                  .answered_ns = answered,
                                  .need = need,
                                  .act = act,
                                  .previous = OPERATION_NONE};
    operation.before = need >= NEED_VALUE ? value_of(before) : (struct value){0};
    operation.after = act != ACT_NOTHING && act != ACT_CLEAR ? value_of(after) : (struct value){0};
    history_add(history, &operation);
}

static void set(struct history *history, uint64_t sent, uint64_t answered, uint64_t value) {
    add(history, sent, answered, NEED_NOTHING, 0, ACT_SET, value);
}

static void get(struct history *history, uint64_t sent, uint64_t answered, uint64_t value) {
    add(history, sent, answered, value > 0 ? NEED_VALUE : NEED_ABSENT, value, ACT_NOTHING, 0);
}

static void expect(struct history *history, bool is_linearizable) {
    cr_assert(eq(int, checker_check(history).is_linearizable, is_linearizable));
    history_finish(history);
}

Test(checker, nothing) {
    struct history history = {0};
    expect(&history, true);
}

Test(checker, an_old_value) {
    struct history history = {0};
    set(&history, 1, 2, 1);
    set(&history, 3, 4, 2);
    get(&history, 5, 6, 2);
    expect(&history, true);
    set(&history, 1, 2, 1);
    set(&history, 3, 4, 2);
    get(&history, 5, 6, 1);
    expect(&history, false);
    set(&history, 1, 2, 1);
    set(&history, 3, 5, 2);
    get(&history, 4, 6, 1);
    expect(&history, true);
}

Test(checker, new_and_then_old_while_it_is_written) {
    struct history history = {0};
    set(&history, 1, 2, 1);
    set(&history, 3, 100, 2);
    get(&history, 4, 10, 2);
    get(&history, 11, 20, 1);
    expect(&history, false);
    set(&history, 1, 2, 1);
    set(&history, 3, 100, 2);
    get(&history, 4, 10, 1);
    get(&history, 11, 20, 2);
    expect(&history, true);
}

Test(checker, names_the_operation) {
    struct history history = {0};
    set(&history, 1, 2, 1);
    get(&history, 3, 9, 1);
    get(&history, 4, 8, 0);
    get(&history, 5, 7, 1);
    struct verdict verdict = checker_check(&history);
    cr_assert(eq(int, verdict.is_linearizable, false));
    cr_assert(eq(u32, verdict.operation, 2));
    history_finish(&history);
}

Test(checker, what_vanishes_does_not_come_back) {
    for (int comes_back = 0; comes_back < 2; comes_back++) {
        struct history history = {.vanishes = true};
        set(&history, 1, 2, 1);
        get(&history, 3, 4, 1);
        get(&history, 5, 6, 0);
        get(&history, 7, 8, (uint64_t)comes_back);
        expect(&history, comes_back == 0);
    }
    struct history history = {0};
    set(&history, 1, 2, 1);
    get(&history, 5, 6, 0);
    expect(&history, false);
}

Test(checker, order_on_a_connection) {
    for (uint32_t first = 1; first <= 2; first++) {
        struct history history = {0};
        set(&history, 1, 2, 1);
        set(&history, 3, 30, 2);
        get(&history, 5, 20, first);
        get(&history, 5, 20, 3 - first);
        history.operations[3].previous = 2;
        expect(&history, first == 1);
    }
}

Test(checker, appended) {
    for (int swapped = 0; swapped < 2; swapped++) {
        struct history history = {0};
        set(&history, 1, 2, 1);
        add(&history, 3, 4, NEED_PRESENT, 0, ACT_APPEND, 2);
        add(&history, 5, 6, NEED_PRESENT, 0, ACT_PREPEND, 3);
        struct value value = value_joined(value_of(swapped ? 2 : 1), value_of(swapped ? 1 : 2));
        get(&history, 7, 8, 1);
        history.operations[3].before = value_joined(value_of(3), value);
        expect(&history, !swapped);
    }
}

Test(checker, joined_in_any_order) {
    struct value ab = value_joined(value_of(1), value_of(2));
    struct value bc = value_joined(value_of(2), value_of(3));
    struct value left = value_joined(ab, value_of(3)), right = value_joined(value_of(1), bc);
    cr_assert(value_is(left, right));
    cr_assert(eq(u32, left.tokens, 3));
    cr_assert(not(value_is(left, value_joined(bc, value_of(1)))));
}

/* Many at once, some of which nobody sees. */
Test(checker, many_under_way) {
    struct history history = {0};
    for (uint64_t i = 0; i < 5; i++) {
        set(&history, 1, 1000, i + 1);
    }
    for (uint64_t i = 0; i < 40; i++) {
        get(&history, 2 + i, 900 + i, i % 3 + 1);
    }
    struct verdict verdict = checker_check(&history);
    cr_assert(eq(int, verdict.is_linearizable, true));
    cr_assert(lt(u32, verdict.ways_max, 1000));
    history_finish(&history);
}

/* Against all orders. */

static bool may_be_next(const struct history *history, uint32_t placed, uint32_t number) {
    const struct operation *operation = &history->operations[number];
    for (uint32_t i = 0; i < history->count; i++) {
        if ((placed >> i & 1) == 0 && i != number &&
            (history->operations[i].answered_ns < operation->sent_ns || i == operation->previous)) {
            return false;
        }
    }
    return (placed >> number & 1) == 0;
}

static bool has_an_order(const struct history *history, uint32_t placed, struct value value) {
    if (placed == (1u << history->count) - 1) {
        return true;
    }
    for (uint32_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (may_be_next(history, placed, i) && operation_may_follow(operation, value) &&
            has_an_order(history, placed | 1u << i, operation_apply(operation, value))) {
            return true;
        }
    }
    return history->vanishes && value.tokens > 0 &&
           has_an_order(history, placed, (struct value){0});
}

static void make_operation(struct history *history, uint64_t *random) {
    uint64_t sent = random_below(random, 30), unique = history->count + 1;
    uint64_t answered = sent + random_below(random, 20), seen = 1 + random_below(random, FEW);
    switch (random_below(random, 8)) {
    case 0:
        set(history, sent, answered, unique);
        return;
    case 1:
        add(history, sent, answered, NEED_PRESENT, 0, ACT_CLEAR, 0);
        return;
    case 2: /* a cas, or an incr */
        add(history, sent, answered, NEED_VALUE, seen, ACT_SET, unique);
        return;
    case 3:
        add(history, sent, answered, random_below(random, 2) ? NEED_ABSENT : NEED_PRESENT, 0,
            ACT_SET, random_below(random, 2) ? unique : seen);
        return;
    case 4:
        add(history, sent, answered, random_below(random, 2) ? NEED_OTHER : NEED_PRESENT, seen,
            ACT_NOTHING, 0);
        return;
    case 5:
        add(history, sent, answered, NEED_PRESENT, 0,
            random_below(random, 2) ? ACT_APPEND : ACT_PREPEND, unique);
        return;
    default:
        get(history, sent, answered, random_below(random, 3) ? seen : 0);
        return;
    }
}

/* Those of a connection are answered in the order in which they were sent. */
static void make_connections(struct history *history) {
    for (uint32_t i = 0; i < history->count; i++) {
        struct operation *operation = &history->operations[i];
        operation->connection = i % CONNECTIONS;
        for (uint32_t j = 0; j < i; j++) {
            struct operation *other = &history->operations[j];
            if (other->connection != operation->connection) {
                continue;
            }
            operation->sent_ns += operation->sent_ns < other->sent_ns ? other->sent_ns : 0;
            if (operation->answered_ns < other->answered_ns + 1) {
                operation->answered_ns = other->answered_ns + 1;
            }
            operation->previous = j;
        }
        if (operation->answered_ns < operation->sent_ns) {
            operation->answered_ns = operation->sent_ns;
        }
    }
}

Test(checker, as_all_orders_say, .timeout = 120) {
    uint32_t found[2] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t random = seed;
        struct history history = {.vanishes = random_below(&random, 3) == 0};
        uint64_t count = 2 + random_below(&random, FEW - 1);
        while (history.count < count) {
            make_operation(&history, &random);
        }
        make_connections(&history);
        bool expected = has_an_order(&history, 0, (struct value){0});
        struct verdict verdict = checker_check(&history);
        cr_assert(eq(int, verdict.is_linearizable, expected), "seed %llu",
                  (unsigned long long)seed);
        found[expected]++;
        history_finish(&history);
    }
    cr_assert(lt(u32, SEEDS / 20, found[0]));
    cr_assert(lt(u32, SEEDS / 20, found[1]));
}
