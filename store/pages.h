/* pages: address space that becomes memory as it is touched. Private to the store. Addresses and
 * lengths are multiples of a page.
 *
 * It comes in small pages whatever the system's default for transparent huge pages is, so that no
 * more of it becomes memory than is touched; huge pages are for ranges given to pages_make_huge().
 */
#ifndef STORE_PAGES_H
#define STORE_PAGES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES_HUGE_BYTES ((size_t)2 << 20)
#define PAGES_SMALL_BYTES ((size_t)4 << 10) /* where huge pages are used */

/* The unit in which memory comes where huge pages are wanted. On systems whose small pages are not
 * 4 KiB, huge pages have another size than 2 MiB, and are not used. */
static inline size_t pages_huge_bytes(size_t page_bytes) {
    return page_bytes == 4096 ? PAGES_HUGE_BYTES : page_bytes;
}

static inline void pages_free(void *address, size_t bytes) {
    int result = munmap(address, bytes);
    assert(result == 0);
    (void)result;
}

/* Hints, whose result does not matter: a kernel without huge pages refuses both. */
static inline void pages_make_huge(void *address, size_t bytes) {
    (void)madvise(address, bytes, MADV_HUGEPAGE);
}

static inline void pages_make_small(void *address, size_t bytes) {
    (void)madvise(address, bytes, MADV_NOHUGEPAGE);
}

/* Reserves addresses, aligned so that a huge page can begin there. Returns NULL when the system
 * refuses; else the caller frees them with pages_free(). */
static inline void *pages_reserve(size_t bytes) {
    char *address = mmap(NULL, bytes + PAGES_HUGE_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) {
        return NULL;
    }
    size_t before = PAGES_HUGE_BYTES - (uintptr_t)address % PAGES_HUGE_BYTES;
    pages_free(address, before);
    if (before < PAGES_HUGE_BYTES) {
        pages_free(address + before + bytes, PAGES_HUGE_BYTES - before);
    }
    pages_make_small(address + before, bytes);
    return address + before;
}

/* Since Linux 5.18; older headers lack it. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* Gives pages back to the system, locked ones too (option -k); they read as zero when touched
 * again. Where an older kernel keeps locked ones they are only cleared. The plain advice comes
 * first: an emulator takes any other without a word, and does nothing. */
static inline void pages_release(void *address, size_t bytes) {
    if (madvise(address, bytes, MADV_DONTNEED) != 0 &&
        madvise(address, bytes, MADV_DONTNEED_LOCKED) != 0) {
        memset(address, 0, bytes);
    }
}

static inline size_t pages_round_up(size_t bytes, size_t page_bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

#endif
