/* memory_file_header: the first bytes of a memory file, and what goes on from one server to the
 * next. Known to memory_file alone. */
#ifndef CORE_SERVER_MEMORY_FILE_HEADER_H
#define CORE_SERVER_MEMORY_FILE_HEADER_H

#include <stdbool.h>
#include <stdint.h>

struct clock;

#define MEMORY_FILE_MAGIC 0x79726f6d656d4353u /* "SCmemory" */
#define MEMORY_FILE_VERSION 1u

/* A slot takes a page; a new header is written to the older of two, so that one is always whole. */
#define MEMORY_FILE_SLOT_BYTES 4096u
#define MEMORY_FILE_SLOTS 2u

#define MEMORY_FILE_BOOT_ID_BYTES 36

/* What all images have in common: another server can use them as they are if these agree. */
struct memory_file_layout {
    uint64_t image_bytes;
    uint64_t memory_bytes; /* -m when it was made */
    uint64_t memory_bytes_max;
    uint64_t item_bytes_max;
    uint64_t seed;
    uint32_t cores;
    uint32_t no_eviction;
};

/* The time: ticks go on from one server to the next. Within one boot of the machine they follow the
 * boot time; from one boot to another the Unix time, as far as it does not run backwards. */
struct memory_file_time {
    char boot_id[MEMORY_FILE_BOOT_ID_BYTES + 4]; /* empty: it can't be read here */
    uint64_t begin_boot_ns; /* boot time at which tick CLOCK_FIRST_TICK began */
    /* When the last server ended; 0 while one runs, or when it was killed. */
    uint64_t end_boot_ns;
    int64_t end_unix_ns;
};

struct memory_file_header {
    uint64_t magic;
    uint32_t version;
    uint32_t number; /* grows with each one written */
    struct memory_file_layout layout;
    struct memory_file_time time;
    uint64_t sum; /* of all before */
};

enum memory_file_kind {
    MEMORY_FILE_GOOD,
    MEMORY_FILE_EMPTY,   /* not a byte */
    MEMORY_FILE_FOREIGN, /* no memory file */
    MEMORY_FILE_OTHER,   /* of another version of the format */
    MEMORY_FILE_DAMAGED,
};

/* Reads the newer of the slots that are whole. *header is set with MEMORY_FILE_GOOD only. */
enum memory_file_kind memory_file_header_read(int fd, struct memory_file_header *header);

/* Writes it to the slot that it was not read from, with the next number. Returns 0 or -errno. */
int memory_file_header_write(int fd, struct memory_file_header *header);

/* The time of a new file. */
void memory_file_time_begin(struct memory_file_time *time, const struct clock *clock);

/* Goes on with the time of an earlier server. False: the machine was started again since, and that
 * server had not ended, so that what the file holds is not known to be whole. */
bool memory_file_time_go_on(struct memory_file_time *time, const struct clock *clock);

/* Notes that the server has ended. */
void memory_file_time_end(struct memory_file_time *time, const struct clock *clock);

#endif
