/* image_header: the first page of an image. Private to the store; image.h has the rest.
 *
 *   offset 0          page      2 MiB or a multiple
 *   | image_header | segment headers | log: segment 0 (prefixes, and a hole) | 1 | 2 | ...
 *
 * Whatever changes here while the store runs is changed by single stores, each of which leaves an
 * image that can be opened.
 */
#ifndef STORE_IMAGE_HEADER_H
#define STORE_IMAGE_HEADER_H

#include "store/order.h"

#include <stdint.h>

#define IMAGE_MAGIC 0x316567616d694353u /* "SCimage1" */
/* Grows with every change of this struct, of struct segment or of how items lie in the log. An
 * image has the higher one only while rules are in it (store_flush_prefix()): without any a program
 * that knows of none may open it, which has left `prefixes` as zeros, too. */
#define IMAGE_VERSION 1u
#define IMAGE_VERSION_PREFIXES 2u

/* CAS values that the header is ahead of the counter, at most. */
#define IMAGE_CAS_STEP ((uint64_t)1 << 16)

/* How the image was made; never changes. */
struct image_layout {
    uint64_t page_bytes;
    uint64_t image_bytes;
    uint64_t log_offset; /* in the image */
    uint64_t memory_bytes;
    uint64_t memory_bytes_max;
    uint64_t item_bytes_max;
    uint64_t seed;
    uint64_t hash_probe; /* the hash of IMAGE_PROBE: tells other hash functions apart */
    uint32_t segment_bytes;
    uint32_t block_segments;
    uint32_t segments_max;
    uint32_t no_eviction;
    uint32_t shard;
    uint32_t shards;
};

#define IMAGE_PROBE "simplecache image"

/* What changes, apart from segments and items. */
struct image_state {
    uint64_t flush_sequence;
    uint64_t cas_max;     /* no value of the CAS counter above this was used */
    uint64_t items;       /* about the number of items */
    uint64_t bound_bytes; /* store_resize() */
    /* The record that is being changed in a way that its length can't be read from it meanwhile:
     * its location, 0: none, and the bytes that it takes, or took. */
    uint64_t rewrite;
    uint64_t rewrite_bytes;
    uint32_t flush_at;
    uint32_t flushed_at;
    uint32_t touched; /* segments up to this number may be in use */
    uint32_t no_cas;
};

/* A rule of store_flush_prefix(). It is there while length is not 0, which is written last. */
struct image_prefix {
    uint64_t sequence; /* as the flush watermark; 0: it is to come */
    uint32_t at;       /* then: when it is due */
    uint32_t length;   /* of its prefix, which lies at image_prefix_text() */
};

#define IMAGE_PREFIX_SLOTS 65u
#define IMAGE_PREFIX_BYTES 252u /* between two texts */
/* Of all texts, at the beginning of segment 0, which no item is in; a segment is no shorter. */
#define IMAGE_PREFIXES_BYTES ((uint64_t)16 << 10)

_Static_assert((uint64_t)IMAGE_PREFIX_SLOTS *IMAGE_PREFIX_BYTES <= IMAGE_PREFIXES_BYTES,
               "they fit");

struct image_header {
    uint64_t magic; /* written last */
    uint32_t version;
    uint32_t clean; /* ended by store_image_close(): the sums of its end hold */
    struct image_layout layout;
    uint64_t layout_sum; /* of IMAGE_VERSION and layout */
    struct image_state state;
    uint64_t end_sum; /* of state, the headers of the segments, rules, and transfer_void */
    uint64_t log_sum; /* of the records of all segments in use */
    struct image_prefix prefixes[IMAGE_PREFIX_SLOTS];
    /* A flush came while items of this store were in old ones: what is left of them there is gone.
     */
    uint32_t transfer_void;
    uint32_t unused;
};

_Static_assert(sizeof(struct image_header) <= 4096, "within a page");

/* Where the text of a rule of a mapped image lies. */
static inline char *image_prefix_text(struct image_header *header, uint32_t slot) {
    return (char *)header + header->layout.log_offset + (uint64_t)slot * IMAGE_PREFIX_BYTES;
}

/* A sum over whole words, of which each counts, and its place: for finding damage, not for those
 * who mean harm. */
static inline uint64_t image_sum_word(uint64_t sum, const unsigned char *at) {
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof(word));
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

static inline uint64_t image_sum(uint64_t sum, const void *data, uint64_t bytes) {
    const unsigned char *at = data;
    uint64_t others[3] = {1, 2, 3}; /* so that the processor need not wait for each product */
    for (; bytes >= 32; bytes -= 32, at += 32) {
        sum = image_sum_word(sum, at);
        others[0] = image_sum_word(others[0], at + 8);
        others[1] = image_sum_word(others[1], at + 16);
        others[2] = image_sum_word(others[2], at + 24);
    }
    for (; bytes >= 8; bytes -= 8, at += 8) {
        sum = image_sum_word(sum, at);
    }
    return image_sum_word(sum, (const unsigned char *)&others[0]) +
           image_sum_word(others[2], (const unsigned char *)&others[1]);
}

#endif
