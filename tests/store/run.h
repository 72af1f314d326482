/* run: a sequence of random operations on a store and on the model of it, which must agree. */
#ifndef TESTS_STORE_RUN_H
#define TESTS_STORE_RUN_H

#include "model.h"
#include "store_fixture.h"

enum hashing { HASH_GOOD, HASH_FEW, HASH_ONE };

/* How often the current scan has visited a key, and the state of the key when it began. */
struct run_seen {
    uint32_t times;
    bool present;
    uint32_t deaths;
    uint64_t cas;
};

#define RUN_UPLOADS 6
#define RUN_LEASES 8

struct run_upload {
    uint64_t handle; /* 0: none */
    uint32_t number;
    char *value;
    uint32_t length;
    uint32_t sent;
    bool in_place; /* by store_upload_window() */
    enum store_upload_end end;
    char *where;
    uint32_t window; /* bytes left there */
};

/* A leased value, to be compared when the lease ends. */
struct run_lease {
    uint64_t large; /* 0: none */
    uint32_t number;
    char *value;
    uint32_t length;
};

struct run {
    struct store *store;
    struct model *model;
    uint64_t seed;
    uint64_t random;
    uint32_t operation;
    uint32_t number; /* of the last key made by run_key() */
    uint32_t now;
    uint32_t value_length_max; /* of the values that the test makes */
    enum hashing hashing;
    bool evicts;
    uint64_t lost;       /* items found to be evicted */
    uint64_t refused;    /* operations refused for lack of memory */
    uint64_t taken_over; /* large values that gave their memory to an upload */
    uint64_t cas_last;
    size_t memory_bytes_last; /* in use at most, while the store frees memory after a resize */
    uint64_t scan_cursor;
    uint64_t crawl_cursor;
    uint32_t scans; /* completed */
    struct run_upload uploads[RUN_UPLOADS];
    struct run_lease leases[RUN_LEASES];
    uint64_t uploads_ended;
    uint64_t leases_ended;
    uint64_t prefixes_refused;
    struct run_seen seen[MODEL_KEYS_MAX];
    char key_bytes[256];
    char value[20000];
};

#define CHECK(run, condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            cr_fatal("seed %llu, operation %u: %s", (unsigned long long)(run)->seed,               \
                     (run)->operation, #condition);                                                \
    } while (0)

uint32_t run_below(struct run *run, uint32_t bound);
bool run_one_in(struct run *run, uint32_t n);

/* run_make.c: the random parts of operations. Key and value are stored in the run until the next
 * call. */
uint64_t run_hash(const char *key, uint32_t length, uint64_t hashing);
struct store_key run_key(struct run *run, uint32_t number);
uint32_t run_key_bytes(uint32_t number, char *bytes); /* a model_key */
uint32_t run_number(const struct store_entry *entry); /* of a visited key */
uint32_t run_value(struct run *run); /* returns the length; the bytes are in run->value */
void run_fill(struct run *run, char *bytes, uint32_t length);
uint32_t run_expires(struct run *run);
uint64_t run_cas(struct run *run, const struct model_item *item); /* mostly the right one */
uint64_t run_new_cas(struct run *run);
uint64_t run_initial(struct run *run);

/* Whether the operation was refused for lack of memory, which may happen only in a store that must
 * not evict, and only to operations that may need more of it than they give back. */
bool run_is_refused(struct run *run, enum store_status status, bool may);
/* Whether a new CAS may need a field that the item has not got. */
bool run_is_long_cas(bool set_cas, uint64_t new_cas);
/* Whether a value of this length gives back at least as much memory as it takes. That of a large
 * value can't be had while it is leased, nor always when it was joined. */
bool run_gives_back(const struct run *run, const struct model_item *item, uint32_t length);
/* The store has answered as for a missing key: right when that is expected, or when it may have
 * evicted the item, which the model then forgets. */
void run_note_loss(struct run *run, struct model_item *item, bool as_expected);
void run_check_item(struct run *run, const struct model_item *item, const struct store_item *shown);
void run_check_state(struct run *run, const struct store_item *expected,
                     const struct store_item *shown);
void run_check_new_cas(struct run *run, bool set_cas, uint64_t new_cas, uint64_t cas);

/* run_items.c: one operation on one key. */
void run_get(struct run *run, uint32_t number);
void run_operation(struct run *run);

struct store_write run_write(struct run *run, const struct model_item *item);
void run_check_write(struct run *run, struct model_item *item, const struct store_write *write,
                     bool large, enum store_status status, uint64_t cas);

/* run_large.c: uploads and leases, one step of a random one at a time. */
void run_upload(struct run *run);
/* Sometimes leases the item just shown. */
void run_lease(struct run *run, const struct model_item *item, const struct store_item *shown);
void run_lease_end(struct run *run);
void run_large_ends(struct run *run);

/* run_whole.c: operations on the whole store. */
void run_scan(struct run *run);
void run_crawl(struct run *run);
void run_flush(struct run *run);
void run_flush_prefix(struct run *run);
void run_resize(struct run *run);
void run_maintain(struct run *run);

#endif
