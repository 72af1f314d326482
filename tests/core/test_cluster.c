/* The rules of a cluster (cluster_view), and etcd's answers taken apart (etcd_reply), without etcd.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/cluster_view.h"
#include "core/server/etcd_body.h"
#include "core/server/etcd_reply.h"

#define A "a|10.0.0.1|1"
#define B "b|10.0.0.2|1"
#define C "c|10.0.0.3|1"
#define NOW 1000u
#define LATER 2000u /* nobody is waited for any more */
#define UNIX_S (1577836800 + 60 * (int64_t)500)

static void put(struct cluster_view *view, const char *node) {
    cluster_view_put_member(view, node, strlen(node));
}

static void drop(struct cluster_view *view, const char *node, uint64_t now_ns) {
    cluster_view_delete_member(view, node, strlen(node), now_ns);
}

static void list(struct cluster_view *view, const char *text) {
    cluster_view_put_list(view, text, strlen(text), 1);
}

/* What would be written; NULL: nothing. */
static void expect_next(const struct cluster_view *view, const char *joins, const char *leaves,
                        uint64_t now_ns, const char *expected) {
    struct nodes *next = cluster_view_next_list(view, joins, leaves, now_ns, UNIX_S);
    char *text = next ? strndup(next->text, next->length) : strdup("nothing");
    cr_assert(eq(str, text, (char *)(expected ? expected : "nothing")));
    free(text);
    nodes_free(next);
}

/* A view in which a list of all three is published, and all three are there. */
static struct cluster_view three(void) {
    struct cluster_view view;
    cr_assert(cluster_view_init(&view));
    put(&view, C), put(&view, A), put(&view, B);
    list(&view, "500\n" A " " B " " C "\n");
    cluster_view_begin(&view, false, false, LATER);
    cr_assert(cluster_view_publish(&view, NOW));
    return view;
}

Test(view, first_list) {
    struct cluster_view view;
    cr_assert(cluster_view_init(&view));
    cluster_view_begin(&view, false, false, LATER);
    expect_next(&view, NULL, NULL, NOW, NULL); /* never an empty one */
    expect_next(&view, A, NULL, NOW, "500\n" A "\n");
    put(&view, B), put(&view, A), put(&view, B);
    expect_next(&view, NULL, NULL, NOW, "500\n" A " " B "\n");
    list(&view, "600\n" A " " B "\n");
    expect_next(&view, NULL, NULL, NOW, NULL);
    expect_next(&view, C, NULL, NOW, "601\n" A " " B " " C "\n");
    cr_assert(cluster_view_publish(&view, NOW));
    cr_assert(not(cluster_view_publish(&view, NOW)));
    cr_assert(eq(u32, cluster_view_rank(&view, B), 1));
    cluster_view_finish(&view);
}

Test(view, goes_and_leaves) {
    struct cluster_view view = three();
    expect_next(&view, NULL, B, NOW, "501\n" A " " C "\n");
    drop(&view, B, LATER);
    expect_next(&view, NULL, NULL, LATER, "501\n" A " " C "\n");
    cluster_view_finish(&view);
}

/* While the view is young who goes is waited for, unless somebody has written it out. */
Test(view, young) {
    struct cluster_view view = three();
    drop(&view, B, NOW);
    expect_next(&view, NULL, NULL, NOW, NULL);
    cr_assert(eq(u64, cluster_view_wait_ns(&view, NOW), LATER - NOW));
    expect_next(&view, NULL, NULL, LATER, "501\n" A " " C "\n");
    list(&view, "501\n" A " " C "\n");
    expect_next(&view, NULL, NULL, NOW, NULL);
    cr_assert(eq(u64, cluster_view_wait_ns(&view, NOW), UINT64_MAX));
    cluster_view_finish(&view);
}

