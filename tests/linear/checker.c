#include "checker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bench/random.h"

#define SLOT_NONE UINT8_MAX

/* One way in which the operations so far may have been ordered. */
struct way {
    struct value value;
    uint64_t placed; /* a bit for the slot of each that is under way and has its place */
};

/* Different ways, and a table of their numbers + 1 by hash, of which rows with another stamp are
 * empty. */
struct ways {
    struct way *rows;
    uint32_t count, capacity;
    struct {
        uint32_t stamp, row;
    } * table;
    uint32_t stamp;
};

struct event {
    uint64_t at_ns;
    uint32_t operation;
    bool is_answer;
};

/* A value that is seen by operations; 0 tokens: an empty row. */
struct seen {
    struct value value;
    uint32_t last_sent; /* the last event by which one is sent that sees it */
    uint32_t
        writers; /* sets of it; only with one, or where it is made by an append, is it unique */
};

struct checker {
    const struct history *history;
    struct event *events;
    uint32_t event; /* the present one */
    struct seen *seen;
    uint32_t seen_mask;
    /* Those under way, by slot; and the slots in the order in which they were sent. */
    uint32_t operations[CHECKER_UNDER_WAY_MAX];
    uint8_t previous[CHECKER_UNDER_WAY_MAX];
    uint8_t order[CHECKER_UNDER_WAY_MAX];
    uint32_t under_way;
    uint64_t slots;
    struct ways now, next, visited;
};

/* Sets of ways. */

static void ways_init(struct ways *ways) {
    *ways = (struct ways){.capacity = 64, .stamp = 1};
    ways->rows = malloc(ways->capacity * sizeof(*ways->rows));
    ways->table = calloc(2 * (size_t)ways->capacity, sizeof(*ways->table));
    assert(ways->rows);
    assert(ways->table);
}

static void ways_finish(struct ways *ways) {
    free(ways->rows);
    free(ways->table);
}

static void ways_clear(struct ways *ways) {
    ways->count = 0;
    ways->stamp++;
}

/* The place of a way in the table, or the empty one where it belongs. */
static uint32_t ways_place(const struct ways *ways, const struct way *way) {
    uint32_t mask = 2 * ways->capacity - 1;
    uint64_t hash = random_mixed(way->value.hash ^ random_mixed(way->placed));
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        if (ways->table[at].stamp != ways->stamp) {
            return at;
        }
        const struct way *row = &ways->rows[ways->table[at].row];
        if (row->placed == way->placed && value_is(row->value, way->value)) {
            return at;
        }
    }
}

static void ways_grow(struct ways *ways) {
    ways->capacity *= 2;
    ways->rows = realloc(ways->rows, ways->capacity * sizeof(*ways->rows));
    free(ways->table);
    ways->table = calloc(2 * (size_t)ways->capacity, sizeof(*ways->table));
    assert(ways->rows);
    assert(ways->table);
    for (uint32_t row = 0; row < ways->count; row++) {
        uint32_t at = ways_place(ways, &ways->rows[row]);
        ways->table[at].stamp = ways->stamp;
        ways->table[at].row = row;
    }
}

/* Adds a way, unless it is there. */
static void ways_add(struct ways *ways, struct way way) {
    uint32_t at = ways_place(ways, &way);
    if (ways->table[at].stamp == ways->stamp) {
        return;
    }
    ways->table[at].stamp = ways->stamp;
    ways->table[at].row = ways->count;
    ways->rows[ways->count++] = way;
    if (ways->count == ways->capacity) {
        ways_grow(ways);
    }
}

/* Values that are seen. */

static struct seen *checker_seen(const struct checker *checker, struct value value) {
    uint32_t at = (uint32_t)random_mixed(value.hash) & checker->seen_mask;
    while (checker->seen[at].value.tokens > 0 && !value_is(checker->seen[at].value, value)) {
        at = (at + 1) & checker->seen_mask;
    }
    return &checker->seen[at];
}

