/* prefixes: rules by which items are dead whose keys begin so. Private to the store; store.h has
 * store_flush_prefix().
 *
 * A rule in force names a segment sequence number, as the flush watermark does: an item is dead
 * that lies in an older segment, when its key begins with the rule's prefix. A rule to come has no
 * number yet. In an image a rule is there as soon as its length is, see image_header.h.
 */
#ifndef STORE_PREFIXES_H
#define STORE_PREFIXES_H

#include "store/image_header.h"
#include "store/item.h"
#include "store/store.h"

/* One more than there may be, so that a rule can come before those go that it covers. */
#define PREFIXES_SLOTS IMAGE_PREFIX_SLOTS

_Static_assert(PREFIXES_SLOTS == STORE_PREFIXES_MAX + 1, "a spare slot");

struct prefix_rule {
    uint64_t word;     /* the first bytes of the prefix, zeros behind a shorter one */
    uint64_t mask;     /* those bits of it that count */
    uint64_t sequence; /* items in segments with a lower one are dead; 0: free, or to come */
    uint32_t at;       /* when a rule that is to come is due */
    uint8_t length;    /* of the prefix; 0: the slot is free */
    bool crawled;      /* since the crawl that is under way began it was in force */
};

struct store_prefixes {
    uint32_t count;    /* rules */
    uint32_t in_force; /* of these */
    uint32_t end;      /* no slot from here on is used */
    struct prefix_rule rules[PREFIXES_SLOTS];
    char texts[PREFIXES_SLOTS][ITEM_KEY_LENGTH_MAX];
};

/* Whether a rule in force covers an item of this key in a segment of this sequence. */
bool prefixes_cover(const struct store_prefixes *prefixes, const char *key, uint32_t key_length,
                    uint64_t sequence);

/* The functions below keep the image, too, where there is one (else NULL). */

/* Adds a rule in force (at is 0) or to come (sequence is 0), and drops those that are void by it:
 * of a rule to come the one to come with the same prefix; of one in force that, too, and those in
 * force whose prefixes begin with its own. False when there is no slot. */
bool prefixes_add(struct store_prefixes *prefixes, struct image_header *image, const char *prefix,
                  uint32_t length, uint64_t sequence, uint32_t at);

/* Puts the rules in force that are due at `now`, with this sequence. */
void prefixes_put_in_force(struct store_prefixes *prefixes, struct image_header *image,
                           uint32_t now, uint64_t sequence);

/* Drops the rules in force: all, or those only that are `crawled`. */
void prefixes_end(struct store_prefixes *prefixes, struct image_header *image, bool crawled);

/* A crawl begins. */
void prefixes_note_crawl(struct store_prefixes *prefixes);

/* When the first rule to come is due; 0: there is none. */
uint32_t prefixes_due(const struct store_prefixes *prefixes);

/* The highest sequence of a rule in force; 0: there is none. */
uint64_t prefixes_newest(const struct store_prefixes *prefixes);

/* Reads the rules of an image. Of two rules to come with one prefix, of which a killed process was
 * about to drop one, the first one stays. */
void prefixes_restore(struct store_prefixes *prefixes, struct image_header *image);

#endif