/* etcd comes back with a list and without leases: those who are missing have some time. */
Test(view, missing_at_the_beginning) {
    struct cluster_view view = three();
    cluster_view_clear(&view);
    list(&view, "500\n" A " " B " " C "\n");
    put(&view, A);
    cluster_view_begin(&view, false, false, LATER);
    expect_next(&view, NULL, NULL, NOW, NULL);
    put(&view, C);
    expect_next(&view, NULL, NULL, LATER, "501\n" A " " C "\n");
    cluster_view_finish(&view);
}

/* Who reads all anew again and again, for whatever reason, gives them no more time by that. */
Test(view, missing_while_it_begins_anew) {
    struct cluster_view view = three();
    for (uint64_t now_ns = NOW; now_ns <= LATER; now_ns += (LATER - NOW) / 2) {
        cluster_view_clear(&view);
        list(&view, "500\n" A " " B " " C "\n");
        put(&view, A), put(&view, C);
        cluster_view_begin(&view, false, true, now_ns + LATER);
        expect_next(&view, NULL, NULL, now_ns, now_ns < LATER ? NULL : "501\n" A " " C "\n");
    }
    cluster_view_clear(&view);
    cluster_view_begin(&view, true, true, 2 * LATER); /* but its data is gone */
    expect_next(&view, NULL, NULL, LATER, "501\n" A " " B " " C "\n");
    cluster_view_finish(&view);
}

/* etcd has lost its data: the list is written again with what is known, and a higher version. */
Test(view, data_lost) {
    struct cluster_view view = three();
    cluster_view_clear(&view);
    cluster_view_begin(&view, true, false, LATER);
    expect_next(&view, A, NULL, NOW, "501\n" A " " B " " C "\n");
    put(&view, A);
    expect_next(&view, NULL, NULL, LATER, "501\n" A "\n");
    cluster_view_finish(&view);
}

/* A list of a stranger that knows of nobody is not taken over, whatever its version is. */
Test(view, data_lost_and_another_list) {
    struct cluster_view view = three();
    cluster_view_clear(&view);
    list(&view, "900\nd|10.0.0.4|1\n");
    put(&view, "d|10.0.0.4|1"), put(&view, A);
    cluster_view_begin(&view, true, false, LATER);
    cr_assert(not(cluster_view_publish(&view, NOW)));
    expect_next(&view, NULL, NULL, NOW, "901\n" A " " B " " C " d|10.0.0.4|1\n");
    list(&view, "901\n" A " " B " " C " d|10.0.0.4|1\n");
    cr_assert(cluster_view_publish(&view, NOW));
    cr_assert(eq(u32, view.published->version, 901));
    cluster_view_finish(&view);
}

/* A list that is older, or of the same version and another, is never taken over. */
Test(view, never_back) {
    static const char *const lists[] = {"499\n" A " " B " " C "\n", "500\n" A " " B "\n",
                                        "1\n" A "\n", "x", ""};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct cluster_view view = three();
        list(&view, lists[i]);
        cr_assert(not(cluster_view_publish(&view, NOW)));
        expect_next(&view, NULL, NULL, NOW, "501\n" A " " B " " C "\n");
        cluster_view_delete_list(&view);
        expect_next(&view, NULL, NULL, NOW, "501\n" A " " B " " C "\n");
        cluster_view_finish(&view);
    }
}

Test(view, strangers) {
    static const char *const nodes[] = {"",     "x", "1.2.3.4:5", "a|1.2.3.4|5 ", "a|1.2.3.4|05",
                                        "a|b|5"};
    struct cluster_view view = three();
    for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
        put(&view, nodes[i]);
        drop(&view, nodes[i], LATER);
    }
    expect_next(&view, NULL, NULL, NOW, NULL);
    for (unsigned i = 0; i < 2 * NODES_MAX; i++) {
        char node[NODE_BYTES];
        snprintf(node, sizeof(node), "n|10.0.0.9|%u", i + 1);
        put(&view, node);
    }
    cr_assert(eq(u32, view.members.count, NODES_MAX));
    cluster_view_finish(&view);
}

