/* file_pages: pages of a file that is mapped as memory. Private to the store. Offsets, addresses
 * and lengths are multiples of a page.
 *
 * A page of a hole is taken from the file system when it is touched, and if that has none left the
 * touch is a SIGBUS. So pages are reserved before they are used.
 */
#ifndef STORE_FILE_PAGES_H
#define STORE_FILE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Maps a range of the file, shared, for reading and writing, where a huge page can begin. Returns
 * NULL when the system refuses; the caller frees it with pages_free(). */
void *file_pages_map(int fd, uint64_t offset, size_t bytes);

/* Reserves the pages of a range, all or none that were not there. Returns 0, -ENOSPC or another
 * error of the file. */
int file_pages_reserve(int fd, uint64_t offset, size_t bytes);

/* The same for a range that is mapped at this address, which needs no page fault afterwards. After
 * a failure none of it is there. With `huge` it comes in huge pages, if the system can: it begins
 * with one, and pages_make_huge() was called for it. */
int file_pages_populate(int fd, uint64_t offset, void *address, size_t bytes, bool huge);

/* Gives the pages of a range back; they read as zero, and are to be reserved again before they are
 * touched. Returns 0 or an error of the file. */
int file_pages_punch(int fd, uint64_t offset, size_t bytes);

#endif
