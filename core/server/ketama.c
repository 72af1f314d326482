#include "core/server/ketama.h"

#include <stdlib.h>
#include <string.h>

#include "core/net/md5.h"

#define PORT_DEFAULT 11211
#define DIGESTS_PER_NODE 40
#define POINTS_PER_DIGEST 4

/* More than a key has; what is longer is cut off. */
#define KEY_BYTES_MAX 1024

/* Nodes. */

static bool ketama_read_number(const char *text, unsigned long most, unsigned long *number) {
    char *end;
    *number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *number >= 1 && *number <= most;
}

bool ketama_read_node(const char *text, struct ketama_node *node) {
    char host[256];
    unsigned long port = PORT_DEFAULT, weight = 1;
    const char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");
    if (!end || end == text || (size_t)(end - text) >= sizeof(host)) {
        return false;
    }
    size_t length = (size_t)(end - text) + (*text == '[');
    memcpy(host, text, length);
    host[length] = '\0';
    char *rest = strdup(text + length), *at = rest;
    if (!rest || (*at && *at != ':')) {
        free(rest);
        return false;
    }
    strsep(&at, ":");
    const char *port_text = strsep(&at, ":"), *weight_text = strsep(&at, ":");
    bool fine = !at && (!port_text || ketama_read_number(port_text, UINT16_MAX, &port)) &&
                (!weight_text || ketama_read_number(weight_text, 1000000, &weight));
    free(rest);
    snprintf(node->name, sizeof(node->name), "%s:%lu", host, port);
    snprintf(node->ring_name, sizeof(node->ring_name), "%s",
             port == PORT_DEFAULT ? host : node->name);
    node->weight = (uint32_t)weight;
    return fine;
}

/* The common ring. */

static uint32_t ketama_word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* In single precision, as libmemcached and nutcracker compute it. */
static uint32_t ketama_digests_of(const struct ketama_node *node, uint64_t total, uint32_t count) {
    float share = (float)node->weight / (float)total;
    return (uint32_t)(share * DIGESTS_PER_NODE * (float)count + 0.0000000001);
}

static int ketama_compare(const void *a, const void *b) {
    const struct ketama_point *one = a, *other = b;
    return (one->at > other->at) - (one->at < other->at);
}

static bool ketama_add_node(struct ketama *ketama, uint32_t number, uint32_t digests) {
    const struct ketama_node *node = &ketama->nodes[number];
    char text[KETAMA_NODE_BYTES + 16];
    uint8_t digest[MD5_BYTES];
    for (uint32_t i = 0; i < digests; i++) {
        int length = snprintf(text, sizeof(text), "%s-%u", node->ring_name, i);
        if (!md5_digest(text, (size_t)length, digest)) {
            return false;
        }
        for (uint32_t j = 0; j < POINTS_PER_DIGEST; j++) {
            ketama->points[ketama->points_count++] =
                (struct ketama_point){ketama_word(digest + j * sizeof(uint32_t)), number};
        }
    }
    return true;
}

bool ketama_init(struct ketama *ketama, const struct ketama_node *nodes, uint32_t count) {
    uint64_t total = 0, digests = 0;
    bool fine = true;
    *ketama = (struct ketama){.nodes = nodes, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        total += nodes[i].weight;
    }
    for (uint32_t i = 0; i < count; i++) {
        digests += ketama_digests_of(&nodes[i], total, count);
    }
    ketama->points = calloc(digests * POINTS_PER_DIGEST + 1, sizeof(*ketama->points));
    for (uint32_t i = 0; ketama->points && fine && i < count; i++) {
        fine = ketama_add_node(ketama, i, ketama_digests_of(&nodes[i], total, count));
    }
    if (!ketama->points || !fine) {
        ketama_finish(ketama);
        return false;
    }
    qsort(ketama->points, ketama->points_count, sizeof(*ketama->points), ketama_compare);
    return true;
}

void ketama_finish(struct ketama *ketama) {
    free(ketama->points);
    ketama->points = NULL;
}

uint32_t ketama_find(const struct ketama *ketama, const char *key, size_t length) {
    uint8_t digest[MD5_BYTES] = {0};
    uint32_t low = 0, high = ketama->points_count;
    md5_digest(key, length, digest);
    uint32_t at = ketama_word(digest);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ketama->points[middle].at < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return ketama->points[low < ketama->points_count ? low : 0].node;
}

/* pymemcache. */

static uint32_t ketama_rotate(uint32_t word, unsigned by) {
    return word << by | word >> (32 - by);
}

static uint32_t ketama_mix_word(uint32_t word) {
    return ketama_rotate(word * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* MurmurHash3_x86_32 with the seed 0. */
static uint32_t ketama_murmur(const uint8_t *bytes, size_t length) {
    uint32_t hash = 0, tail = 0;
    size_t whole = length & ~(size_t)3;
    for (size_t i = 0; i < whole; i += sizeof(uint32_t)) {
        hash = ketama_rotate(hash ^ ketama_mix_word(ketama_word(bytes + i)), 13) * 5 + 0xe6546b64u;
    }
    for (size_t i = length; i > whole; i--) {
        tail = tail << 8 | bytes[i - 1];
    }
    hash ^= ketama_mix_word(tail);
    hash ^= (uint32_t)length;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

uint32_t ketama_find_highest(const struct ketama *ketama, const char *key, size_t length) {
    char text[KETAMA_NODE_BYTES + KEY_BYTES_MAX];
    uint32_t winner = 0, highest = 0;
    for (uint32_t i = 0; i < ketama->count; i++) {
        const char *name = ketama->nodes[i].name;
        size_t front = (size_t)snprintf(text, sizeof(text), "%s-", name);
        size_t kept = length < KEY_BYTES_MAX ? length : KEY_BYTES_MAX - 1;
        memcpy(text + front, key, kept);
        uint32_t score = ketama_murmur((const uint8_t *)text, front + kept);
        bool later = score == highest && strcmp(name, ketama->nodes[winner].name) > 0;
        if (i == 0 || score > highest || later) {
            winner = i;
            highest = score;
        }
    }
    return winner;
}
