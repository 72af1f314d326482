/* pages: address space that becomes memory as it is touched. Private to the store. */
#ifndef STORE_PAGES_H
#define STORE_PAGES_H

#include <assert.h>
#include <stddef.h>
#include <sys/mman.h>

/* NULL when there is none. */
static inline void *pages_reserve(size_t bytes) {
    void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return address == MAP_FAILED ? NULL : address;
}

static inline void pages_free(void *address, size_t bytes) {
    int result = munmap(address, bytes);
    assert(result == 0);
    (void)result;
}

/* Older headers don't know it; Linux does since 5.18. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* The pages leave the resident size, locked ones too (-k); they read as zero when touched again. */
static inline void pages_release(void *address, size_t bytes) {
    int result = madvise(address, bytes, MADV_DONTNEED_LOCKED);
    assert(result == 0);
    (void)result;
}

static inline size_t pages_round_up(size_t bytes, size_t page_bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

#endif
