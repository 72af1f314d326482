/* checker: whether a history is linearizable, that is whether its operations can be put into one
 * order that explains all answers, in which each stands at a moment between its sending and its
 * answer, and those of one connection in the order in which they were sent.
 *
 * The moments of sending and answering are gone through by time, and all ways are kept in which the
 * operations so far may have been ordered: each is a value and a set of those that are sent, not
 * answered, and have been given a place. An operation gets its place at the latest when it is
 * answered, perhaps behind others that are under way ("just-in-time linearization": G. Lowe,
 * Testing for linearizability, 2017, after J. M. Wing and C. Gong, Testing and verifying concurrent
 * objects, 1993). What only reads gets its place as soon as it can have one, since then it can't
 * stand in the way of others. And as a value is written once, no way leaves it while an operation
 * that is to see it has no place yet: so there are few ways, and the time is proportional to the
 * number of operations.
 *
 * One thread; all memory is freed in the end.
 */
#ifndef TESTS_LINEAR_CHECKER_H
#define TESTS_LINEAR_CHECKER_H

#include "operation.h"

/* The most operations of a history that may be under way at a moment. */
#define CHECKER_UNDER_WAY_MAX 64

struct verdict {
    bool is_linearizable;
    uint32_t operation; /* whose answer can't be explained; the first, by time of the answer */
    uint32_t ways_max;  /* the most that were kept at a time */
};

/* Nothing is there in the beginning. All operations are answered. */
struct verdict checker_check(const struct history *history);

#endif
