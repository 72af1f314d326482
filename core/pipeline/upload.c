#include "core/pipeline/upload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/queue.h"
#include "core/shard/execute.h"

struct upload {
    struct request request; /* OP_REJECT or OP_ERROR once it has failed */
    uint64_t hash;
    uint32_t owner;
    uint32_t taken;                   /* bytes of the next part that are in already */
    uint32_t bytes_unplaced;          /* bytes of the value that no window has been given for */
    struct upload_window window;      /* of the owner's memory, for the next bytes */
    struct upload_window next_window; /* for the bytes behind those */
    uint32_t out;                     /* messages under way (begin or window), at most 1 */
    bool busy;                        /* the owner has refused the begin for now */
    uint32_t begun_s;                 /* on the store's scale */
    uint64_t handle;              /* of the owner's store; 0 before the begin and after a cancel */
    char text[MESSAGE_KEY_BYTES]; /* key and opaque */
};

uint32_t upload_owner(const struct upload *upload) {
    return upload->owner;
}

uint32_t upload_held_since(const struct upload *upload) {
    return upload->handle ? upload->begun_s : 0;
}

static bool has_failed(const struct upload *upload) {
    return upload->request.error != PROTO_ERROR_NONE;
}

static void upload_fail(struct upload *upload, enum proto_error error) {
    bool drops = upload->request.delete_on_refusal && error != PROTO_ERROR_DATA_CHUNK;
    if (has_failed(upload)) {
        return;
    }
    upload->request.refused_op = upload->request.op;
    upload->request.op = drops ? OP_REJECT : OP_ERROR;
    upload->request.error = (uint8_t)error;
}

static void take_status(struct upload *upload, enum store_status status) {
    upload->busy = status == STORE_BUSY;
    if (status != STORE_OK && status != STORE_BUSY) {
        upload_fail(upload,
                    status == STORE_TOO_LARGE ? PROTO_ERROR_TOO_LARGE : PROTO_ERROR_NO_MEMORY);
    }
}

static void take_window(struct upload *upload, enum store_status status,
                        const struct upload_window *window) {
    take_status(upload, status);
    if (status != STORE_OK) {
        return;
    }
    assert(window->length > 0 && window->length <= upload->bytes_unplaced);
    assert(upload->next_window.length == 0);
    upload->bytes_unplaced -= window->length;
    if (upload->window.length == 0) {
        upload->window = *window;
    } else {
        upload->next_window = *window;
    }
}

static void take_begin(struct upload *upload, enum store_status status, uint64_t handle,
                       const struct upload_window *window, uint32_t now) {
    upload->handle = handle;
    upload->begun_s = now;
    take_window(upload, status, window);
}

/* The completion of a begin or a request for a window. */
static void upload_complete(struct shard *shard, struct message *message) {
    struct pipeline *pipeline = message->requester;
    struct upload *upload = pipeline->upload;
    enum store_status status = (enum store_status)message->status;
    assert(upload->out > 0);
    upload->out--;
    if (message->kind == MESSAGE_UPLOAD_BEGIN) {
        take_begin(upload, status, message->large, &message->window, shard->now_s);
    } else {
        take_window(upload, status, &message->window);
    }
    message_give(&shard->messages, message);
    shard->hooks->progressed(shard->reactor, pipeline);
}

static bool may_send(const struct shard *shard, uint32_t to) {
    return shard_messages_left(shard) > 0 && mesh_has_credit(shard->port, to);
}

/* Sends a message that has no place in the queue. */
static void upload_send(struct pipeline *pipeline, struct shard *shard, enum message_kind kind,
                        struct message *message) {
    message->kind = (uint8_t)kind;
    message->requester = pipeline;
    message->complete = upload_complete;
    mesh_send_request(shard->port, pipeline->upload->owner, message);
    shard->counters.mesh_requests++;
    pipeline->upload->out++;
}

/* Begin. */

static struct upload *upload_create(const struct batch_slot *slot) {
    struct upload *upload = malloc(sizeof(*upload));
    if (!upload) {
        return NULL;
    }
    *upload = (struct upload){
        .request = slot->request,
        .hash = slot->hash,
        .owner = slot->owner,
        .bytes_unplaced = slot->request.value_length,
    };
    struct request *request = &upload->request;
    request->upload = false;
    memcpy(upload->text, request->key, request->key_length);
    request->key = upload->text;
    if (request->token_length > 0) {
        memcpy(upload->text + request->key_length, request->token, request->token_length);
    }
    request->token = upload->text + request->key_length;
    return upload;
}

