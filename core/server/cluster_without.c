/* In place of cluster.c and its parts in a build without libcurl or jansson: -o cluster is refused.
 */
#include "core/server/cluster.h"

#include <assert.h>

bool cluster_is_built(void) {
    return false;
}

struct cluster *cluster_create(const struct cluster_start *start) {
    (void)start;
    return NULL;
}

void cluster_leave(struct cluster *cluster) {
    assert(!cluster);
}

void cluster_destroy(struct cluster *cluster) {
    assert(!cluster);
}
