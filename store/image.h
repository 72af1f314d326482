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

/* Moving items to stores of another configuration. The old image is opened with its own, as an
 * ordinary store, to which nothing is added any more. To move an item:
 *
 *   store_export_next() or _key()  ─▶  store_import() to the new store  ─▶  store_delete() here
 *
 * In this order, so that a killed process leaves the item in at least one of both. If it is in both
 * the import says STORE_NOT_STORED, and the old one is deleted. An operation on a key that may
 * still be in the old store moves it first, or deletes it there: then nothing that was acknowledged
 * is ever overtaken by an old copy, however often the mover is killed. Segments from which all
 * items are gone are given back to the file system. */

/* An item on its way. Pointers and the handle item.large are valid until the old store changes; a
 * lease keeps a large value. */
struct store_export {
    const char *key;
    uint32_t key_length;
    struct store_item item; /* with its state, and access time */
    bool main;              /* it was read before: it belongs to the main queue */
    bool hit;               /* it was read since it came to its place in the queue */
};

/* The next item to move, the least wanted first, in the order in which items are evicted: then a
 * smaller new store drops those. false: none is left behind the last one; the next call begins from
 * the start, and shows only what was not deleted. */
bool store_export_next(struct store *store, uint32_t now, struct store_export *item);
/* The item of a key: STORE_OK or STORE_NOT_FOUND. Does not count as a read. */
enum store_status store_export_key(struct store *store, const struct store_key *key, uint32_t now,
                                   struct store_export *item);

/* Has the new store flush by the prefixes whose time is to come in the old one. */
void store_export_prefixes(const struct store *store, struct store *to, uint32_t now);

/* Stores an item with value, flags, expiry, CAS, access time and state as they were, unless the key
 * is there (STORE_NOT_STORED). Evicts as a write does. For a value that is in one piece, of any
 * length; item->item.value is not within this store. STORE_OK, STORE_NOT_STORED, STORE_TOO_LARGE,
 * STORE_NO_MEMORY. */
enum store_status store_import(struct store *store, const struct store_key *key,
                               const struct store_export *item, uint32_t now);
/* The same for a value that has come by an upload (STORE_UPLOAD_STORES) of its whole length. The
 * upload is gone afterwards, whatever the status. */
enum store_status store_import_end(struct store *store, uint64_t upload,
                                   const struct store_key *key, const struct store_export *item,
                                   uint32_t now);

#endif
