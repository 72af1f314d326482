/* The process ends at any store: random operations are run store by store, the image is copied
 * between two of them, and what opening the copy finds is compared with what was acknowledged.
 *
 * The rule: an item that the operation does not change is there, exactly. One that it changes is as
 * before, as after, or missing. STORE_TEST_SEED=n runs another seed, CRASH_TEST_STOPS=n that many
 * stops for each plan. */
#include "image_fixture.h"
#include "print.h"
#include "run.h"
#include "tracer.h"

#include <signal.h>
#include <sys/wait.h>

/* An item that was found otherwise than before the operation. */
struct oddity {
    uint32_t number;
    uint64_t sum;
};

/* Store instructions that are told apart, and how often each is looked at for certain. */
#define SITES 65536
#define LOOKS_PER_SITE 2

#define ODDITIES_MAX (2 * MODEL_KEYS_MAX)

struct plan {
    size_t memory_bytes;
    size_t memory_bytes_max; /* 0: never resized */
    uint32_t keys;
    uint32_t value_length_max;
    enum hashing hashing;
    enum { EVICTS, REFUSES } memory;
    uint64_t seed;
    uint32_t flush_one_in;
    uint32_t prefix_one_in; /* 0: none is flushed by a prefix */
};

struct crash {
    struct plan plan;
    struct run run;
    struct store_config config;
    struct store_image image;
    struct store_image copy;
    struct print before[MODEL_KEYS_MAX];
    struct print after[MODEL_KEYS_MAX];
    struct oddity oddities[ODDITIES_MAX];
    uint32_t oddities_count;
    uint64_t noted[MODEL_KEYS_MAX]; /* the sum that was noted last, or of before the operation */
    uint32_t stops_of_operation;    /* stores of the operation so far */
    uint32_t stops;                 /* looked at */
    uint64_t evictions;
    uint32_t one_in;
    uint32_t times[SITES];
    uint64_t copies, torn, extents; /* what opening has repaired */
};

/* Opens the copy in another process, which is killed at some time on the way. */
static void kill_while_opening(struct crash *crash) {
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        struct store *store;
        struct store_recovery recovery;
        signal(SIGSEGV, SIG_DFL);
        store_image_open(&store, &crash->config, &crash->copy, &recovery);
        _exit(0);
    }
    usleep(run_below(&crash->run, 1500));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void note_oddity(struct crash *crash, uint32_t number, uint64_t sum) {
    if (crash->noted[number] == sum) {
        return;
    }
    crash->noted[number] = sum;
    CHECK(&crash->run, crash->oddities_count < ODDITIES_MAX);
    crash->oddities[crash->oddities_count++] = (struct oddity){number, sum};
}

static void look(struct crash *crash) {
    struct run *run = &crash->run;
    struct store *store = NULL;
    struct store_recovery recovery;
    char key_bytes[sizeof(run->key_bytes)];
    uint64_t random = run->random;
    memcpy(key_bytes, run->key_bytes, sizeof(key_bytes));
    print_copy_image(&crash->image, &crash->copy);
    if (run_one_in(run, 20)) {
        kill_while_opening(crash);
    }
    int error = store_image_open(&store, &crash->config, &crash->copy, &recovery);
    if (error != 0) {
        cr_fatal("seed %llu, operation %u, store %u: error %d, segment %u: %s",
                 (unsigned long long)run->seed, run->operation, crash->stops_of_operation, error,
                 recovery.segment, recovery.damage ? recovery.damage : "");
    }
    store_check(store);
    for (uint32_t i = 0; i < run->model->keys; i++) {
        struct print print = print_of(run, store, i);
        note_oddity(crash, i, print.sum);
    }
    store_check(store);
    store_destroy(store);
    crash->copies += recovery.copies;
    crash->torn += recovery.torn;
    crash->extents += recovery.extents;
    crash->stops++;
    memcpy(run->key_bytes, key_bytes, sizeof(key_bytes));
    run->random = random;
}

/* Looks behind each store instruction of the program the first few times that it comes by, and now
 * and then. That must not depend on what looking does to the run's numbers. */
static void stopped(void *context, uintptr_t at) {
    struct crash *crash = context;
    crash->stops_of_operation++;
    uint64_t mixed = fixture_mix(crash->run.random + crash->stops_of_operation * 77u);
    uint32_t *times = &crash->times[fixture_mix(at) % SITES];
    (*times)++;
    if (*times <= LOOKS_PER_SITE || mixed % crash->one_in == 0) {
        look(crash);
    }
}