static void checker_note_seen(struct checker *checker, uint32_t event) {
    const struct operation *operation =
        &checker->history->operations[checker->events[event].operation];
    if (operation->need == NEED_VALUE) {
        struct seen *seen = checker_seen(checker, operation->before);
        seen->value = operation->before;
        seen->last_sent = event;
    }
    if (operation->act == ACT_SET) {
        struct seen *seen = checker_seen(checker, operation->after);
        seen->value = operation->after;
        seen->writers++;
    }
}

/* Whether nothing can have seen a value that has not got its place yet; but for `by`, a slot. */
static bool checker_may_leave(const struct checker *checker, const struct way *way, uint8_t by) {
    if (way->value.tokens == 0) {
        return true;
    }
    const struct seen *seen = checker_seen(checker, way->value);
    if (seen->value.tokens == 0 || seen->writers > 1) {
        return true;
    }
    if (seen->last_sent > checker->event) {
        return false;
    }
    for (uint32_t i = 0; i < checker->under_way; i++) {
        uint8_t slot = checker->order[i];
        const struct operation *other = &checker->history->operations[checker->operations[slot]];
        if (slot != by && (way->placed >> slot & 1) == 0 && other->need == NEED_VALUE &&
            value_is(other->before, way->value)) {
            return false;
        }
    }
    return true;
}

/* Steps of a way. */

/* Whether the operation in a slot may get its place next. */
static bool checker_may_place(const struct checker *checker, const struct way *way, uint8_t slot) {
    uint8_t previous = checker->previous[slot];
    return (way->placed >> slot & 1) == 0 &&
           (previous == SLOT_NONE || (way->placed >> previous & 1) != 0) &&
           operation_may_follow(&checker->history->operations[checker->operations[slot]],
                                way->value);
}

/* Gives a place to those that only read, as far as they can have one now. */
static void checker_settle(const struct checker *checker, struct way *way) {
    for (uint32_t i = 0; i < checker->under_way; i++) {
        uint8_t slot = checker->order[i];
        if (checker->history->operations[checker->operations[slot]].act == ACT_NOTHING &&
            checker_may_place(checker, way, slot)) {
            way->placed |= (uint64_t)1 << slot;
        }
    }
}

/* A way that is to be looked at further, or has a place for the operation in `wanted`. */
static void checker_reach(struct checker *checker, struct way way, uint8_t wanted) {
    checker_settle(checker, &way);
    bool has_place = (way.placed >> wanted & 1) != 0;
    ways_add(has_place ? &checker->next : &checker->visited, way);
}

static void checker_step(struct checker *checker, struct way way, uint8_t wanted) {
    for (uint32_t i = 0; i < checker->under_way; i++) {
        uint8_t slot = checker->order[i];
        const struct operation *operation =
            &checker->history->operations[checker->operations[slot]];
        if (operation->act != ACT_NOTHING && checker_may_place(checker, &way, slot)) {
            struct way then = {.value = operation_apply(operation, way.value),
                               .placed = way.placed | (uint64_t)1 << slot};
            if (value_is(then.value, way.value) || checker_may_leave(checker, &way, slot)) {
                checker_reach(checker, then, wanted);
            }
        }
    }
    if (checker->history->vanishes && way.value.tokens > 0 &&
        checker_may_leave(checker, &way, SLOT_NONE)) {
        checker_reach(checker, (struct way){.placed = way.placed}, wanted);
    }
}

/* Events. */

static void checker_sent(struct checker *checker, uint32_t number) {
    assert(checker->under_way < CHECKER_UNDER_WAY_MAX);
    uint8_t slot = (uint8_t)__builtin_ctzll(~checker->slots);
    uint32_t previous = checker->history->operations[number].previous;
    checker->previous[slot] = SLOT_NONE;
    for (uint32_t i = 0; i < checker->under_way && previous != OPERATION_NONE; i++) {
        if (checker->operations[checker->order[i]] == previous) {
            checker->previous[slot] = checker->order[i];
        }
    }
    checker->slots |= (uint64_t)1 << slot;
    checker->operations[slot] = number;
    checker->order[checker->under_way++] = slot;
    for (uint32_t i = 0; i < checker->now.count; i++) {
        checker_settle(checker, &checker->now.rows[i]);
    }
}

