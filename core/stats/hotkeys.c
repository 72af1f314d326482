#include "core/stats/hotkeys.h"

#include <assert.h>
#include <string.h>

#include "core/stats/sampler.h"

/* Sampling. */

static void hotkeys_choose(struct hotkeys *hotkeys) {
    hotkeys->countdown = sampler_next(&hotkeys->random, HOTKEYS_SAMPLE);
}

/* Ageing. */

static void hotkeys_halve_entry(struct hotkeys *hotkeys, uint32_t i) {
    struct hotkey *entry = &hotkeys->entries[i];
    entry->reads /= 2;
    entry->writes /= 2;
    entry->bytes /= 2;
    entry->excess /= 2;
    hotkeys->totals[i] = (int32_t)(hotkey_requests(entry) + entry->excess);
}

static void hotkeys_halve(struct hotkeys *hotkeys) {
    for (uint32_t i = 0; i < hotkeys->count; i++) {
        hotkeys_halve_entry(hotkeys, i);
    }
    hotkeys->passed = HOTKEYS_ENTRIES;
    hotkeys->sampled /= 2;
    hotkeys->window_ns = (hotkeys->window_ns + hotkeys->next_ns - hotkeys->begun_ns) / 2;
    hotkeys->begun_ns = hotkeys->next_ns;
    hotkeys->next_ns += HOTKEYS_HALF_LIFE_NS;
}

static void hotkeys_plan(struct hotkeys *hotkeys, uint64_t now_ns) {
    uint64_t age_ns = now_ns - hotkeys->origin_ns;
    hotkeys->begun_ns = now_ns;
    hotkeys->next_ns = now_ns + HOTKEYS_HALF_LIFE_NS - age_ns % HOTKEYS_HALF_LIFE_NS;
}

/* After 32 half-lives nothing is left. */
static void hotkeys_age(struct hotkeys *hotkeys, uint64_t now_ns) {
    if (now_ns >= hotkeys->next_ns + 32 * HOTKEYS_HALF_LIFE_NS) {
        hotkeys->count = 0;
        hotkeys->passed = HOTKEYS_ENTRIES;
        hotkeys->sampled = 0;
        hotkeys->window_ns = HOTKEYS_HALF_LIFE_NS;
        hotkeys_plan(hotkeys, now_ns);
    }
    while (now_ns >= hotkeys->next_ns) {
        hotkeys_halve(hotkeys);
    }
}

/* Adding. */

void hotkeys_init(struct hotkeys *hotkeys, uint64_t seed, uint64_t origin_ns, uint64_t now_ns) {
    assert(now_ns >= origin_ns);
    hotkeys->random = seed | 1;
    hotkeys->origin_ns = origin_ns;
    hotkeys_reset(hotkeys, now_ns);
    hotkeys_choose(hotkeys);
}

void hotkeys_reset(struct hotkeys *hotkeys, uint64_t now_ns) {
    hotkeys->count = 0;
    hotkeys->passed = HOTKEYS_ENTRIES;
    hotkeys->sampled = 0;
    hotkeys->window_ns = 0;
    hotkeys_plan(hotkeys, now_ns);
}

static bool hotkeys_is(const struct hotkeys *hotkeys, uint32_t i,
                       const struct hotkeys_request *request) {
    const struct hotkey *entry = &hotkeys->entries[i];
    return entry->key_length == request->key_length &&
           memcmp(entry->key, request->key, request->key_length) == 0;
}

/* Whether any entry has this tag. Without an end in the middle compilers compare several at once.
 */
static bool hotkeys_has_tag(const struct hotkeys *hotkeys, uint32_t tag) {
    uint32_t any = 0;
    for (uint32_t i = 0; i < HOTKEYS_ENTRIES; i++) {
        any |= hotkeys->tags[i] == tag;
    }
    return any != 0;
}

/* HOTKEYS_ENTRIES when the key is not among them. */
static uint32_t hotkeys_find(const struct hotkeys *hotkeys, const struct hotkeys_request *request) {
    uint32_t tag = (uint32_t)request->hash;
    if (!hotkeys_has_tag(hotkeys, tag)) {
        return HOTKEYS_ENTRIES;
    }
    for (uint32_t i = 0; i < hotkeys->count; i++) {
        if (hotkeys->tags[i] == tag && hotkeys_is(hotkeys, i, request)) {
            return i;
        }
    }
    return HOTKEYS_ENTRIES;
}

/* The first one with the lowest count, where all are in use. Those that have been passed have a
 * higher one than when the lowest was looked for, since counts grow; that goes on behind them. */
