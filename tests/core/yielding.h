/* yielding: in front of core/mesh's sources, so that their atomic accesses are also places where a
 * thread may lose its processor. */
#ifndef TESTS_CORE_YIELDING_H
#define TESTS_CORE_YIELDING_H

#include <stdatomic.h>

/* Gives the processor away, now and then; any thread. */
void yielding(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong_explicit

#if defined(__clang__)
#define YIELDING(operation) __c11_atomic_##operation
#define YIELDING_N(operation) __c11_atomic_##operation
#define YIELDING_CAS(object, expected, value, success, failure)                                    \
    __c11_atomic_compare_exchange_strong(object, expected, value, success, failure)
#else
#define YIELDING(operation) __atomic_##operation
#define YIELDING_N(operation) __atomic_##operation##_n
#define YIELDING_CAS(object, expected, value, success, failure)                                    \
    __atomic_compare_exchange_n(object, expected, value, 0, success, failure)
#endif

#define atomic_load_explicit(object, order) (yielding(), YIELDING_N(load)(object, order))
#define atomic_store_explicit(object, value, order)                                                \
    (yielding(), YIELDING_N(store)(object, value, order))
#define atomic_exchange_explicit(object, value, order)                                             \
    (yielding(), YIELDING_N(exchange)(object, value, order))
#define atomic_fetch_or_explicit(object, value, order)                                             \
    (yielding(), YIELDING(fetch_or)(object, value, order))
#define atomic_fetch_and_explicit(object, value, order)                                            \
    (yielding(), YIELDING(fetch_and)(object, value, order))
#define atomic_compare_exchange_strong_explicit(object, expected, value, success, failure)         \
    (yielding(), YIELDING_CAS(object, expected, value, success, failure))

#endif
