/* What --ring prints. */
#include <stdlib.h>
#include <string.h>

#include "core/net/md5.h"
#include "core/server/ketama.h"
#include "core/server/options.h"

/* Shares are those of so many keys "key:0", "key:1" and so on; fewer where there are many nodes,
 * since the time goes with their product. */
#define SAMPLE_KEYS_MAX 100000u
#define SAMPLE_STEPS_MAX 10000000u

/* Where both put the keys of the sample, and how many each node has. */
struct ketama_sample {
    uint32_t keys;
    uint32_t *common;
    uint32_t *highest;
    uint32_t common_of[KETAMA_NODES_MAX];
    uint32_t highest_of[KETAMA_NODES_MAX];
};

static bool ketama_sample_init(struct ketama_sample *sample, const struct ketama *ketama,
                               uint32_t keys) {
    char key[32];
    *sample = (struct ketama_sample){.keys = keys};
    sample->common = calloc(keys, sizeof(*sample->common));
    sample->highest = calloc(keys, sizeof(*sample->highest));
    for (uint32_t i = 0; sample->common && sample->highest && i < keys; i++) {
        size_t length = (size_t)snprintf(key, sizeof(key), "key:%u", i);
        sample->common[i] = ketama_find(ketama, key, length);
        sample->highest[i] = ketama_find_highest(ketama, key, length);
        sample->common_of[sample->common[i]]++;
        sample->highest_of[sample->highest[i]]++;
    }
    return sample->common && sample->highest;
}

static void ketama_sample_finish(struct ketama_sample *sample) {
    free(sample->common);
    free(sample->highest);
}

static double ketama_percent(uint32_t part, uint32_t whole) {
    return 100.0 * part / whole;
}

static void ketama_print_shares(FILE *file, const struct ketama *ketama,
                                const struct ketama_sample *sample) {
    fprintf(file, "share of %u keys\tring\tpymemcache\n", sample->keys);
    for (uint32_t i = 0; i < ketama->count; i++) {
        fprintf(file, "%s\t%.1f %%\t%.1f %%\n", ketama->nodes[i].name,
                ketama_percent(sample->common_of[i], sample->keys),
                ketama_percent(sample->highest_of[i], sample->keys));
    }
}

/* The number of a node of the first ring in the other one, which has no `removed`. */
static uint32_t ketama_renumber(uint32_t node, uint32_t removed) {
    return node > removed ? node - 1 : node;
}

/* Keys that are elsewhere in the other ring; without a node `removed` (or UINT32_MAX). */
static void ketama_print_moved(FILE *file, const char *what, const struct ketama_sample *before,
                               const struct ketama_sample *after, uint32_t removed) {
    uint32_t common = 0, highest = 0;
    for (uint32_t i = 0; i < before->keys; i++) {
        common += before->common[i] == removed ||
                  ketama_renumber(before->common[i], removed) != after->common[i];
        highest += before->highest[i] == removed ||
                   ketama_renumber(before->highest[i], removed) != after->highest[i];
    }
    fprintf(file, "moved %s\t%.1f %%\t%.1f %%\n", what, ketama_percent(common, before->keys),
            ketama_percent(highest, before->keys));
}

static bool ketama_print_change(FILE *file, const char *what, const struct ketama_sample *before,
                                const struct ketama_node *nodes, uint32_t count, uint32_t removed) {
    struct ketama ketama;
    struct ketama_sample *after = calloc(1, sizeof(*after));
    bool fine = after && ketama_init(&ketama, nodes, count);
    if (!fine) {
        free(after);
        return false;
    }
    fine = ketama_sample_init(after, &ketama, before->keys);
    if (fine) {
        ketama_print_moved(file, what, before, after, removed);
    }
    ketama_sample_finish(after);
    ketama_finish(&ketama);
    free(after);
    return fine;
}

/* What moves when one more node comes, and when the last one goes. `nodes` has room for one more.
 */
static bool ketama_print_changes(FILE *file, struct ketama_node *nodes, uint32_t count,
                                 const struct ketama_sample *sample) {
    char what[KETAMA_NODE_BYTES + 32];
    ketama_read_node("192.0.2.1:11212", &nodes[count]);
    if (!ketama_print_change(file, "when a node is added", sample, nodes, count + 1, UINT32_MAX)) {
        return false;
    }
    if (count == 1) {
        return true;
    }
    snprintf(what, sizeof(what), "when %s goes", nodes[count - 1].name);
    return ketama_print_change(file, what, sample, nodes, count - 1, count - 1);
}

static bool ketama_print_all(FILE *file, struct ketama_node *nodes, uint32_t count,
                             char *const *keys, int keys_count) {
    struct ketama ketama;
    uint32_t size = SAMPLE_STEPS_MAX / count;
    struct ketama_sample *sample = calloc(1, sizeof(*sample));
    bool fine = sample && ketama_init(&ketama, nodes, count);
    if (!fine) {
        free(sample);
        return false;
    }
    for (int i = 0; i < keys_count; i++) {
        size_t length = strlen(keys[i]);
        fprintf(file, "%s\t%s\t%s\n", keys[i], nodes[ketama_find(&ketama, keys[i], length)].name,
                nodes[ketama_find_highest(&ketama, keys[i], length)].name);
    }
    if (keys_count == 0) {
        fine = ketama_sample_init(sample, &ketama, size < SAMPLE_KEYS_MAX ? size : SAMPLE_KEYS_MAX);
        if (fine) {
            ketama_print_shares(file, &ketama, sample);
            fine = ketama_print_changes(file, nodes, count, sample);
        }
        ketama_sample_finish(sample);
    }
    ketama_finish(&ketama);
    free(sample);
    return fine;
}

/* Returns their number, 0 with a line on stderr. */
static uint32_t ketama_read_list(char *list, struct ketama_node nodes[KETAMA_NODES_MAX]) {
    uint32_t count = 0;
    for (char *text; (text = strsep(&list, ","));) {
        if (count == KETAMA_NODES_MAX) {
            options_wrong("--ring takes at most %d nodes", KETAMA_NODES_MAX);
            return 0;
        }
        if (!ketama_read_node(text, &nodes[count])) {
            options_wrong("--ring takes HOST[:PORT[:WEIGHT]] with commas between, not \"%s\"",
                          text);
            return 0;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (strcmp(nodes[i].name, nodes[count].name) == 0) {
                options_wrong("--ring has %s twice", nodes[i].name);
                return 0;
            }
        }
        count++;
    }
    return count;
}

bool ketama_print(FILE *file, const char *list, char *const *keys, int count) {
    uint8_t digest[MD5_BYTES];
    if (!md5_digest("", 0, digest)) {
        options_wrong("--ring is refused: there is no MD5 in this program: build it with libssl "
                      "(-Dtls=enabled)");
        return false;
    }
    char *text = strdup(list);
    struct ketama_node *nodes = calloc(KETAMA_NODES_MAX + 1, sizeof(*nodes));
    uint32_t nodes_count = text && nodes ? ketama_read_list(text, nodes) : 0;
    bool fine = nodes_count > 0 && ketama_print_all(file, nodes, nodes_count, keys, count);
    if (nodes_count > 0 && !fine) {
        options_wrong("no memory for --ring");
    }
    free(nodes);
    free(text);
    return fine;
}
