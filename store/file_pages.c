#include "store/file_pages.h"

#include "store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Since Linux 5.14; older headers lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

void *file_pages_map(int fd, uint64_t offset, size_t bytes) {
    void *reserved = pages_reserve(bytes);
    if (!reserved) {
        return NULL;
    }
    void *address =
        mmap(reserved, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
    if (address == MAP_FAILED) {
        pages_free(reserved, bytes);
        return NULL;
    }
    pages_make_small(address, bytes);
    return address;
}

static int file_fallocate(int fd, int mode, uint64_t offset, size_t bytes) {
    int result;
    do {
        result = fallocate(fd, mode, (off_t)offset, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

/* Writes what is there again, byte for byte: for file systems that can't reserve. */
static int file_pages_rewrite(int fd, uint64_t offset, size_t bytes) {
    char part[4096];
    for (size_t done = 0; done < bytes; done += sizeof(part)) {
        ssize_t length = pread(fd, part, sizeof(part), (off_t)(offset + done));
        if (length != (ssize_t)sizeof(part)) {
            return length < 0 ? -errno : -EIO;
        }
        length = pwrite(fd, part, sizeof(part), (off_t)(offset + done));
        if (length != (ssize_t)sizeof(part)) {
            return length < 0 ? -errno : -ENOSPC;
        }
    }
    return 0;
}

int file_pages_reserve(int fd, uint64_t offset, size_t bytes) {
    int error = file_fallocate(fd, 0, offset, bytes);
    return error == -EOPNOTSUPP ? file_pages_rewrite(fd, offset, bytes) : error;
}

/* Since Linux 6.1: puts a huge page there, also on a tmpfs that gives none by itself, as /dev/shm
 * mostly is mounted. It wants one page to be there. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* What populating could not do, reserving tells. */
int file_pages_populate(int fd, uint64_t offset, void *address, size_t bytes, bool huge) {
    if (huge && madvise(address, PAGES_SMALL_BYTES, MADV_POPULATE_WRITE) == 0) {
        (void)madvise(address, bytes, MADV_COLLAPSE);
    }
    (void)madvise(address, bytes, MADV_POPULATE_WRITE);
    int error = file_pages_reserve(fd, offset, bytes);
    if (error != 0) {
        (void)file_pages_punch(fd, offset, bytes);
    }
    return error;
}

int file_pages_punch(int fd, uint64_t offset, size_t bytes) {
    return file_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
}
