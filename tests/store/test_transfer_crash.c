/* The process ends at any store while items move to another image, and are used there. Both images
 * are copied between two stores, opened, and the rest of the items moves; what is found then is
 * compared with what was acknowledged.
 *
 * The rule is that of test_crash.c: an item that the operation does not change is there, exactly;
 * one that it changes is as before, as after, or missing. Memory is plenty: nothing is evicted. */
#include "store/transfer_view.h"

#include "image_fixture.h"
#include "print.h"
#include "run.h"
#include "tracer.h"

#define KEYS 600
#define ODDITIES_MAX 4096

struct oddity {
    uint32_t number;
    uint64_t sum;
};

struct moving {
    struct run run;
    struct store_config old_config, new_config;
    struct store_image old_image, new_image, old_copy, new_copy;
    struct store *old;
    struct store_transfer *transfer;
    struct print before[MODEL_KEYS_MAX];
    struct print after[MODEL_KEYS_MAX];
    struct oddity oddities[ODDITIES_MAX];
    uint32_t oddities_count;
    uint32_t one_in;
    uint32_t stops;
    uint32_t looks; /* at stops */
};

static uint32_t owner(uint64_t hash, uint32_t count) {
    (void)hash;
    (void)count;
    return 0;
}

static struct store_transfer *begin(struct moving *moving, struct store **from, struct store **to) {
    const struct store_side old = {from, 1}, new = {to, 1};
    struct store_transfer *transfer;
    cr_assert(eq(int, store_transfer_begin(&transfer, &old, &new, owner, moving->run.now), 0));
    return transfer;
}

/* Opens the copies, and moves what is left: some keys as they are asked for, then all. */
static void look(struct moving *moving) {
    struct run *run = &moving->run;
    struct store_recovery recovery;
    char key_bytes[sizeof(run->key_bytes)];
    memcpy(key_bytes, run->key_bytes, sizeof(key_bytes));
    print_copy_image(&moving->old_image, &moving->old_copy);
    print_copy_image(&moving->new_image, &moving->new_copy);
    struct store *from = image_open(&moving->old_copy, &moving->old_config, &recovery);
    struct store *to = image_open(&moving->new_copy, &moving->new_config, &recovery);
    struct store_transfer *transfer = begin(moving, &from, &to);
    for (uint32_t i = 0; i < KEYS; i += 7) {
        print_of(run, to, i);
    }
    while (!store_transfer_is_done(transfer)) {
        store_maintain(to, run->now);
    }
    store_check(to);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct print print = print_of(run, to, i);
        if (print.sum != moving->before[i].sum) {
            CHECK(run, moving->oddities_count < ODDITIES_MAX);
            moving->oddities[moving->oddities_count++] = (struct oddity){i, print.sum};
        }
    }
    store_transfer_end(transfer);
    store_destroy(to);
    store_destroy(from);
    memcpy(run->key_bytes, key_bytes, sizeof(key_bytes));
}

static void stopped(void *context, uintptr_t at) {
    struct moving *moving = context;
    uint64_t random = moving->run.random;
    (void)at;
    if (fixture_mix(random + (uint64_t)moving->stops * 77 + at) % moving->one_in == 0) {
        look(moving);
        moving->looks++;
    }
    moving->run.random = random;
    moving->stops++;
}

static void check_oddities(struct moving *moving) {
    for (uint32_t i = 0; i < moving->oddities_count; i++) {
        const struct oddity *oddity = &moving->oddities[i];
        const struct print *before = &moving->before[oddity->number];
        const struct print *after = &moving->after[oddity->number];
        bool changes =
            before->sum != after->sum || (before->empty && oddity->number == moving->run.number);
        if (oddity->sum != after->sum && !(oddity->sum == 0 && changes)) {
            cr_fatal("seed %llu, operation %u: key %u was %llx, is %llx, was found as %llx",
                     (unsigned long long)moving->run.seed, moving->run.operation, oddity->number,
                     (unsigned long long)before->sum, (unsigned long long)after->sum,
                     (unsigned long long)oddity->sum);
        }
    }
    moving->oddities_count = 0;
}

static void run_any(struct run *run) {
    uint32_t kind = run_below(run, 100);
    if (kind < 60) {
        run_operation(run);
    } else if (kind < 97) {
        run_upload(run);
    } else if (run_one_in(run, 4)) { /* a slice moves many */
        run_maintain(run);
    } else if (run_one_in(run, 15)) {
        run_flush(run);
    } else if (run_one_in(run, 4)) {
        run_flush_prefix(run);
    }
}

