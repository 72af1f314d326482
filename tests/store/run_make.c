/* The random parts of operations, and the checks after each. */
#include "run.h"

uint32_t run_below(struct run *run, uint32_t bound) {
    run->random += 0x9e3779b97f4a7c15u;
    return (uint32_t)(fixture_mix(run->random) % bound);
}

bool run_one_in(struct run *run, uint32_t n) {
    return run_below(run, n) == 0;
}

static uint32_t number_of(const char *key) {
    uint32_t number = 0;
    memcpy(&number, key, 3);
    return number;
}

uint64_t run_hash(const char *key, uint32_t length, uint64_t hashing) {
    uint32_t number = number_of(key);
    assert(length >= 3);
    switch ((enum hashing)hashing) {
    case HASH_GOOD:
        return fixture_mix(number + 1);
    case HASH_FEW: /* few different buckets and tags */
        return fixture_mix(number + 1) & 0x0000000300000407u;
    case HASH_ONE:
        return 0xffffffffffffffffu;
    }
    return 0;
}

/* The number first, so that keys differ; then bytes of any value. */
uint32_t run_key_bytes(uint32_t number, char *bytes) {
    uint64_t mixed = fixture_mix(number + 77);
    uint32_t length = 3 + (mixed % 8 == 0 ? (uint32_t)(mixed >> 8) % 248 : (uint32_t)mixed % 16);
    if (length > 250) {
        length = 250;
    }
    memcpy(bytes, &number, 3);
    for (uint32_t i = 3; i < length; i++) {
        bytes[i] = (char)(mixed >> i % 57);
    }
    return length;
}

struct store_key run_key(struct run *run, uint32_t number) {
    uint32_t length = run_key_bytes(number, run->key_bytes);
    run->number = number;
    return (struct store_key){run->key_bytes, length,
                              run_hash(run->key_bytes, length, run->hashing)};
}

static uint32_t make_number(struct run *run) {
    static const char *const texts[] = {"0",  "9",  "5 ",     "18446744073709551615",
                                        "hi", "-1", "10  10", "18446744073709551616",
                                        "99", "+7", " 12",    "00000000000000000000000000"};
    const char *text = texts[run_below(run, sizeof(texts) / sizeof(texts[0]))];
    memcpy(run->value, text, strlen(text));
    return (uint32_t)strlen(text);
}

/* Mostly short values; some of a segment's size and above. */
uint32_t run_value(struct run *run) {
    if (run_one_in(run, 3)) {
        return make_number(run);
    }
    uint32_t length = run_below(run, 200);
    if (run_one_in(run, 10)) {
        length = run_below(run, 3000);
    }
    if (run_one_in(run, 60)) {
        length = run_below(run, 17000);
    }
    if (run_one_in(run, 200)) {
        length = (uint32_t)SEGMENT_BYTES_MIN - 350 + run_below(run, 400);
    }
    if (length > run->value_length_max) {
        length = run->value_length_max;
    }
    run_fill(run, run->value, length);
    return length;
}

/* Bytes no two parts of which are equal, so that a part at the wrong place is noticed. */
void run_fill(struct run *run, char *bytes, uint32_t length) {
    uint32_t word = run_below(run, UINT32_MAX);
    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (char)(word >> i % 4 * 8);
        word += i % 4 == 3 ? 0x9e3779b9 : 0;
    }
}

uint32_t run_expires(struct run *run) {
    if (!run_one_in(run, 4)) {
        return 0;
    }
    return run->now + run_below(run, 30);
}

/* Mostly the right one; sometimes 0, or one less or more. */
uint64_t run_cas(struct run *run, const struct model_item *item) {
    switch (run_below(run, 8)) {
    case 0:
        return item->cas + 3;
    case 1:
        return item->cas / 2;
    case 2:
        return run_one_in(run, 4) ? 0 : item->cas - 1;
    }
    return item->cas;
}

/* Numbers of any length, never the same twice. */
uint64_t run_new_cas(struct run *run) {
    uint64_t cas = (uint64_t)run->operation << 20 | run_below(run, 1 << 20);
    return run_one_in(run, 2) ? cas : cas << 24 | 7;
}

/* In a store that evicts no two are equal: an item evicted and created again is noticed. */
uint64_t run_initial(struct run *run) {
    if (run->evicts) {
        return (run->operation + 1) * (uint64_t)1000000000;
    }
    return fixture_mix(run->random + 1) >> run_below(run, 64);
}

uint32_t run_number(const struct store_entry *entry) {
    return number_of(entry->key);
}

bool run_is_long_cas(bool set_cas, uint64_t new_cas) {
    return set_cas && new_cas >> 48 != 0;
}

bool run_gives_back(const struct run *run, const struct model_item *item, uint32_t length) {
    bool leased = false;
    for (uint32_t i = 0; i < RUN_LEASES; i++) {
        leased |= run->leases[i].large != 0 && &run->model->items[run->leases[i].number] == item;
    }
    return item->present && length <= item->value_length &&
           !(item->large && (leased || item->joined));
}

bool run_is_refused(struct run *run, enum store_status status, bool may) {
    if (status != STORE_NO_MEMORY) {
        return false;
    }
    CHECK(run, may);
    CHECK(run, run->store->config.no_eviction);
    run->refused++;
    return true;
}

void run_note_loss(struct run *run, struct model_item *item, bool as_expected) {
    if (as_expected) {
        return;
    }
    CHECK(run, run->evicts && item->present);
    model_forget(item);
    run->lost++;
}

void run_check_new_cas(struct run *run, bool set_cas, uint64_t new_cas, uint64_t cas) {
    if (set_cas) {
        CHECK(run, cas == new_cas);
        return;
    }
    CHECK(run, cas > run->cas_last);
    CHECK(run, cas % 3 == 1);
    run->cas_last = cas;
}

void run_check_item(struct run *run, const struct model_item *item,
                    const struct store_item *shown) {
    CHECK(run, fixture_is(run->store, shown, item->value, item->value_length));
    CHECK(run, item->client_flags == shown->client_flags);
    CHECK(run, item->expires == shown->expires);
    CHECK(run, item->cas == shown->cas);
}

void run_check_state(struct run *run, const struct store_item *expected,
                     const struct store_item *shown) {
    CHECK(run, expected->expires_before == shown->expires_before);
    CHECK(run, expected->access == shown->access);
    CHECK(run, expected->state == shown->state);
}
