/* canned_requests: the requests of bench/turns as bytes, and how many bytes of replies they get. */
#ifndef BENCH_CANNED_REQUESTS_H
#define BENCH_CANNED_REQUESTS_H

#include <stddef.h>

#define CANNED_BATCHES 100 /* they are sent over and over */
#define CANNED_BATCH_BYTES_MAX 110000

/* What one connection sends at once. */
struct canned_batch {
    size_t length;
    size_t reply_length;
    char bytes[CANNED_BATCH_BYTES_MAX];
};

struct canned_requests {
    /* Together they store each key that the others ask for. */
    struct canned_batch stores[CANNED_BATCHES];
    struct canned_batch measured[CANNED_BATCHES];
};

/* `requests` is all zeros; `kind` one of get, set, get50, mg, ms, binary_get, binary_set,
 * large_get, large_set; `in_flight` the requests of a measured batch, of which large ones hold only
 * one. Ends the program where the kind is unknown or a batch does not fit. */
void canned_requests_make(struct canned_requests *requests, const char *kind, int in_flight);

#endif
