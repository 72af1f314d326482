/* image: a store whose items lie in a file, where the next process finds them.
 *
 * An image is a range of a file: a header, the headers of the segments, and the log, mapped as one.
 * Index, ghosts and bookkeeping are no part of it: opening an image reads the headers of all items
 * and builds the index anew. Whatever ended the process, and wherever it was, each item that was
 * acknowledged and not being changed at that moment is found, exactly as it was; one that was being
 * changed is found as before, as after, or not at all. README.md says why ("Images").
 *
 * That holds for as long as the file's pages do: on a tmpfs until the machine goes down; on a disk
 * over a crash of the process, but over a crash of the machine only if it came after
 * store_image_close() and the file was synchronized.
 *
 * Times are the ticks of store.h. The caller sees to it that they go on where they were: what is
 * kept are the expiry times as they were handed in.
 *
 * The functions that take a store belong to its thread. Different images of one file may be used by
 * different threads at the same time.
 */
#ifndef STORE_IMAGE_H
#define STORE_IMAGE_H

#include "store/store.h"

/* Offset and length of an image are multiples of this, so that huge pages can be used. */
#define STORE_IMAGE_ALIGN ((uint64_t)2 << 20)

/* A range of a file. The descriptor is the caller's, open for reading and writing, and stays open
 * as long as the store; the file is at least offset + bytes long (ftruncate is enough: what is
 * used is reserved as it is needed, and given back by punching holes). */
struct store_image {
    int fd;
    uint64_t offset;
    uint64_t bytes;
};

/* The length of an image for this configuration, up to memory_bytes_max and with all that belongs
 * to it; most of it is a hole until it is used. 0 when config is out of its bounds. */
uint64_t store_image_bytes(const struct store_config *config);

/* What a range of a file holds, as its header says. */
enum store_image_kind {
    STORE_IMAGE_GOOD,
    STORE_IMAGE_FOREIGN, /* no image, or an unfinished one: nothing was ever stored there */
    STORE_IMAGE_OTHER,   /* of another version of the format, or another page size */
    STORE_IMAGE_DAMAGED, /* the header does not agree with its checksum, or the file is too short */
};

struct store_image_info {
    /* With which the image was created: what store_image_open() wants. hash is NULL. */
    struct store_config config;
    bool clean;        /* it was ended by store_image_close() */
    uint64_t items;    /* about as many as it holds: exactly with `clean` */
    uint64_t cas_max;  /* no CAS greater than this was ever given out by its counter */
    uint32_t flush_at; /* when a flush is due, or 0 */
};

/* Reads the header, and changes nothing. *info is set with STORE_IMAGE_GOOD only. */
enum store_image_kind store_image_read(const struct store_image *image,
                                       struct store_image_info *info);

/* Creates an empty store in the range; what was there is discarded. As store_create(), and besides
 * returns -ENOSPC or another error of the file; -EINVAL when the range is too short or not aligned.
 * The store ends by store_image_close() or store_destroy(). */
int store_image_create(struct store **store, const struct store_config *config,
                       const struct store_image *image);

/* What opening an image has found. */
struct store_recovery {
    uint64_t items;      /* kept */
    uint64_t item_bytes; /* of these, with their headers and extents */
    uint64_t flushed;    /* items dropped: of before a flush */
    uint64_t copies;     /* second copies dropped: the process was killed between two writes */
    uint64_t torn;       /* large items dropped: likewise, while they were removed */
    uint64_t extents;    /* extents of no item dropped: of uploads, among others */
    /* When it returns -EBADMSG: what is wrong, and in which segment. */
    const char *damage;
    uint32_t segment;
};

/* Opens an image with the configuration it was created with: store_image_read() has it, but for
 * `hash` (which must be the same function) and no_cas (which may be another). Reads all items'
 * headers: about 0.1 s for a million on one core. May be killed at any time and begun again.
 * Another bound on memory is set by store_resize() afterwards.
 *
 * Returns 0, -ENOMEM, -EINVAL when configuration, hash function or range are not those of the
 * image, -EBADMSG when it is damaged, or an error of the file. *recovery is always set. After a
 * failure the items that the image holds are still there. */
int store_image_open(struct store **store, const struct store_config *config,
                     const struct store_image *image, struct store_recovery *recovery);

/* Marks the image as complete and ends the store, which must have no uploads or leases that
 * another thread still uses. store_destroy() ends a store as if the process were killed, and
 * accepts one with an image, too. */
void store_image_close(struct store *store);

/* From now on the store gives out no CAS of `cas` or less, as far as 48 bits allow. */
void store_raise_cas(struct store *store, uint64_t cas);

#endif
