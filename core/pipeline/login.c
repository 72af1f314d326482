#include "core/pipeline/login.h"

#include <assert.h>
#include <string.h>

#include "core/pipeline/queue.h"
#include "proto/login.h"

static void login_note(struct pipeline *pipeline, struct shard *shard, enum result_status status) {
    pipeline->parser.must_login = status != RESULT_OK;
    if (status == RESULT_LOGIN_CONTINUES) {
        return;
    }
    shard->counters.auth_cmds++;
    shard->counters.auth_errors += status != RESULT_OK;
    pipeline->logins_failed += status != RESULT_OK;
}

static bool login_is_known(struct shard *shard, const struct request *request) {
    struct credentials credentials;
    return login_credentials(request, &credentials) &&
           logins_check(shard_logins(shard), &credentials);
}

static bool login_run_here(struct pipeline *pipeline, struct shard *shard,
                           const struct batch_slot *slot, bool known) {
    struct result result = {.status = known ? RESULT_OK : RESULT_LOGIN_FAILED};
    login_note(pipeline, shard, (enum result_status)result.status);
    queue_answer(pipeline, shard, slot, &result, true);
    return true;
}

/* The message is parked, as it may be held for long. */
static bool login_wait(struct pipeline *pipeline, struct shard *shard,
                       const struct batch_slot *slot) {
    struct message *message = queue_add(pipeline, shard, MESSAGE_LOGIN);
    message_keep_request(message, &slot->request, slot->hash);
    message_park(&shard->messages, message);
    message->result = (struct result){.status = RESULT_LOGIN_FAILED};
    message->done = false;
    pipeline->parser.must_login = true;
    return true;
}

static bool login_run(struct pipeline *pipeline, struct shard *shard,
                      const struct batch_slot *slot) {
    const struct request *request = &slot->request;
    if (!pipeline->parser.sasl_steps) {
        return (!pipeline->first || queue_may_add(pipeline, shard)) &&
               login_run_here(pipeline, shard, slot, login_is_known(shard, request));
    }
    if (pipeline->first || !queue_may_add(pipeline, shard)) {
        return false;
    }
    return shard->hooks->begin_login(shard->reactor, pipeline, request)
               ? login_wait(pipeline, shard, slot)
               : login_run_here(pipeline, shard, slot, false);
}

/* It has been run and is not parsed again: the bytes are a receive buffer's or the input's, which
 * are written to by those who receive, and would keep the password until then. */
static void login_wipe(const struct request *request) {
    if (request->value_length > 0) {
        explicit_bzero((char *)request->value, request->value_length);
    }
}

bool pipeline_run_login(struct pipeline *pipeline, struct shard *shard,
                        const struct batch_slot *slot) {
    if (!login_run(pipeline, shard, slot)) {
        return false;
    }
    login_wipe(&slot->request);
    return true;
}

void pipeline_end_login(struct pipeline *pipeline, struct shard *shard,
                        const struct result *result) {
    struct message *message = pipeline->first;
    assert(pipeline_awaits_login(pipeline));
    assert(!message->done);
    login_note(pipeline, shard, (enum result_status)result->status);
    message->result = *result; /* it is alone in the queue, so its reply is written at once */
    queue_executed(pipeline, shard, message);
    shard->hooks->progressed(shard->reactor, pipeline);
}

void pipeline_abandon_login(struct pipeline *pipeline) {
    assert(pipeline_awaits_login(pipeline));
    pipeline->first->done = true;
}
