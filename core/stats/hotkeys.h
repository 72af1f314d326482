/* hotkeys: which keys are asked for most, by a sketch over a sample of requests.
 *
 *     owner:   one request of HOTKEYS_SAMPLE ─▶ hotkeys_add() ─▶ struct hotkeys
 *                                   hotkeys_list() ─▶ struct hotkeys_list, inside a message
 *     origin:  hotkeys_merge() of all shards' lists; a key is in one shard alone
 *
 * The sketch is Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and
 * Top-k Elements in Data Streams", 2005): a key that is not among the HOTKEYS_ENTRIES known ones
 * takes the place of the one with the lowest count, and its count as what may be wrong with its
 * own. So a key that more than one of HOTKEYS_ENTRIES sampled requests name is always among them,
 * and what is told of it, without what may be wrong, is at least what has been sampled since it
 * came and at most all.
 *
 * Every HOTKEYS_HALF_LIFE_NS all counts are halved, at the same moments in all shards: what is told
 * is what has been hot in the last minutes.
 *
 * Thread: that of whoever has what it counts for.
 */
#ifndef CORE_STATS_HOTKEYS_H
#define CORE_STATS_HOTKEYS_H

#include <stdbool.h>
#include <stdint.h>

#define HOTKEYS_ENTRIES 128
#define HOTKEYS_LISTED 32
#define HOTKEYS_KEY_BYTES 250

/* One of so many requests is sampled on average, see core/stats/sampler.h. */
#define HOTKEYS_SAMPLE 128

#define HOTKEYS_HALF_LIFE_NS ((uint64_t)60 * 1000000000)

/* A key, and what has been sampled of it. */
struct hotkey {
    uint32_t reads;
    uint32_t writes;
    uint64_t bytes;  /* of the values that were read or written */
    uint32_t excess; /* sampled requests that may have been of it before it came */
    /* For core/shard/share.h: with which word a reactor was last known to have a copy, and where
     * that is; 0: with none. In a list: not 0 where reactors may have copies now. */
    uint64_t copied;
    uint32_t copied_at;
    uint8_t key_length;
    char key[HOTKEYS_KEY_BYTES];
};

static inline uint32_t hotkey_requests(const struct hotkey *hotkey) {
    return hotkey->reads + hotkey->writes;
}

/* One sampled request. */
struct hotkeys_request {
    const char *key;
    uint32_t key_length; /* at most HOTKEYS_KEY_BYTES */
    uint64_t hash;       /* of the key, the same whenever it comes */
    bool writes;
    uint32_t bytes; /* of its value */
};

struct hotkeys {
    uint32_t countdown;              /* requests until the next one that is sampled */
    uint32_t count;                  /* of entries */
    uint32_t passed;                 /* the first so many entries have a total above `lowest` */
    int32_t lowest;                  /* total when it was last looked for among all entries */
    uint64_t random;                 /* the state of what chooses the samples; not 0 */
    uint64_t sampled;                /* requests, halved with the counts */
    uint64_t begun_ns;               /* since when this half-life is counted, in monotonic time */
    uint64_t window_ns;              /* how long the counts are of before that, halved with them */
    uint64_t next_ns;                /* when the counts are halved */
    uint64_t origin_ns;              /* moments of halving are whole half-lives after this */
    int32_t totals[HOTKEYS_ENTRIES]; /* of each entry: its requests and its excess */
    uint32_t tags[HOTKEYS_ENTRIES];  /* of each entry: bits of the hash */
    struct hotkey entries[HOTKEYS_ENTRIES];
};

/* The keys with the most requests, the most first. */
struct hotkeys_list {
    uint64_t sampled;   /* requests, of these keys and of all others */
    uint64_t window_ns; /* in how long they came, where what is older weighs less */
    uint32_t count;
    struct hotkey keys[HOTKEYS_LISTED];
};

/* Empty. origin_ns: the same for all that are to be merged, not after now_ns. */
void hotkeys_init(struct hotkeys *hotkeys, uint64_t seed, uint64_t origin_ns, uint64_t now_ns);

/* Forgets all. */
void hotkeys_reset(struct hotkeys *hotkeys, uint64_t now_ns);

/* Whether this request is sampled: to be asked for each one, and followed by hotkeys_add() then. */
static inline bool hotkeys_samples(struct hotkeys *hotkeys) {
    return __builtin_expect(--hotkeys->countdown == 0, false);
}

/* Adds a sampled request, and chooses the next one. */
void hotkeys_add(struct hotkeys *hotkeys, const struct hotkeys_request *request, uint64_t now_ns);

/* Counts requests like this one that came all at once, of which as many are sampled as would have
 * been of others. */
void hotkeys_add_more(struct hotkeys *hotkeys, const struct hotkeys_request *request, uint32_t more,
                      uint64_t now_ns);

/* Notes a copy of a key in its entry, if it has one. */
void hotkeys_note_copy(struct hotkeys *hotkeys, const struct hotkeys_request *request,
                       uint64_t word, uint32_t at);

/* Tells of the keys that most of the sampled requests name. */
void hotkeys_list(struct hotkeys *hotkeys, struct hotkeys_list *list, uint64_t now_ns);

/* Adds the list of another sketch with other keys. An empty list is one with all fields 0. */
void hotkeys_merge(struct hotkeys_list *list, const struct hotkeys_list *part);

#endif