static void check_oddities(struct crash *crash, uint32_t number) {
    for (uint32_t i = 0; i < crash->oddities_count; i++) {
        const struct oddity *oddity = &crash->oddities[i];
        const struct print *before = &crash->before[oddity->number];
        const struct print *after = &crash->after[oddity->number];
        bool changes = before->sum != after->sum || (before->empty && oddity->number == number);
        if (oddity->sum == after->sum || oddity->sum == before->sum ||
            (oddity->sum == 0 && changes)) {
            continue;
        }
        cr_fatal("seed %llu, operation %u on key %u: key %u was %llx, is %llx, was found as %llx",
                 (unsigned long long)crash->run.seed, crash->run.operation, number, oddity->number,
                 (unsigned long long)before->sum, (unsigned long long)after->sum,
                 (unsigned long long)oddity->sum);
    }
    crash->oddities_count = 0;
}

static void run_any(struct crash *crash) {
    struct run *run = &crash->run;
    uint32_t kind = run_below(run, 100);
    if (kind < 55) {
        run_operation(run);
    } else if (kind < 90) {
        run_upload(run);
    } else if (kind < 93) {
        run_lease_end(run);
    } else if (kind < 96) {
        run_maintain(run);
    } else if (kind < 98) {
        run_crawl(run);
    } else if (run_one_in(run, crash->plan.flush_one_in)) {
        run_flush(run);
    } else if (crash->plan.memory_bytes_max != 0 && run_one_in(run, 50)) {
        run_resize(run);
    }
}

/* The process ends between two operations: all that was acknowledged is there, and the next one
 * goes on with it. What is there, `before` says: to ask for it would drop what is dead. */
static void run_restart(struct crash *crash) {
    struct run *run = &crash->run;
    struct store_recovery recovery;
    for (uint32_t i = 0; i < RUN_LEASES; i++) {
        free(run->leases[i].value);
        run->leases[i] = (struct run_lease){0};
    }
    for (uint32_t i = 0; i < RUN_UPLOADS; i++) {
        free(run->uploads[i].value);
        run->uploads[i] = (struct run_upload){0};
    }
    crash->evictions += fixture_stats(run->store).evictions;
    if (run_one_in(run, 3)) {
        store_image_close(run->store);
    } else {
        store_destroy(run->store);
    }
    run->store = image_open(&crash->image, &crash->config, &recovery);
    run->memory_bytes_last = 0;
    print_all(run, run->store, crash->after);
    for (uint32_t i = 0; i < run->model->keys; i++) {
        CHECK(run, crash->before[i].sum == crash->after[i].sum);
    }
}

/* What has been acknowledged of a flush by a prefix holds, before anybody has looked for the items.
 * Others may be gone: evicted. */
static void run_restart_flushed(struct crash *crash) {
    for (uint32_t i = 0; i < crash->run.model->keys; i++) {
        if (!crash->run.model->items[i].present) {
            crash->before[i] = (struct print){0};
        }
    }
    crash->oddities_count = 0;
    run_restart(crash);
}

static void run_traced(struct crash *crash) {
    struct run *run = &crash->run;
    struct image_header *image = run->store->image;
    print_all(run, run->store, crash->before);
    for (uint32_t i = 0; i < run->model->keys; i++) {
        crash->noted[i] = crash->before[i].sum;
    }
    crash->stops_of_operation = 0;
    bool flushes = run_one_in(run, crash->plan.flush_one_in);
    bool by_prefix = crash->plan.prefix_one_in != 0 && run_one_in(run, crash->plan.prefix_one_in);
    tracer_begin(image, image->layout.image_bytes, stopped, crash);
    if (flushes) {
        run_flush(run);
    } else if (by_prefix) {
        run_flush_prefix(run);
    } else {
        run_any(crash);
    }
    tracer_end();
    if (flushes && store_items(run->store) == 0) {
        memset(crash->before, 0, sizeof(crash->before));
        crash->oddities_count = 0;
        run_restart(crash);
        return;
    }
    if (by_prefix && !flushes && run_one_in(run, 3)) {
        run_restart_flushed(crash);
        return;
    }
    uint32_t number = run->number;
    print_all(run, run->store, crash->after);
    check_oddities(crash, number);
    if (run_one_in(run, 50)) {
        memcpy(crash->before, crash->after, sizeof(crash->before));
        run_restart(crash);
    }
}

