/* assert: the comparisons of criterion's new assertions that our tests use: by a type's short name,
 * less, equal or greater.
 */
#ifndef TESTS_CROSS_CRITERION_NEW_ASSERT_H
#define TESTS_CROSS_CRITERION_NEW_ASSERT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Below, at or above 0, as `one` is below, at or above `other`. */
#define CRITERION_COMPARE(name, type)                                                              \
    static inline int criterion_compare_##name(type one, type other) {                             \
        return (one > other) - (one < other);                                                      \
    }
CRITERION_COMPARE(chr, char)
CRITERION_COMPARE(u8, uint8_t)
CRITERION_COMPARE(u16, uint16_t)
CRITERION_COMPARE(u32, uint32_t)
CRITERION_COMPARE(u64, uint64_t)
CRITERION_COMPARE(i64, int64_t)
CRITERION_COMPARE(int, int)
CRITERION_COMPARE(long, long)
CRITERION_COMPARE(sz, size_t)
CRITERION_COMPARE(dbl, double)
CRITERION_COMPARE(ptr, const void *)
static inline int criterion_compare_str(const char *one, const char *other) {
    return strcmp(one, other);
}

#define eq(type, one, other) (criterion_compare_##type(one, other) == 0)
#define ne(type, one, other) (criterion_compare_##type(one, other) != 0)
#define lt(type, one, other) (criterion_compare_##type(one, other) < 0)
#define le(type, one, other) (criterion_compare_##type(one, other) <= 0)
#define ge(type, one, other) (criterion_compare_##type(one, other) >= 0)
#define zero(type, one) (criterion_compare_##type(one, 0) == 0)
#define not(condition) (!(condition))

#endif