/* Takes memory of the owner: at once on this shard, else by a message for which there is credit. */
static void upload_begin(struct pipeline *pipeline, struct shard *shard) {
    struct upload *upload = pipeline->upload;
    if (shard_holds(shard, upload->owner)) {
        uint64_t handle;
        struct upload_window window;
        enum store_status status = execute_upload_begin(&shard->keys, pipeline, &upload->request,
                                                        upload->hash, &handle, &window);
        take_begin(upload, status, handle, &window, shard->now_s);
        return;
    }
    struct message *message = message_take(&shard->messages);
    message_keep_request(message, &upload->request, upload->hash);
    upload_send(pipeline, shard, MESSAGE_UPLOAD_BEGIN, message);
}

static bool upload_start(struct pipeline *pipeline, struct shard *shard,
                         const struct batch_slot *slot) {
    bool may = shard_holds(shard, slot->owner) || may_send(shard, slot->owner);
    if (!may || pipeline->bare > 0) { /* its begin may drop what such a read has still to get */
        return false;
    }
    pipeline->upload = upload_create(slot);
    if (!pipeline->upload) {
        pipeline->out_of_memory = true;
        return false;
    }
    shard->uploads++;
    upload_begin(pipeline, shard);
    return true;
}

bool upload_is_busy(const struct upload *upload) {
    return upload->busy;
}

void upload_retry(struct pipeline *pipeline, struct shard *shard) {
    const struct upload *upload = pipeline->upload;
    bool asks = upload->out > 0;
    if (!asks && (shard_holds(shard, upload->owner) || may_send(shard, upload->owner))) {
        upload_begin(pipeline, shard);
    }
}

/* Parts. */

/* Asks another shard for the next window while the first is being filled, so that the connection
 * does not have to wait for it. */
static void request_window(struct pipeline *pipeline, struct shard *shard) {
    struct upload *upload = pipeline->upload;
    if (upload->owner == shard->id || upload->out > 0 || upload->next_window.length > 0 ||
        upload->bytes_unplaced == 0 || has_failed(upload) || !may_send(shard, upload->owner)) {
        return;
    }
    struct message *message = message_take(&shard->messages);
    message->large = upload->handle;
    upload_send(pipeline, shard, MESSAGE_UPLOAD_WINDOW, message);
}

/* Goes on to the next window where one is used up. False when there is none yet. */
static bool has_window(struct pipeline *pipeline, struct shard *shard) {
    struct upload *upload = pipeline->upload;
    if (upload->window.length == 0 && upload->next_window.length > 0) {
        upload->window = upload->next_window;
        upload->next_window.length = 0;
    }
    if (upload->window.length == 0 && shard_holds(shard, upload->owner)) {
        struct upload_window window;
        take_window(upload, execute_upload_window(&shard->keys, upload->handle, &window), &window);
    }
    request_window(pipeline, shard);
    return upload->window.length > 0;
}

static void use_window(struct upload *upload, uint32_t length) {
    assert(length <= upload->window.length);
    upload->window.bytes += length;
    upload->window.length -= length;
}

/* Writes a part into the windows; after a failure its bytes are dropped. False when it is not all
 * in: it is run again then, perhaps with more bytes at its end. The caller clears `taken`. */
static bool write_part(struct pipeline *pipeline, struct shard *shard, const struct request *part) {
    struct upload *upload = pipeline->upload;
    while (upload->taken < part->value_length && !has_failed(upload)) {
        bool begins = upload->handle == 0;
        if (begins || !has_window(pipeline, shard)) {
            if (has_failed(upload)) {
                break;
            }
            return false;
        }
        uint32_t left = part->value_length - upload->taken;
        uint32_t length = left < upload->window.length ? left : upload->window.length;
        memcpy(upload->window.bytes, part->value + upload->taken, length);
        use_window(upload, length);
        upload->taken += length;
    }
    return true;
}

static bool add_part(struct pipeline *pipeline, struct shard *shard, const struct request *part) {
    if (!write_part(pipeline, shard, part)) {
        return false;
    }
    pipeline->upload->taken = 0;
    return true;
}

struct upload_window upload_window(const struct upload *upload) {
    bool in_order = upload->taken == 0 && !has_failed(upload);
    return in_order ? upload->window : (struct upload_window){0};
}

void upload_received(struct pipeline *pipeline, struct shard *shard, uint32_t length) {
    use_window(pipeline->upload, length);
    if (pipeline->upload->window.length == 0) {
        has_window(pipeline, shard);
    }
}

/* The end. */