static struct crash *crash_create(const struct plan *plan) {
    const char *seed = getenv("STORE_TEST_SEED");
    struct crash *crash = calloc(1, sizeof(*crash));
    struct run *run = &crash->run;
    run->seed = seed ? strtoull(seed, NULL, 10) : plan->seed;
    run->random = fixture_mix(run->seed);
    crash->plan = *plan;
    crash->config = fixture_config(plan->memory_bytes);
    crash->config.hash = run_hash;
    crash->config.seed = plan->hashing;
    if (plan->memory_bytes_max != 0) {
        crash->config.memory_bytes_max = plan->memory_bytes_max;
    }
    crash->config.no_eviction = plan->memory == REFUSES;
    crash->image = image_file(&crash->config);
    crash->copy = image_file(&crash->config);
    run->store = image_create(&crash->image, &crash->config);
    run->model = model_create(plan->keys);
    run->model->key = run_key_bytes;
    run->now = 1;
    run->value_length_max = plan->value_length_max;
    run->hashing = plan->hashing;
    run->evicts = plan->memory == EVICTS;
    crash->one_in = 1 + run_below(run, 30);
    return crash;
}

static void crash_destroy(struct crash *crash) {
    run_large_ends(&crash->run);
    model_destroy(crash->run.model);
    store_destroy(crash->run.store);
    close(crash->image.fd);
    close(crash->copy.fd);
    free(crash);
}

static uint32_t stops_wanted(void) {
    const char *stops = getenv("CRASH_TEST_STOPS");
    return stops ? (uint32_t)strtoul(stops, NULL, 10) : 150;
}

static void run_plan(const struct plan *plan) {
    struct crash *crash = crash_create(plan);
    struct run *run = &crash->run;
    uint32_t untraced = plan->keys * 6; /* until memory is full */
    if (!tracer_begin(run->store->image, crash->image.bytes, stopped, crash)) {
        cr_skip_test("no tracer for this processor");
    }
    tracer_end();
    for (; crash->stops < stops_wanted() || run->operation < untraced + 1500; run->operation++) {
        if (run->operation > untraced && run_one_in(run, 8)) {
            crash->one_in = 1 + run_below(run, run_one_in(run, 10) ? 4 : 600);
            run_traced(crash);
        } else {
            run_any(crash);
        }
        run->now += run_one_in(run, 500) ? run_below(run, 5) : 0;
    }
    CHECK(run, !run->evicts || crash->evictions > 0 || plan->flush_one_in < 100);
    CHECK(run, run->evicts || (run->refused > 0 && run->taken_over > 0) || plan->prefix_one_in);
    /* Small values have parts too seldom for each run to stop there: that depends on addresses. */
    CHECK(run, crash->extents > 0 || plan->value_length_max < 1000);
    fprintf(stderr, "%u stops in %u operations: %llu copies, %llu torn, %llu extents\n",
            crash->stops, run->operation, (unsigned long long)crash->copies,
            (unsigned long long)crash->torn, (unsigned long long)crash->extents);
    crash_destroy(crash);
}

Test(store_crash, evicts) {
    run_plan(&(struct plan){MIB, 0, 4000, 20000, HASH_GOOD, EVICTS, 1, 3000, 0});
}

Test(store_crash, small_values_evict) {
    run_plan(&(struct plan){MIB, 0, 12000, 200, HASH_GOOD, EVICTS, 2, 3000, 0});
}

Test(store_crash, few_hashes) {
    run_plan(&(struct plan){MIB, 0, 3000, 20000, HASH_FEW, EVICTS, 3, 3000, 0});
}

Test(store_crash, resized) {
    run_plan(&(struct plan){MIB, 3 * MIB, 10000, 1000, HASH_GOOD, EVICTS, 4, 3000, 0});
}

Test(store_crash, refuses) {
    run_plan(&(struct plan){MIB, 0, 4000, 20000, HASH_GOOD, REFUSES, 11, 3000, 0});
}

Test(store_crash, refuses_small_values) {
    run_plan(&(struct plan){MIB, 0, 20000, 200, HASH_GOOD, REFUSES, 202, 3000, 0});
}

Test(store_crash, flushes) {
    run_plan(&(struct plan){MIB, 0, 1000, 3000, HASH_GOOD, EVICTS, 7, 10, 0});
}

Test(store_crash, flushes_by_prefixes) {
    run_plan(&(struct plan){MIB, 0, 4000, 3000, HASH_GOOD, EVICTS, 12, 300, 5});
}

Test(store_crash, flushes_by_prefixes_and_refuses) {
    run_plan(&(struct plan){MIB, 0, 4000, 20000, HASH_GOOD, REFUSES, 13, 3000, 10});
}