static uint32_t hotkeys_lowest(struct hotkeys *hotkeys) {
    int32_t lowest = INT32_MAX;
    uint32_t i = hotkeys->passed;
    while (i < HOTKEYS_ENTRIES && hotkeys->totals[i] != hotkeys->lowest) {
        i++;
    }
    hotkeys->passed = i;
    if (i < HOTKEYS_ENTRIES) {
        return i;
    }
    i = 0;
    for (uint32_t j = 0; j < HOTKEYS_ENTRIES; j++) {
        lowest = hotkeys->totals[j] < lowest ? hotkeys->totals[j] : lowest;
    }
    while (hotkeys->totals[i] != lowest) {
        i++;
    }
    hotkeys->lowest = lowest;
    return hotkeys->passed = i;
}

/* An entry for a key that has none. */
static uint32_t hotkeys_enter(struct hotkeys *hotkeys, const struct hotkeys_request *request) {
    uint32_t i, excess = 0;
    if (hotkeys->count < HOTKEYS_ENTRIES) {
        i = hotkeys->count++;
    } else {
        i = hotkeys_lowest(hotkeys);
        excess = (uint32_t)hotkeys->totals[i];
    }
    struct hotkey *entry = &hotkeys->entries[i];
    entry->reads = entry->writes = 0;
    entry->bytes = 0;
    entry->excess = excess;
    entry->copied = 0;
    hotkeys->totals[i] = (int32_t)excess;
    entry->key_length = (uint8_t)request->key_length;
    memcpy(entry->key, request->key, request->key_length);
    hotkeys->tags[i] = (uint32_t)request->hash;
    return i;
}

void hotkeys_add(struct hotkeys *hotkeys, const struct hotkeys_request *request, uint64_t now_ns) {
    assert(request->key_length <= HOTKEYS_KEY_BYTES);
    hotkeys_choose(hotkeys);
    hotkeys_age(hotkeys, now_ns);
    uint32_t i = hotkeys_find(hotkeys, request);
    if (i == HOTKEYS_ENTRIES) {
        i = hotkeys_enter(hotkeys, request);
    }
    struct hotkey *entry = &hotkeys->entries[i];
    entry->reads += !request->writes;
    entry->writes += request->writes;
    entry->bytes += request->bytes;
    hotkeys->totals[i]++;
    hotkeys->sampled++;
}

void hotkeys_add_more(struct hotkeys *hotkeys, const struct hotkeys_request *request, uint32_t more,
                      uint64_t now_ns) {
    while (more >= hotkeys->countdown) {
        more -= hotkeys->countdown;
        hotkeys_add(hotkeys, request, now_ns);
    }
    hotkeys->countdown -= more;
}

void hotkeys_note_copy(struct hotkeys *hotkeys, const struct hotkeys_request *request,
                       uint64_t word, uint32_t at) {
    uint32_t i = hotkeys_find(hotkeys, request);
    if (i < HOTKEYS_ENTRIES) {
        hotkeys->entries[i].copied = word;
        hotkeys->entries[i].copied_at = at;
    }
}

/* Listing. */

/* Puts a key where it belongs by its requests, if it belongs there at all. */
static void hotkeys_list_key(struct hotkeys_list *list, const struct hotkey *key) {
    uint32_t place = list->count;
    while (place > 0 && hotkey_requests(&list->keys[place - 1]) < hotkey_requests(key)) {
        place--;
    }
    if (place == HOTKEYS_LISTED || hotkey_requests(key) == 0) {
        return;
    }
    if (list->count < HOTKEYS_LISTED) {
        list->count++;
    }
    memmove(&list->keys[place + 1], &list->keys[place],
            (list->count - 1 - place) * sizeof(list->keys[0]));
    list->keys[place] = *key;
}

void hotkeys_list(struct hotkeys *hotkeys, struct hotkeys_list *list, uint64_t now_ns) {
    hotkeys_age(hotkeys, now_ns);
    uint64_t since_ns = now_ns > hotkeys->begun_ns ? now_ns - hotkeys->begun_ns : 0;
    list->sampled = hotkeys->sampled;
    list->window_ns = hotkeys->window_ns + since_ns;
    list->count = 0;
    for (uint32_t i = 0; i < hotkeys->count; i++) {
        hotkeys_list_key(list, &hotkeys->entries[i]);
    }
}

void hotkeys_merge(struct hotkeys_list *list, const struct hotkeys_list *part) {
    list->sampled += part->sampled;
    if (part->window_ns > list->window_ns) {
        list->window_ns = part->window_ns;
    }
    for (uint32_t i = 0; i < part->count; i++) {
        hotkeys_list_key(list, &part->keys[i]);
    }
}