/* Answers. */

static char taken[4096];

static void take(void *context, const struct etcd_pair *pair) {
    (void)context;
    char one[1024];
    snprintf(one, sizeof(one), "%s%.*s=%.*s@%u/%u;", pair->deleted ? "-" : "",
             (int)pair->key_length, pair->key, (int)pair->value_length, pair->value,
             (unsigned)pair->revision, (unsigned)pair->lease);
    strncat(taken, one, sizeof(taken) - strlen(taken) - 1);
}

#define HEADER "\"header\":{\"cluster_id\":\"18446744073709551615\",\"revision\":\"12\"}"

Test(reply, range) {
    const char text[] =
        "{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"3\",\"lease\":\"4\","
        "\"value\":\"Yg==\"},{\"key\":\"Yw==\",\"mod_revision\":5}],\"count\":\"2\"}";
    struct etcd_header header;
    *taken = '\0';
    cr_assert(eq(int, etcd_parse_range(text, strlen(text), &header, take, NULL), ETCD_OK));
    cr_assert(eq(str, taken, (char *)"a=b@3/4;c=@5/0;"));
    cr_assert(eq(u64, header.cluster_id, UINT64_MAX));
    cr_assert(eq(u64, header.revision, 12));
}

Test(reply, watch) {
    const char text[] =
        "{\"result\":{" HEADER ",\"events\":[{\"kv\":{\"key\":\"YQ==\",\"value\":\"Yg==\","
        "\"mod_revision\":\"12\"}},{\"type\":\"DELETE\",\"kv\":{\"key\":\"Yw==\"}}]}}";
    const char gone[] = "{\"result\":{" HEADER ",\"canceled\":true,\"compact_revision\":\"7\"}}";
    const char error[] =
        "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"no\\nleader\"}}";
    struct etcd_watch watch;
    char message[ETCD_MESSAGE_BYTES];
    uint64_t code;
    *taken = '\0';
    cr_assert(eq(int, etcd_parse_watch(text, strlen(text), &watch, take, NULL), ETCD_OK));
    cr_assert(eq(str, taken, (char *)"a=b@12/0;-c=@0/0;"));
    cr_assert(eq(int, etcd_parse_watch(gone, strlen(gone), &watch, take, NULL), ETCD_OK));
    cr_assert(watch.canceled);
    cr_assert(eq(int, etcd_parse_watch(error, strlen(error), &watch, take, NULL), ETCD_REFUSED));
    cr_assert(etcd_parse_error(error, strlen(error), &code, message));
    cr_assert(eq(u64, code, 14));
    cr_assert(eq(str, message, (char *)"no?leader"));
}

/* Each of these is broken for each parser that it is given to. */
Test(reply, broken) {
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "1",
        "\"x\"",
        "null",
        "{}",
        "{\"header\":1}",
        "{\"header\":{}}x",
        "{\"header\":{\"revision\":\"x\"}}",
        "{\"header\":{\"revision\":-1}}",
        "{\"header\":{\"revision\":\"99999999999999999999\"}}",
        "{\"header\":{\"revision\":\"\"}}",
        "{\"header\":{\"revision\":1.5}}",
        "{\"result\":[]}",
        "{\"result\":{}}",
        "{\"result\":{\"header\":{\"revision\":{}}}}",
        "{" HEADER ",\"kvs\":{},\"succeeded\":1,\"ID\":\"x\",\"TTL\":[]}",
        "{" HEADER ",\"kvs\":[1],\"succeeded\":\"yes\",\"ID\":\"1\"}",
        "{" HEADER ",\"kvs\":[{\"value\":\"YQ==\"}],\"succeeded\":{}}",
        "{\"result\":{" HEADER ",\"events\":[1],\"TTL\":{}}}",
        "{\"result\":{" HEADER ",\"events\":[{\"kv\":1}],\"TTL\":\"x\"}}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const char *text = texts[i];
        size_t length = strlen(text);
        struct etcd_header header;
        struct etcd_watch watch;
        uint64_t lease, ttl_s;
        bool succeeded;
        char token[ETCD_TOKEN_BYTES];
        cr_expect(ne(int, etcd_parse_range(text, length, &header, take, NULL), ETCD_OK), "%s",
                  text);
        cr_expect(ne(int, etcd_parse_watch(text, length, &watch, take, NULL), ETCD_OK), "%s", text);
        cr_expect(ne(int, etcd_parse_grant(text, length, &header, &lease, &ttl_s), ETCD_OK), "%s",
                  text);
        cr_expect(ne(int, etcd_parse_keepalive(text, length, &header, &ttl_s), ETCD_OK), "%s",
                  text);
        cr_expect(ne(int, etcd_parse_transaction(text, length, &header, &succeeded), ETCD_OK), "%s",
                  text);
        cr_expect(ne(int, etcd_parse_token(text, length, token), ETCD_OK), "%s", text);
    }
}

