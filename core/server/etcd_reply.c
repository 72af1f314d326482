#include "core/server/etcd_reply.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"

/* A number, as such or as text; absent: 0. */
static bool etcd_take_number(const json_t *object, const char *name, uint64_t *number) {
    const json_t *field = json_object_get(object, name);
    *number = 0;
    if (!field || json_is_null(field)) {
        return true;
    }
    if (json_is_integer(field)) {
        *number = (uint64_t)json_integer_value(field);
        return json_integer_value(field) >= 0;
    }
    const char *text = json_string_value(field);
    char *end;
    if (!text || *text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    return !*end && !errno;
}

/* The whole reply, an object; NULL otherwise. The caller gives it back by json_decref(). */
static json_t *etcd_load(const char *bytes, size_t length) {
    json_t *root = json_loadb(bytes, length, 0, NULL);
    if (root && !json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

static bool etcd_is_error(const json_t *root) {
    return json_object_get(root, "error");
}

static enum etcd_status etcd_check(const json_t *root) {
    if (!root) {
        return ETCD_BROKEN;
    }
    return etcd_is_error(root) ? ETCD_REFUSED : ETCD_OK;
}

static bool etcd_take_header(const json_t *object, struct etcd_header *header) {
    const json_t *field = json_object_get(object, "header");
    *header = (struct etcd_header){0};
    return json_is_object(field) && etcd_take_number(field, "cluster_id", &header->cluster_id) &&
           etcd_take_number(field, "revision", &header->revision);
}

/* Decodes a text of base64 into new memory; NULL when it is none, or too long. */
static char *etcd_decode(const json_t *field, size_t most, size_t *length) {
    const char *text = json_string_value(field);
    size_t coded = text ? json_string_length(field) : 0;
    *length = 0;
    if (coded == 0 || coded > BASE64_LENGTH(most)) {
        return NULL;
    }
    char *bytes = malloc(coded);
    if (bytes) {
        *length = base64_decode(bytes, text, coded);
    }
    if (*length == 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* A pair whose key can't be one of ours is passed over; false when it hasn't the shape of a pair.
 */
static bool etcd_give_pair(const json_t *field, bool deleted, etcd_take_pair *take, void *context) {
    struct etcd_pair pair = {.deleted = deleted};
    if (!json_is_object(field) || !etcd_take_number(field, "mod_revision", &pair.revision) ||
        !etcd_take_number(field, "lease", &pair.lease) ||
        !json_is_string(json_object_get(field, "key"))) {
        return false;
    }
    const json_t *value_field = json_object_get(field, "value");
    char *key = etcd_decode(json_object_get(field, "key"), ETCD_KEY_BYTES_MAX, &pair.key_length);
    char *value = etcd_decode(value_field, ETCD_VALUE_BYTES_MAX, &pair.value_length);
    pair.key = key;
    pair.value = value ? value : "";
    if (key) {
        take(context, &pair);
    }
    free(key);
    free(value);
    return !value_field || json_is_string(value_field);
}

static bool etcd_give_pairs(const json_t *pairs, etcd_take_pair *take, void *context) {
    size_t count = json_array_size(pairs);
    for (size_t i = 0; i < count; i++) {
        if (!etcd_give_pair(json_array_get(pairs, i), false, take, context)) {
            return false;
        }
    }
    return !pairs || json_is_array(pairs);
}

enum etcd_status etcd_parse_range(const char *bytes, size_t length, struct etcd_header *header,
                                  etcd_take_pair *take, void *context) {
    json_t *root = etcd_load(bytes, length);
    enum etcd_status status = etcd_check(root);
    if (status == ETCD_OK && (!etcd_take_header(root, header) || header->revision == 0 ||
                              !etcd_give_pairs(json_object_get(root, "kvs"), take, context))) {
        status = ETCD_BROKEN;
    }
    json_decref(root);
    return status;
}

static bool etcd_give_event(const json_t *event, etcd_take_pair *take, void *context) {
    const char *type = json_string_value(json_object_get(event, "type"));
    bool deleted = type && strcmp(type, "DELETE") == 0;
    return json_is_object(event) &&
           etcd_give_pair(json_object_get(event, "kv"), deleted, take, context);
}

static bool etcd_give_events(const json_t *events, etcd_take_pair *take, void *context) {
    size_t count = json_array_size(events);
    for (size_t i = 0; i < count; i++) {
        if (!etcd_give_event(json_array_get(events, i), take, context)) {
            return false;
        }
    }
    return !events || json_is_array(events);
}

enum etcd_status etcd_parse_watch(const char *bytes, size_t length, struct etcd_watch *watch,
                                  etcd_take_pair *take, void *context) {
    json_t *root = etcd_load(bytes, length);
    enum etcd_status status = etcd_check(root);
    const json_t *result = json_object_get(root, "result");
    *watch = (struct etcd_watch){0};
    if (status == ETCD_OK &&
        (!json_is_object(result) || !etcd_take_header(result, &watch->header) ||
         !etcd_give_events(json_object_get(result, "events"), take, context))) {
        status = ETCD_BROKEN;
    }
    if (status == ETCD_OK) {
        watch->created = json_is_true(json_object_get(result, "created"));
        watch->canceled = json_is_true(json_object_get(result, "canceled"));
    }
    json_decref(root);
    return status;
}

enum etcd_status etcd_parse_grant(const char *bytes, size_t length, struct etcd_header *header,
                                  uint64_t *lease, uint64_t *ttl_s) {
    json_t *root = etcd_load(bytes, length);
    enum etcd_status status = etcd_check(root);
    *lease = *ttl_s = 0;
    if (status == ETCD_OK &&
        (!etcd_take_header(root, header) || !etcd_take_number(root, "ID", lease) ||
         !etcd_take_number(root, "TTL", ttl_s) || *lease == 0 || *ttl_s == 0)) {
        status = ETCD_BROKEN;
    }
    json_decref(root);
    return status;
}

enum etcd_status etcd_parse_keepalive(const char *bytes, size_t length, struct etcd_header *header,
                                      uint64_t *ttl_s) {
    json_t *root = etcd_load(bytes, length);
    enum etcd_status status = etcd_check(root);
    const json_t *result = json_object_get(root, "result");
    *ttl_s = 0;
    if (status == ETCD_OK && (!json_is_object(result) || !etcd_take_header(result, header) ||
                              !etcd_take_number(result, "TTL", ttl_s))) {
        status = ETCD_BROKEN;
    }
    json_decref(root);
    return status;
}

enum etcd_status etcd_parse_transaction(const char *bytes, size_t length,
                                        struct etcd_header *header, bool *succeeded) {
    json_t *root = etcd_load(bytes, length);
    enum etcd_status status = etcd_check(root);
    const json_t *field = json_object_get(root, "succeeded");
    *succeeded = json_is_true(field);
    if (status == ETCD_OK &&
        (!etcd_take_header(root, header) || (field && !json_is_boolean(field)))) {
        status = ETCD_BROKEN;
    }
    json_decref(root);
    return status;
}

enum etcd_status etcd_parse_done(const char *bytes, size_t length, struct etcd_header *header) {
    json_t *root = etcd_load(bytes, length);
    enum etcd_status status = etcd_check(root);
    if (status == ETCD_OK && !etcd_take_header(root, header)) {
        status = ETCD_BROKEN;
    }
    json_decref(root);
    return status;
}

static bool etcd_is_token(const char *text) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_+/=";
    return text && *text && !text[strspn(text, allowed)] && strlen(text) < ETCD_TOKEN_BYTES;
}

enum etcd_status etcd_parse_token(const char *bytes, size_t length, char token[ETCD_TOKEN_BYTES]) {
    json_t *root = etcd_load(bytes, length);
    enum etcd_status status = etcd_check(root);
    const char *text = json_string_value(json_object_get(root, "token"));
    *token = '\0';
    if (status == ETCD_OK && !etcd_is_token(text)) {
        status = ETCD_BROKEN;
    }
    if (status == ETCD_OK) {
        memcpy(token, text, strlen(text) + 1);
    }
    json_decref(root);
    return status;
}

/* In one line, with what is not printable ASCII replaced. */
static void etcd_copy_message(const char *text, char message[ETCD_MESSAGE_BYTES]) {
    size_t i = 0;
    for (; text && text[i] && i < ETCD_MESSAGE_BYTES - 1; i++) {
        message[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    }
    message[i] = '\0';
}

/* An object of its own (of a watch), or fields beside the text. */
bool etcd_parse_error(const char *bytes, size_t length, uint64_t *code,
                      char message[ETCD_MESSAGE_BYTES]) {
    json_t *root = etcd_load(bytes, length);
    const json_t *error = json_object_get(root, "error");
    const json_t *fields = json_is_object(error) ? error : root;
    const char *text = json_string_value(json_object_get(fields, "message"));
    *code = 0;
    if (!etcd_take_number(fields, json_is_object(error) ? "grpc_code" : "code", code)) {
        *code = 0;
    }
    etcd_copy_message(text ? text : json_string_value(error), message);
    bool is_error = error;
    json_decref(root);
    return is_error;
}