/* What all items are, without moving any: as the next process finds them. */
static void print_both(struct moving *moving, struct print *prints) {
    moving->oddities_count = 0;
    memset(prints, 0, sizeof(moving->before));
    struct print before[KEYS];
    memcpy(before, moving->before, sizeof(before));
    memset(moving->before, 0, sizeof(moving->before));
    look(moving);
    memcpy(moving->before, before, sizeof(before));
    for (uint32_t i = 0; i < moving->oddities_count; i++) {
        prints[moving->oddities[i].number].sum = moving->oddities[i].sum;
    }
    moving->oddities_count = 0;
}

static void run_traced(struct moving *moving) {
    struct run *run = &moving->run;
    struct oddity *found = calloc(ODDITIES_MAX, sizeof(*found));
    print_both(moving, moving->before);
    tracer_begin(run->store->image, moving->new_image.bytes, stopped, moving);
    tracer_add(moving->old->image, moving->old_image.bytes);
    run_any(run);
    tracer_end();
    uint32_t count = moving->oddities_count;
    memcpy(found, moving->oddities, count * sizeof(*found));
    print_both(moving, moving->after);
    memcpy(moving->oddities, found, count * sizeof(*found));
    moving->oddities_count = count;
    check_oddities(moving);
    free(found);
    model_begin(run->model, run->now);
    for (uint32_t i = 0; i < KEYS; i++) {
        CHECK(run, run->model->items[i].present == (moving->after[i].sum != 0));
    }
}

static struct moving *moving_create(uint64_t seed) {
    const char *wanted = getenv("STORE_TEST_SEED");
    struct moving *moving = calloc(1, sizeof(*moving));
    struct run *run = &moving->run;
    run->seed = wanted ? strtoull(wanted, NULL, 10) : seed;
    run->random = fixture_mix(run->seed);
    run->now = 1;
    run->value_length_max = 12000;
    moving->old_config = fixture_config(16 * MIB);
    moving->old_config.hash = run_hash;
    moving->old_config.seed = HASH_GOOD;
    moving->new_config = moving->old_config;
    moving->new_config.item_bytes_max = 100000; /* another configuration, with segments as large */
    moving->old_image = image_file(&moving->old_config);
    moving->new_image = image_file(&moving->new_config);
    moving->old_copy = image_file(&moving->old_config);
    moving->new_copy = image_file(&moving->new_config);
    return moving;
}

static void moving_destroy(struct moving *moving) {
    close(moving->old_image.fd);
    close(moving->new_image.fd);
    close(moving->old_copy.fd);
    close(moving->new_copy.fd);
    free(moving);
}

static uint32_t rounds_wanted(void) {
    const char *stops = getenv("CRASH_TEST_STOPS");
    return stops ? (uint32_t)strtoul(stops, NULL, 10) / 100 : 3;
}

static void run_round(struct moving *moving) {
    struct run *run = &moving->run;
    run->model = model_create(KEYS);
    run->model->key = run_key_bytes;
    run->cas_last = 0;
    run->store = image_create(&moving->old_image, &moving->old_config);
    for (uint32_t i = 0; i < 6 * KEYS; i++, run->operation++) {
        run_operation(run);
    }
    run_large_ends(run);
    moving->old = image_kill(run->store, &moving->old_image, &moving->old_config);
    run->store = image_create(&moving->new_image, &moving->new_config);
    moving->transfer = begin(moving, &moving->old, &run->store);
    for (; !store_transfer_is_done(moving->transfer); run->operation++) {
        if (run_one_in(run, 6)) {
            moving->one_in = 1 + run_below(run, 40);
            run_traced(moving);
        } else {
            run_any(run);
        }
        if (run_one_in(run, 60)) { /* killed, and begun again */
            run_large_ends(run);
            store_transfer_end(moving->transfer);
            moving->old = image_kill(moving->old, &moving->old_image, &moving->old_config);
            run->store = image_kill(run->store, &moving->new_image, &moving->new_config);
            moving->transfer = begin(moving, &moving->old, &run->store);
        }
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        run_get(run, i);
    }
    run_large_ends(run);
    CHECK(run, run->lost == 0);
    store_transfer_end(moving->transfer);
    store_destroy(moving->old);
    store_destroy(run->store);
    model_destroy(run->model);
}

Test(store_transfer_crash, any_store) {
    struct moving *moving = moving_create(1);
    struct store *probe = image_create(&moving->new_image, &moving->new_config);
    bool traces = tracer_begin(probe->image, moving->new_image.bytes, stopped, moving);
    if (!traces) {
        cr_skip_test("no tracer for this processor");
    }
    tracer_end();
    store_destroy(probe);
    for (uint32_t i = 0; i < rounds_wanted(); i++) {
        run_round(moving);
    }
    fprintf(stderr, "%u stops in %u operations\n", moving->looks, moving->run.operation);
    CHECK(&moving->run, moving->looks > 20);
    moving_destroy(moving);
}
