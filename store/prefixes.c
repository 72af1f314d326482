#include "store/prefixes.h"

#include "store/order.h"

#include <assert.h>

/* The first bytes of a key as one word: zeros behind a shorter one. */
static uint64_t prefixes_word(const char *key, uint32_t length) {
    uint64_t word = 0;
    memcpy(&word, key, length < sizeof(word) ? length : sizeof(word));
    return word;
}

static uint64_t prefixes_mask(uint32_t length) {
    static const unsigned char ones[sizeof(uint64_t)] = {
        UINT8_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX};
    return prefixes_word((const char *)ones, length);
}

static bool prefixes_begins(const struct store_prefixes *prefixes, uint32_t slot, const char *key,
                            uint32_t length) {
    uint32_t wanted = prefixes->rules[slot].length;
    return length >= wanted && memcmp(prefixes->texts[slot], key, wanted) == 0;
}

bool prefixes_cover(const struct store_prefixes *prefixes, const char *key, uint32_t key_length,
                    uint64_t sequence) {
    uint64_t word = prefixes_word(key, key_length);
    for (uint32_t i = 0; i < prefixes->end; i++) {
        const struct prefix_rule *rule = &prefixes->rules[i];
        if ((word & rule->mask) == rule->word && sequence < rule->sequence &&
            prefixes_begins(prefixes, i, key, key_length)) {
            return true;
        }
    }
    return false;
}

static bool prefixes_is_in_force(const struct prefix_rule *rule) {
    return rule->length != 0 && rule->sequence != 0;
}

static bool prefixes_is_to_come(const struct prefix_rule *rule) {
    return rule->length != 0 && rule->sequence == 0;
}

/* The image's rule first names its text, then says that it is there: a killed process leaves one or
 * none. The version tells programs that know of no rules that they can't open the image. */
static void prefixes_write(struct image_header *image, uint32_t slot, const char *prefix,
                           const struct prefix_rule *rule) {
    if (!image) {
        return;
    }
    assert(image->prefixes[slot].length == 0);
    memcpy(image_prefix_text(image, slot), prefix, rule->length);
    image->prefixes[slot].sequence = rule->sequence;
    image->prefixes[slot].at = rule->at;
    image->version = IMAGE_VERSION_PREFIXES;
    store_order();
    image->prefixes[slot].length = rule->length;
    store_order();
}

static void prefixes_drop(struct store_prefixes *prefixes, struct image_header *image,
                          uint32_t slot) {
    struct prefix_rule *rule = &prefixes->rules[slot];
    prefixes->count--;
    prefixes->in_force -= prefixes_is_in_force(rule);
    *rule = (struct prefix_rule){0};
    while (prefixes->end > 0 && prefixes->rules[prefixes->end - 1].length == 0) {
        prefixes->end--;
    }
    if (image) {
        store_order();
        image->prefixes[slot].length = 0;
        store_order();
        if (prefixes->count == 0) {
            image->version = IMAGE_VERSION;
        }
    }
}

/* Whether the first rule makes the second one void. */
static bool prefixes_voids(const struct store_prefixes *prefixes, uint32_t first, uint32_t second) {
    const struct prefix_rule *rule = &prefixes->rules[first];
    const struct prefix_rule *other = &prefixes->rules[second];
    if (first == second || other->length == 0 ||
        !prefixes_begins(prefixes, first, prefixes->texts[second], other->length)) {
        return false;
    }
    if (prefixes_is_in_force(rule) && prefixes_is_in_force(other)) {
        return rule->sequence >= other->sequence;
    }
    return rule->length == other->length && prefixes_is_to_come(other);
}

static void prefixes_drop_void(struct store_prefixes *prefixes, struct image_header *image,
                               uint32_t by) {
    for (uint32_t i = 0; i < prefixes->end; i++) {
        if (prefixes_voids(prefixes, by, i)) {
            prefixes_drop(prefixes, image, i);
        }
    }
}