static void checker_forget(struct checker *checker, uint8_t slot) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < checker->under_way; i++) {
        uint8_t other = checker->order[i];
        if (checker->previous[other] == slot) {
            checker->previous[other] = SLOT_NONE;
        }
        if (other != slot) {
            checker->order[kept++] = other;
        }
    }
    checker->under_way = kept;
    checker->slots &= ~((uint64_t)1 << slot);
    for (uint32_t i = 0; i < checker->now.count; i++) {
        checker->now.rows[i].placed &= ~((uint64_t)1 << slot);
    }
}

/* From now on only ways count in which it has its place. False: there is none. */
static bool checker_answered(struct checker *checker, uint32_t number) {
    uint8_t slot = 0;
    while ((checker->slots >> slot & 1) == 0 || checker->operations[slot] != number) {
        slot++;
    }
    ways_clear(&checker->next);
    ways_clear(&checker->visited);
    for (uint32_t i = 0; i < checker->now.count; i++) {
        struct way way = checker->now.rows[i];
        ways_add((way.placed >> slot & 1) != 0 ? &checker->next : &checker->visited, way);
    }
    for (uint32_t i = 0; i < checker->visited.count; i++) {
        checker_step(checker, checker->visited.rows[i], slot);
    }
    struct ways swapped = checker->now;
    checker->now = checker->next;
    checker->next = swapped;
    checker_forget(checker, slot);
    return checker->now.count > 0;
}

/* By time; what was sent at the moment of an answer may have been sent before it. */
static int event_compare(const void *first, const void *second) {
    const struct event *a = first, *b = second;
    if (a->at_ns != b->at_ns) {
        return a->at_ns < b->at_ns ? -1 : 1;
    }
    if (a->is_answer != b->is_answer) {
        return a->is_answer ? 1 : -1;
    }
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static void checker_init(struct checker *checker, const struct history *history) {
    *checker = (struct checker){.history = history};
    uint32_t count = history->count;
    checker->events = malloc((2 * (size_t)count + 1) * sizeof(*checker->events));
    checker->seen_mask = 63;
    while (checker->seen_mask < 4 * (uint64_t)count) {
        checker->seen_mask = 2 * checker->seen_mask + 1;
    }
    checker->seen = calloc((size_t)checker->seen_mask + 1, sizeof(*checker->seen));
    assert(checker->events);
    assert(checker->seen);
    for (uint32_t i = 0; i < count; i++) {
        const struct operation *operation = &history->operations[i];
        assert(operation->answered_ns >= operation->sent_ns);
        checker->events[2 * i] = (struct event){.at_ns = operation->sent_ns, .operation = i};
        checker->events[2 * i + 1] =
            (struct event){.at_ns = operation->answered_ns, .operation = i, .is_answer = true};
    }
    qsort(checker->events, 2 * (size_t)count, sizeof(*checker->events), event_compare);
    for (uint32_t event = 0; event < 2 * count; event++) {
        if (!checker->events[event].is_answer) {
            checker_note_seen(checker, event);
        }
    }
    ways_init(&checker->now);
    ways_init(&checker->next);
    ways_init(&checker->visited);
    ways_add(&checker->now, (struct way){0});
}

static void checker_finish(struct checker *checker) {
    free(checker->events);
    free(checker->seen);
    ways_finish(&checker->now);
    ways_finish(&checker->next);
    ways_finish(&checker->visited);
}

struct verdict checker_check(const struct history *history) {
    struct checker checker;
    struct verdict verdict = {.is_linearizable = true, .operation = OPERATION_NONE};
    checker_init(&checker, history);
    for (; checker.event < 2 * history->count && verdict.is_linearizable; checker.event++) {
        const struct event *event = &checker.events[checker.event];
        if (!event->is_answer) {
            checker_sent(&checker, event->operation);
            continue;
        }
        if (!checker_answered(&checker, event->operation)) {
            verdict.is_linearizable = false;
            verdict.operation = event->operation;
        }
        if (checker.now.count > verdict.ways_max) {
            verdict.ways_max = checker.now.count;
        }
    }
    checker_finish(&checker);
    return verdict;
}
