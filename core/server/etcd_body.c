#include "core/server/etcd_body.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"

#define KEY_BYTES (ETCD_PREFIX_BYTES + sizeof("node/") + NODE_BYTES)

/* The text of an object, which is given back; NULL if it is. */
static char *etcd_body_text(json_t *object) {
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

static json_t *etcd_body_bytes(const char *bytes, size_t length) {
    char text[BASE64_LENGTH(NODES_TEXT_BYTES_MAX)];
    const char *end = base64_encode(text, bytes, length);
    return json_stringn(text, (size_t)(end - text));
}

/* 64 bits don't fit jansson's integers and JavaScript's. */
static json_t *etcd_body_number(uint64_t number) {
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    return json_string(text);
}

static json_t *etcd_body_key(const char *prefix, const char *folder, const char *name) {
    char key[KEY_BYTES];
    int length = snprintf(key, sizeof(key), "%s%s%s", prefix, folder, name);
    return etcd_body_bytes(key, (size_t)length);
}

/* The first key behind all that begin with the prefix, whose last byte is a slash. */
static json_t *etcd_body_end(const char *prefix) {
    char end[ETCD_PREFIX_BYTES];
    size_t length = (size_t)snprintf(end, sizeof(end), "%s", prefix);
    end[length - 1]++;
    return etcd_body_bytes(end, length);
}

char *etcd_body_login(const char *user, const char *password) {
    return etcd_body_text(json_pack("{s:s,s:s}", "name", user, "password", password));
}

char *etcd_body_grant(uint64_t ttl_s) {
    return etcd_body_text(json_pack("{s:o}", "TTL", etcd_body_number(ttl_s)));
}

char *etcd_body_lease(uint64_t lease) {
    return etcd_body_text(json_pack("{s:o}", "ID", etcd_body_number(lease)));
}

char *etcd_body_range(const char *prefix) {
    return etcd_body_text(json_pack("{s:o,s:o}", "key", etcd_body_key(prefix, "", ""), "range_end",
                                    etcd_body_end(prefix)));
}

char *etcd_body_watch(const char *prefix, uint64_t revision) {
    return etcd_body_text(json_pack(
        "{s:{s:o,s:o,s:o}}", "create_request", "key", etcd_body_key(prefix, "", ""), "range_end",
        etcd_body_end(prefix), "start_revision", etcd_body_number(revision)));
}

/* Transactions. */

static json_t *etcd_body_put(json_t *key, const char *value, size_t length, uint64_t lease) {
    return json_pack("{s:{s:o,s:o,s:o}}", "request_put", "key", key, "value",
                     etcd_body_bytes(value, length), "lease", etcd_body_number(lease));
}

static json_t *etcd_body_operations(const struct etcd_transaction *transaction, bool list) {
    json_t *operations = json_array();
    const char *prefix = transaction->prefix, *joins = transaction->joins;
    if (transaction->leaves) {
        json_t *key = etcd_body_key(prefix, "node/", transaction->leaves);
        json_array_append_new(operations,
                              json_pack("{s:{s:o}}", "request_delete_range", "key", key));
    }
    if (joins) {
        json_array_append_new(operations, etcd_body_put(etcd_body_key(prefix, "node/", joins),
                                                        joins, strlen(joins), transaction->lease));
    }
    if (list && transaction->list) {
        json_array_append_new(operations,
                              etcd_body_put(etcd_body_key(prefix, "list", ""),
                                            transaction->list->text, transaction->list->length, 0));
    }
    return operations;
}

char *etcd_body_transaction(const struct etcd_transaction *transaction) {
    json_t *compare = json_pack(
        "{s:o,s:s,s:s,s:o}", "key", etcd_body_key(transaction->prefix, "list", ""), "target", "MOD",
        "result", "EQUAL", "mod_revision", etcd_body_number(transaction->list_revision));
    return etcd_body_text(json_pack("{s:[o],s:o,s:o}", "compare", compare, "success",
                                    etcd_body_operations(transaction, true), "failure",
                                    etcd_body_operations(transaction, false)));
}