void upload_free(struct pipeline *pipeline, struct shard *shard) {
    if (!pipeline->upload) {
        return;
    }
    free(pipeline->upload);
    pipeline->upload = NULL;
    shard->uploads--;
}

/* Gives the owner its memory back. False without credit or a message for it. */
static bool upload_cancel(struct shard *shard, struct upload *upload) {
    assert(upload->out == 0);
    if (upload->handle == 0) {
        return true;
    }
    if (shard_holds(shard, upload->owner)) {
        store_upload_cancel(shard->keys.store, upload->handle);
    } else {
        if (!mesh_has_credit(shard->port, upload->owner) || !shard_has_spare_message(shard)) {
            return false;
        }
        struct message *message = message_take(&shard->messages);
        message->kind = MESSAGE_UPLOAD_CANCEL;
        message->complete = shard_give_message;
        message->large = upload->handle;
        mesh_send_request(shard->port, upload->owner, message);
        shard->counters.mesh_requests++;
    }
    upload->handle = 0;
    return true;
}

bool upload_abort(struct pipeline *pipeline, struct shard *shard) {
    struct upload *upload = pipeline->upload;
    if (!upload) {
        return true;
    }
    if (upload->out > 0 || !upload_cancel(shard, upload)) {
        return false;
    }
    upload_free(pipeline, shard);
    return true;
}

struct batch_slot upload_slot(struct pipeline *pipeline) {
    const struct upload *upload = pipeline->upload;
    return (struct batch_slot){.pipeline = pipeline,
                               .hash = upload->hash,
                               .owner = upload->owner,
                               .request = upload->request};
}

static bool commit_here(struct pipeline *pipeline, struct shard *shard) {
    const struct batch_slot slot = upload_slot(pipeline);
    struct result result;
    if (pipeline->first && !queue_may_add(pipeline, shard)) {
        return false;
    }
    execute_any_upload_end(&shard->keys, pipeline->number, &slot.request, slot.hash,
                           pipeline->upload->handle, &result);
    queue_answer(pipeline, shard, &slot, &result, true);
    upload_free(pipeline, shard);
    return true;
}

static bool commit_there(struct pipeline *pipeline, struct shard *shard) {
    struct upload *upload = pipeline->upload;
    if (!queue_may_send(pipeline, shard, upload->owner)) {
        return false;
    }
    struct message *message = queue_add(pipeline, shard, MESSAGE_UPLOAD_END);
    message_keep_request(message, &upload->request, upload->hash);
    message->large = upload->handle;
    queue_send(pipeline, shard, upload->owner, message);
    upload_free(pipeline, shard);
    return true;
}

static enum upload_progress upload_end(struct pipeline *pipeline, struct shard *shard,
                                       const struct request *last) {
    struct upload *upload = pipeline->upload;
    if (!write_part(pipeline, shard, last)) {
        return UPLOAD_WAITS;
    }
    assert(upload->out == 0);
    if (last->error != PROTO_ERROR_NONE) {
        upload_fail(upload, (enum proto_error)last->error);
    }
    if (has_failed(upload)) {
        return upload_cancel(shard, upload) ? UPLOAD_REFUSED : UPLOAD_WAITS;
    }
    bool committed = shard_holds(shard, upload->owner) ? commit_here(pipeline, shard)
                                                       : commit_there(pipeline, shard);
    return committed ? UPLOAD_ENDED : UPLOAD_WAITS;
}

enum upload_progress upload_run(struct pipeline *pipeline, struct shard *shard,
                                const struct batch_slot *slot) {
    const struct request *request = &slot->request;
    if (request->upload) {
        return upload_start(pipeline, shard, slot) ? UPLOAD_ENDED : UPLOAD_WAITS;
    }
    if (request->op == OP_UPLOAD_PART) {
        return add_part(pipeline, shard, request) ? UPLOAD_ENDED : UPLOAD_WAITS;
    }
    assert(request->op == OP_UPLOAD_END);
    return upload_end(pipeline, shard, request);
}

void upload_check(const struct upload *upload, const struct shard *shard) {
    uint32_t windows = upload->window.length + upload->next_window.length;
    assert(upload->owner < shard->count);
    assert(upload->out <= 1);
    assert(upload->out == 0 || upload->owner != shard->id);
    assert(!(upload->busy && upload->handle != 0));
    if (has_failed(upload)) {
        assert(upload->request.op == OP_REJECT || upload->request.op == OP_ERROR);
    } else {
        assert(upload->bytes_unplaced + windows <= upload->request.value_length);
    }
    /* One that has failed is cancelled, and waits to be answered. */
    assert(upload->handle != 0 || windows == 0 || has_failed(upload));
}