static void prefixes_set(struct store_prefixes *prefixes, uint32_t slot, const char *prefix,
                         const struct prefix_rule *rule) {
    assert(prefixes->rules[slot].length == 0);
    memcpy(prefixes->texts[slot], prefix, rule->length);
    prefixes->rules[slot] = *rule;
    prefixes->rules[slot].word = prefixes_word(prefix, rule->length);
    prefixes->rules[slot].mask = prefixes_mask(rule->length);
    prefixes->count++;
    prefixes->in_force += prefixes_is_in_force(rule);
    if (prefixes->end <= slot) {
        prefixes->end = slot + 1;
    }
}

/* A free slot, of which there always is one. */
static uint32_t prefixes_free_slot(const struct store_prefixes *prefixes) {
    uint32_t slot = 0;
    while (prefixes->rules[slot].length != 0) {
        slot++;
        assert(slot < PREFIXES_SLOTS);
    }
    return slot;
}

bool prefixes_add(struct store_prefixes *prefixes, struct image_header *image, const char *prefix,
                  uint32_t length, uint64_t sequence, uint32_t at) {
    const struct prefix_rule rule = {.sequence = sequence, .at = at, .length = (uint8_t)length};
    uint32_t slot = prefixes_free_slot(prefixes);
    prefixes_set(prefixes, slot, prefix, &rule);
    bool is_one_more = prefixes->count > STORE_PREFIXES_MAX;
    for (uint32_t i = 0; i < prefixes->end && is_one_more; i++) {
        is_one_more = !prefixes_voids(prefixes, slot, i);
    }
    if (is_one_more) {
        prefixes_drop(prefixes, NULL, slot);
        return false;
    }
    prefixes_write(image, slot, prefix, &rule);
    prefixes_drop_void(prefixes, image, slot);
    return true;
}

void prefixes_put_in_force(struct store_prefixes *prefixes, struct image_header *image,
                           uint32_t now, uint64_t sequence) {
    for (uint32_t i = 0; i < prefixes->end; i++) {
        struct prefix_rule *rule = &prefixes->rules[i];
        if (!prefixes_is_to_come(rule) || rule->at > now) {
            continue;
        }
        rule->sequence = sequence;
        prefixes->in_force++;
        if (image) {
            image->prefixes[i].sequence = sequence;
            store_order();
        }
        prefixes_drop_void(prefixes, image, i);
    }
}

void prefixes_end(struct store_prefixes *prefixes, struct image_header *image, bool crawled) {
    for (uint32_t i = 0; i < prefixes->end; i++) {
        const struct prefix_rule *rule = &prefixes->rules[i];
        if (prefixes_is_in_force(rule) && (rule->crawled || !crawled)) {
            prefixes_drop(prefixes, image, i);
        }
    }
}

void prefixes_note_crawl(struct store_prefixes *prefixes) {
    for (uint32_t i = 0; i < prefixes->end; i++) {
        prefixes->rules[i].crawled = prefixes_is_in_force(&prefixes->rules[i]);
    }
}

uint32_t prefixes_due(const struct store_prefixes *prefixes) {
    uint32_t due = 0;
    for (uint32_t i = 0; i < prefixes->end; i++) {
        const struct prefix_rule *rule = &prefixes->rules[i];
        if (prefixes_is_to_come(rule) && (due == 0 || rule->at < due)) {
            due = rule->at;
        }
    }
    return due;
}

uint64_t prefixes_newest(const struct store_prefixes *prefixes) {
    uint64_t newest = 0;
    for (uint32_t i = 0; i < prefixes->end; i++) {
        uint64_t sequence = prefixes->rules[i].sequence;
        newest = sequence > newest ? sequence : newest;
    }
    return newest;
}

void prefixes_restore(struct store_prefixes *prefixes, struct image_header *image) {
    for (uint32_t i = 0; image->version == IMAGE_VERSION_PREFIXES && i < PREFIXES_SLOTS; i++) {
        const struct image_prefix *from = &image->prefixes[i];
        if (from->length != 0) {
            const struct prefix_rule rule = {
                .sequence = from->sequence, .at = from->at, .length = (uint8_t)from->length};
            prefixes_set(prefixes, i, image_prefix_text(image, i), &rule);
        }
    }
    for (uint32_t i = 0; i < prefixes->end; i++) {
        if (prefixes_is_to_come(&prefixes->rules[i])) {
            prefixes_drop_void(prefixes, image, i);
        }
    }
}
