/* The checks fail when a state contradicts itself: each test breaks one thing. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/core/fixture.h"

/* Two shards; the connection's queue holds a get that is at the other one, and a reply behind it.
 */
static void prepare(struct fixture *fixture) {
    char key[16], words[64];
    fixture_init(fixture, 2, 4, STORE_MEMORY_BYTES_MIN);
    fixture_name_key(fixture, key, 1, 0);
    int length = sprintf(words, "get %s\r\nversion\r\n", key);
    fixture_turn(fixture, words, (size_t)length);
    fixture_check(fixture);
    cr_assert(eq(u32, fixture->pipeline.queued, 2));
    cr_assert(eq(u32, fixture->pipeline.outstanding, 1));
}

#define BREAKS(name, statement)                                                                    \
    Test(check, name, .signal = SIGABRT) {                                                         \
        struct fixture fixture;                                                                    \
        prepare(&fixture);                                                                         \
        statement;                                                                                 \
        fixture_check(&fixture);                                                                   \
    }

BREAKS(length_of_the_queue, fixture.pipeline.queued++)
BREAKS(messages_out, fixture.pipeline.outstanding--)
BREAKS(end_of_the_queue, fixture.pipeline.last = fixture.pipeline.first)
BREAKS(reply_not_taken, fixture.pipeline.first->done = true)
BREAKS(message_of_another, fixture.pipeline.first->requester = NULL)
BREAKS(kind_without_a_queue, fixture.pipeline.first->kind = MESSAGE_UPLOAD_CANCEL)
BREAKS(gather_that_is_not_queued, fixture.pipeline.gather = &fixture.shard[1].messages.messages[0])
BREAKS(stalled_and_wanting_more, fixture.pipeline.stalled = fixture.pipeline.wants_more = true)
BREAKS(error_without_an_end, fixture.pipeline.protocol_error = true)
BREAKS(sending_nothing, fixture.pipeline.sending = 1)
BREAKS(message_lost, fixture.shard[0].messages.out--)
BREAKS(credit_lost, mesh_release(fixture.shard[0].port, 1))

Test(check, nothing_is_broken_in_order) {
    struct fixture fixture;
    prepare(&fixture);
    fixture_run_until_idle(&fixture);
    fixture_finish(&fixture);
}
