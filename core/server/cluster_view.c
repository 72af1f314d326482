#include "core/server/cluster_view.h"

#include <stdlib.h>
#include <string.h>

/* Sets. */

static bool cluster_set_init(struct cluster_set *set) {
    set->count = 0;
    set->at = calloc(NODES_MAX, sizeof(*set->at));
    return set->at;
}

/* The place of a server, or where it would stand. */
static uint32_t cluster_set_find(const struct cluster_set *set, const char *node, bool *found) {
    uint32_t low = 0, high = set->count;
    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(set->at[middle], node);
        *found |= order == 0;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool cluster_set_has(const struct cluster_set *set, const char *node) {
    bool found;
    cluster_set_find(set, node, &found);
    return found;
}

static void cluster_set_add(struct cluster_set *set, const char *node) {
    bool found;
    uint32_t place = cluster_set_find(set, node, &found);
    if (found || set->count == NODES_MAX) {
        return;
    }
    memmove(&set->at[place + 1], &set->at[place], (set->count - place) * sizeof(*set->at));
    memcpy(set->at[place], node, strlen(node) + 1);
    set->count++;
}

static void cluster_set_remove(struct cluster_set *set, const char *node) {
    bool found;
    uint32_t place = cluster_set_find(set, node, &found);
    if (!found) {
        return;
    }
    set->count--;
    memmove(&set->at[place], &set->at[place + 1], (set->count - place) * sizeof(*set->at));
}

static void cluster_set_add_list(struct cluster_set *set, const struct nodes *list) {
    char node[NODE_BYTES];
    size_t at = 0;
    while (list && nodes_next(list, &at, node)) {
        cluster_set_add(set, node);
    }
}

static bool cluster_list_has(const struct nodes *list, const char *node) {
    char other[NODE_BYTES];
    size_t at = 0;
    while (nodes_next(list, &at, other)) {
        if (strcmp(other, node) == 0) {
            return true;
        }
    }
    return false;
}

/* The view. */

bool cluster_view_init(struct cluster_view *view) {
    *view = (struct cluster_view){0};
    bool members = cluster_set_init(&view->members);
    bool missing = cluster_set_init(&view->missing);
    if (!members || !missing) {
        cluster_view_finish(view);
    }
    return members && missing;
}

void cluster_view_finish(struct cluster_view *view) {
    free(view->members.at);
    free(view->missing.at);
    nodes_free(view->list);
    nodes_free(view->published);
    *view = (struct cluster_view){0};
}

void cluster_view_clear(struct cluster_view *view) {
    view->members.count = 0;
    view->missing.count = 0;
    cluster_view_delete_list(view);
}

static bool cluster_view_read_node(const char *text, size_t length, char node[NODE_BYTES]) {
    char problem[NODES_PROBLEM_BYTES];
    return node_read(text, length, node, problem) && strlen(node) == length &&
           memcmp(node, text, length) == 0;
}

void cluster_view_put_member(struct cluster_view *view, const char *text, size_t length) {
    char node[NODE_BYTES];
    if (cluster_view_read_node(text, length, node)) {
        cluster_set_add(&view->members, node);
        cluster_set_remove(&view->missing, node);
    }
}

void cluster_view_delete_member(struct cluster_view *view, const char *text, size_t length,
                                uint64_t now_ns) {
    char node[NODE_BYTES];
    if (!cluster_view_read_node(text, length, node)) {
        return;
    }
    if (cluster_set_has(&view->members, node) && now_ns < view->missing_until_ns) {
        cluster_set_add(&view->missing, node);
    }
    cluster_set_remove(&view->members, node);
}

/* Those that a newer list has no more, whoever has written it, are not waited for. */
static void cluster_view_miss_less(struct cluster_view *view) {
    char node[NODE_BYTES];
    for (uint32_t i = view->missing.count; i > 0; i--) {
        memcpy(node, view->missing.at[i - 1], sizeof(node));
        if (!cluster_list_has(view->list, node)) {
            cluster_set_remove(&view->missing, node);
        }
    }
}

void cluster_view_put_list(struct cluster_view *view, const char *text, size_t length,
                           uint64_t revision) {
    char problem[NODES_PROBLEM_BYTES];
    nodes_free(view->list);
    view->list = nodes_read(text, length, 0, problem);
    view->list_revision = revision;
    if (view->list && !view->distrusts) {
        cluster_view_miss_less(view);
    }
}

void cluster_view_delete_list(struct cluster_view *view) {
    nodes_free(view->list);
    view->list = NULL;
    view->list_revision = 0;
}

void cluster_view_begin(struct cluster_view *view, bool lost, bool goes_on,
                        uint64_t missing_until_ns) {
    uint32_t known = view->published ? view->published->version : 0;
    uint32_t told = view->list ? view->list->version : 0;
    view->distrusts = view->published && (lost || told < known);
    if (!goes_on || view->distrusts) {
        view->missing_until_ns = missing_until_ns;
    }
    cluster_set_add_list(&view->missing, view->list);
    if (view->distrusts) {
        cluster_set_add_list(&view->missing, view->published);
    }
    for (uint32_t i = 0; i < view->members.count; i++) {
        cluster_set_remove(&view->missing, view->members.at[i]);
    }
}

bool cluster_view_has_member(const struct cluster_view *view, const char *node) {
    return cluster_set_has(&view->members, node);
}

uint32_t cluster_view_rank(const struct cluster_view *view, const char *node) {
    bool found;
    return cluster_set_find(&view->members, node, &found);
}

/* Whether the list has just these servers, in this order. */
static bool cluster_view_is_list(const struct nodes *list, const struct cluster_set *set) {
    char node[NODE_BYTES];
    size_t at = 0;
    if (!list || list->count != set->count) {
        return false;
    }
    for (uint32_t i = 0; nodes_next(list, &at, node); i++) {
        if (strcmp(set->at[i], node) != 0) {
            return false;
        }
    }
    return true;
}

/* A list that can't take the published one's place: it is older, or another one of the same age. */
static bool cluster_view_is_behind(const struct cluster_view *view) {
    const struct nodes *list = view->list, *published = view->published;
    if (!published) {
        return false;
    }
    return !list || list->version < published->version ||
           (list->version == published->version && !nodes_are_same(list, published));
}

static struct nodes *cluster_view_make(const struct cluster_view *view,
                                       const struct cluster_set *set, int64_t unix_s) {
    const char *servers[NODES_MAX];
    uint32_t last = view->list ? view->list->version : 0;
    if (view->published && view->published->version > last) {
        last = view->published->version;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        servers[i] = set->at[i];
    }
    return nodes_create(nodes_next_version(last, unix_s), servers, set->count);
}

struct nodes *cluster_view_next_list(const struct cluster_view *view, const char *joins,
                                     const char *leaves, uint64_t now_ns, int64_t unix_s) {
    struct cluster_set wanted;
    struct nodes *next = NULL;
    if (!cluster_set_init(&wanted)) {
        return NULL;
    }
    memcpy(wanted.at, view->members.at, view->members.count * sizeof(*wanted.at));
    wanted.count = view->members.count;
    for (uint32_t i = 0; now_ns < view->missing_until_ns && i < view->missing.count; i++) {
        cluster_set_add(&wanted, view->missing.at[i]);
    }
    if (joins) {
        cluster_set_add(&wanted, joins);
    }
    if (leaves) {
        cluster_set_remove(&wanted, leaves);
    }
    bool fine = cluster_view_is_list(view->list, &wanted) && !cluster_view_is_behind(view);
    if (!fine && wanted.count > 0) {
        next = cluster_view_make(view, &wanted, unix_s);
    }
    free(wanted.at);
    return next;
}

bool cluster_view_publish(struct cluster_view *view, uint64_t now_ns) {
    if (!view->list || (view->published && view->list->version <= view->published->version)) {
        return false;
    }
    if (view->distrusts) {
        struct nodes *other = cluster_view_next_list(view, NULL, NULL, now_ns, 0);
        bool agrees = !other;
        nodes_free(other);
        if (!agrees) {
            return false;
        }
    }
    struct nodes *copy = nodes_copy(view->list);
    if (!copy) {
        return false;
    }
    nodes_free(view->published);
    view->published = copy;
    view->distrusts = false;
    return true;
}

uint64_t cluster_view_wait_ns(const struct cluster_view *view, uint64_t now_ns) {
    if (view->missing.count == 0 || now_ns >= view->missing_until_ns) {
        return UINT64_MAX;
    }
    return view->missing_until_ns - now_ns;
}
