#include "core/server/memory_file_header.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The slots. */

static uint64_t header_sum(const struct memory_file_header *header) {
    return XXH3_64bits(header, offsetof(struct memory_file_header, sum));
}

static enum memory_file_kind header_read_slot(int fd, uint32_t slot,
                                              struct memory_file_header *header) {
    memset(header, 0, sizeof(*header));
    ssize_t length =
        pread(fd, header, sizeof(*header), (off_t)slot * (off_t)MEMORY_FILE_SLOT_BYTES);
    if (length == 0 && slot == 0) {
        return MEMORY_FILE_EMPTY;
    }
    if (length < (ssize_t)sizeof(header->magic) || header->magic != MEMORY_FILE_MAGIC) {
        return MEMORY_FILE_FOREIGN;
    }
    if (length != (ssize_t)sizeof(*header)) {
        return MEMORY_FILE_DAMAGED;
    }
    if (header->version != MEMORY_FILE_VERSION) {
        return MEMORY_FILE_OTHER;
    }
    bool whole = header->sum == header_sum(header) && header->layout.cores > 0;
    return whole ? MEMORY_FILE_GOOD : MEMORY_FILE_DAMAGED;
}

enum memory_file_kind memory_file_header_read(int fd, struct memory_file_header *header) {
    struct memory_file_header slots[MEMORY_FILE_SLOTS];
    enum memory_file_kind first = header_read_slot(fd, 0, &slots[0]);
    enum memory_file_kind second = header_read_slot(fd, 1, &slots[1]);
    bool second_counts =
        second == MEMORY_FILE_GOOD &&
        (first != MEMORY_FILE_GOOD || (int32_t)(slots[1].number - slots[0].number) > 0);
    if (second_counts) {
        *header = slots[1];
        return MEMORY_FILE_GOOD;
    }
    if (first == MEMORY_FILE_GOOD) {
        *header = slots[0];
    }
    /* A file that was begun has one slot alone. */
    return first == MEMORY_FILE_FOREIGN && second != MEMORY_FILE_FOREIGN ? second : first;
}

int memory_file_header_write(int fd, struct memory_file_header *header) {
    header->magic = MEMORY_FILE_MAGIC;
    header->version = MEMORY_FILE_VERSION;
    header->number++;
    header->sum = header_sum(header);
    off_t offset = (off_t)(header->number % MEMORY_FILE_SLOTS) * (off_t)MEMORY_FILE_SLOT_BYTES;
    ssize_t length = pwrite(fd, header, sizeof(*header), offset);
    if (length < 0) {
        return -errno;
    }
    return length == (ssize_t)sizeof(*header) ? 0 : -ENOSPC;
}

/* The time. */

/* Which boot of the machine this is; empty where a sandbox hides it. */
static void time_read_boot_id(char *id) {
    memset(id, 0, MEMORY_FILE_BOOT_ID_BYTES + 4);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (read(fd, id, MEMORY_FILE_BOOT_ID_BYTES) != MEMORY_FILE_BOOT_ID_BYTES) {
        memset(id, 0, MEMORY_FILE_BOOT_ID_BYTES);
    }
    close(fd);
}

void memory_file_time_begin(struct memory_file_time *time, const struct clock *clock) {
    memset(time, 0, sizeof(*time));
    time_read_boot_id(time->boot_id);
    time->begin_boot_ns = clock_boot_ns(clock);
}

/* Moves the begin of the ticks so that the time since the end of the last server is in them. */
static void time_cross_boots(struct memory_file_time *time, const struct clock *clock) {
    uint64_t ran_ns = time->end_boot_ns - time->begin_boot_ns;
    int64_t down_ns = clock->unix_ns(clock) - time->end_unix_ns;
    uint64_t passed_ns = ran_ns + (down_ns > 0 ? (uint64_t)down_ns : 0);
    time->begin_boot_ns = clock_boot_ns(clock) - passed_ns;
}

bool memory_file_time_go_on(struct memory_file_time *time, const struct clock *clock) {
    char boot_id[sizeof(time->boot_id)];
    time_read_boot_id(boot_id);
    bool same_boot = *boot_id && memcmp(boot_id, time->boot_id, sizeof(boot_id)) == 0;
    if (!same_boot && time->end_boot_ns == 0) {
        return false;
    }
    if (!same_boot) {
        time_cross_boots(time, clock);
    }
    memcpy(time->boot_id, boot_id, sizeof(boot_id));
    time->end_boot_ns = 0;
    time->end_unix_ns = 0;
    return true;
}

void memory_file_time_end(struct memory_file_time *time, const struct clock *clock) {
    time->end_boot_ns = clock_boot_ns(clock);
    time->end_unix_ns = clock->unix_ns(clock);
}
