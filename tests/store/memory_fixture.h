/* What the tests of the memory bound share. */
#ifndef TESTS_STORE_MEMORY_FIXTURE_H
#define TESTS_STORE_MEMORY_FIXTURE_H

#include "store/pages.h"
#include "store_fixture.h"

#include <unistd.h>

/* The address sanitizer keeps one byte for each eight that were touched; the largest store that
 * these tests fill has 128 MiB. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZER_BYTES (16 * MIB)
#else
#define SANITIZER_BYTES 0
#endif

/* Resident pages of this process, in bytes. */
static inline size_t resident_bytes(void) {
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert(file && fscanf(file, "%lu %lu", &total, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static inline void fill_from(struct store *store, uint32_t first, uint32_t count, uint32_t length) {
    char name[32];
    for (uint32_t i = first; i < first + count; i++) {
        snprintf(name, sizeof(name), "key-%u", i);
        cr_assert(eq(int, fixture_set_bytes(store, name, length, 0, 1), STORE_OK));
        store_check_memory(store);
    }
}

static inline void fill(struct store *store, uint32_t count, uint32_t length) {
    fill_from(store, 0, count, length);
}

#endif
