/* Fuzzes what is understood of etcd: an answer, given to each parser, and what follows from it for
 * a server's view of its cluster.
 *
 * Checked: nothing is read beyond the bytes; no list has a version that is lower than the one
 * before; what would be written can be read.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/cluster_view.h"
#include "core/server/etcd_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_take(void *context, const struct etcd_pair *pair) {
    struct cluster_view *view = context;
    assert(pair->key_length > 0);
    assert(pair->key_length <= ETCD_KEY_BYTES_MAX);
    if (pair->deleted) {
        cluster_view_delete_member(view, pair->key, pair->key_length, pair->revision);
    } else {
        cluster_view_put_member(view, pair->key, pair->key_length);
        cluster_view_put_list(view, pair->value, pair->value_length, pair->revision);
    }
}

/* As a server does behind each answer. */
static void fuzz_follow(struct cluster_view *view, uint64_t now_ns) {
    uint32_t before = view->published ? view->published->version : 0;
    char problem[NODES_PROBLEM_BYTES];
    struct nodes *next = cluster_view_next_list(view, "own|10.0.0.1|1", NULL, now_ns, 1700000000);
    if (next) {
        struct nodes *again = nodes_read(next->text, next->length, 0, problem);
        assert(again);
        assert(again->version > before || before == NODES_VERSION_MAX);
        assert(nodes_are_same(next, again));
        nodes_free(again);
        nodes_free(next);
    }
    cluster_view_publish(view, now_ns);
    assert(!view->published || view->published->version >= before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cluster_view view;
    struct etcd_header header;
    struct etcd_watch watch;
    uint64_t number, ttl_s;
    bool succeeded;
    char token[ETCD_TOKEN_BYTES], message[ETCD_MESSAGE_BYTES], problem[NODES_PROBLEM_BYTES];
    char *bytes = malloc(size ? size : 1); /* so that reading beyond it is found */
    bool made = cluster_view_init(&view);
    if (made && bytes) {
        memcpy(bytes, data, size);
        etcd_parse_range(bytes, size, &header, fuzz_take, &view);
        cluster_view_begin(&view, false, size & 1, size);
        fuzz_follow(&view, 0);
        etcd_parse_watch(bytes, size, &watch, fuzz_take, &view);
        fuzz_follow(&view, size / 2);
        cluster_view_begin(&view, true, false, size);
        fuzz_follow(&view, size);
        etcd_parse_grant(bytes, size, &header, &number, &ttl_s);
        etcd_parse_keepalive(bytes, size, &header, &ttl_s);
        etcd_parse_transaction(bytes, size, &header, &succeeded);
        etcd_parse_done(bytes, size, &header);
        etcd_parse_token(bytes, size, token);
        etcd_parse_error(bytes, size, &number, message);
        nodes_free(nodes_read(bytes, size, 7, problem));
    }
    if (made) {
        cluster_view_finish(&view);
    }
    free(bytes);
    return 0;
}
