/* print: what is compared of items before and behind a crash. */
#ifndef TESTS_STORE_PRINT_H
#define TESTS_STORE_PRINT_H

#include "store/image.h"

#include "run.h"

/* All 0: it is missing. */
struct print {
    uint64_t sum; /* of value, flags, expiry time, CAS and state; never 0 */
    bool empty;   /* its value */
};

struct print print_of(struct run *run, struct store *store, uint32_t number);
/* Of all keys of the run's model. */
void print_all(struct run *run, struct store *store, struct print *prints);

/* Copies an image as a process that ends now would leave it, holes as holes. */
void print_copy_image(const struct store_image *from, const struct store_image *to);

#endif