Test(reply, leases) {
    const char grant[] = "{" HEADER ",\"ID\":\"7587848390\",\"TTL\":\"10\"}";
    const char alive[] = "{\"result\":{" HEADER ",\"ID\":\"1\",\"TTL\":\"10\"}}\n";
    const char dead[] = "{\"result\":{" HEADER ",\"ID\":\"1\"}}";
    struct etcd_header header;
    uint64_t lease, ttl_s;
    cr_assert(eq(int, etcd_parse_grant(grant, strlen(grant), &header, &lease, &ttl_s), ETCD_OK));
    cr_assert(eq(u64, lease, 7587848390));
    cr_assert(eq(u64, ttl_s, 10));
    cr_assert(eq(int, etcd_parse_keepalive(alive, strlen(alive), &header, &ttl_s), ETCD_OK));
    cr_assert(eq(u64, ttl_s, 10));
    cr_assert(eq(int, etcd_parse_keepalive(dead, strlen(dead), &header, &ttl_s), ETCD_OK));
    cr_assert(eq(u64, ttl_s, 0));
}

/* A token goes into a line of HTTP. */
Test(reply, tokens) {
    const char good[] = "{\"token\":\"aB1.-_+/=\"}", forged[] = "{\"token\":\"a\\r\\nHost: b\"}";
    char token[ETCD_TOKEN_BYTES];
    cr_assert(eq(int, etcd_parse_token(good, strlen(good), token), ETCD_OK));
    cr_assert(eq(str, token, (char *)"aB1.-_+/="));
    cr_assert(eq(int, etcd_parse_token(forged, strlen(forged), token), ETCD_BROKEN));
}

static void expect_body(char *body, const char *expected) {
    cr_assert(eq(str, body, (char *)expected));
    free(body);
}

Test(body, texts) {
    expect_body(etcd_body_range("a/b/"), "{\"key\":\"YS9iLw==\",\"range_end\":\"YS9iMA==\"}");
    expect_body(etcd_body_grant(10), "{\"TTL\":\"10\"}");
    expect_body(etcd_body_lease(UINT64_MAX), "{\"ID\":\"18446744073709551615\"}");
    expect_body(etcd_body_login("\"", "\\"), "{\"name\":\"\\\"\",\"password\":\"\\\\\"}");
    const struct etcd_transaction leaves = {.prefix = "a/", .list_revision = 7, .leaves = "n"};
    expect_body(etcd_body_transaction(&leaves),
                "{\"compare\":[{\"key\":\"YS9saXN0\",\"target\":\"MOD\",\"result\":\"EQUAL\","
                "\"mod_revision\":\"7\"}],\"success\":[{\"request_delete_range\":{\"key\":"
                "\"YS9ub2RlL24=\"}}],\"failure\":[{\"request_delete_range\":{\"key\":"
                "\"YS9ub2RlL24=\"}}]}");
}
