#include "core/pipeline/trace.h"
#include "proto/reply.h"

#include <string.h>

/* True for the first key of a line of several. */
static bool is_first_of_keys(const struct request *request) {
    return request->protocol == PROTOCOL_TEXT && (request->op == OP_GET || request->op == OP_GAT) &&
           !request->last;
}

/* From the first key to the end of its line, as far as it has been received and fits the log. */
static size_t keys_length(const struct batch_slot *slot) {
    const struct pipeline *pipeline = slot->pipeline;
    const char *keys = slot->request.key;
    size_t there = (size_t)(pipeline->bytes + pipeline->length - keys);
    size_t length = there < LOG_TEXT_MAX + 1 ? there : LOG_TEXT_MAX + 1;
    const char *newline = memchr(keys, '\n', length);
    if (!newline) {
        return length;
    }
    return (size_t)(newline - keys) - (newline[-1] == '\r');
}

static void put_keys(struct log_entry *entry, const struct batch_slot *slot) {
    const struct request *request = &slot->request;
    size_t length = is_first_of_keys(request) ? keys_length(slot) : request->key_length;
    if (length == 0 || request->op == OP_LOGIN) {
        return;
    }
    log_put(entry, " ");
    log_put_text(entry, request->key, length);
}

static void put_error(struct log_entry *entry, const struct request *request) {
    char error[REPLY_ERROR_MAX];
    if (request->error != PROTO_ERROR_NONE && request->error != PROTO_ERROR_LOGIN_STEP) {
        log_put(entry, " refused: %.*s", (int)reply_error_text(error, request), error);
    }
}

/* True for a further request of a command that has been logged. */
static bool goes_on(const struct batch_slot *slot) {
    const struct request *request = &slot->request;
    bool in_value = request->op == OP_UPLOAD_PART ||
                    (request->op == OP_UPLOAD_END && request->error == PROTO_ERROR_NONE);
    return in_value || parser_is_amid_keys(&slot->before);
}

void pipeline_log(struct shard *shard, const struct batch_slot *slot) {
    struct log_entry entry;
    if (goes_on(slot)) {
        return;
    }
    log_begin(&entry, slot->pipeline->number);
    log_put(&entry, " %s", request_name(&slot->request));
    put_keys(&entry, slot);
    put_error(&entry, &slot->request);
    log_end(&shard->log, &entry);
}

struct panic_work pipeline_describe(const void *work) {
    const struct batch_slot *slot = work;
    return (struct panic_work){.connection = slot->pipeline->number,
                               .command = request_name(&slot->request)};
}
