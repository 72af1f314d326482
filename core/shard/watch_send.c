#include "core/shard/watch_send.h"

#include <assert.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/shard/shard.h"
#include "core/shard/watch_lines.h"

/* Lines that can't be sent yet, since there is no credit or message, are tried again after this. */
#define WATCH_RETRY_NS 1000000u

#define WATCH_STREAMS_BITS 16

static struct watch_board *watch_board_of(const struct shard *shard) {
    return &shard->all[0]->board;
}

/* Who watches. */

static struct watch_home *watch_find_home(struct watch *watch, uint32_t shard) {
    for (uint32_t i = 0; i < watch->home_count; i++) {
        if (watch->homes[i].shard == shard) {
            return &watch->homes[i];
        }
    }
    return NULL;
}

/* A reactor that is new gets the lines from now on. */
static void watch_add_home(struct watch *watch, struct watch *before, uint32_t shard,
                           uint32_t streams) {
    struct watch_home *home = watch_find_home(watch, shard);
    if (!home) {
        const struct watch_home *old = watch_find_home(before, shard);
        home = &watch->homes[watch->home_count++];
        *home = old ? *old
                    : (struct watch_home){.shard = shard, .position = watch_position_end(before)};
        home->streams = 0;
    }
    home->streams |= streams;
    watch->streams |= streams;
}

void watch_refresh(struct shard *shard) {
    struct watch *watch = &shard->watch;
    struct watch_board *board = watch_board_of(shard);
    struct watch before = *watch;
    watch->home_count = 0;
    watch->streams = 0;
    for (uint32_t i = 0; i < WATCHERS_MAX; i++) {
        uint32_t place = atomic_load_explicit(&board->places[i], memory_order_relaxed);
        if (place != 0) {
            watch_add_home(watch, &before, place >> WATCH_STREAMS_BITS,
                           place & ((1u << WATCH_STREAMS_BITS) - 1));
        }
    }
    if (watch->streams != 0 && !watch->bytes) {
        watch_open(shard);
    } else if (watch->streams == 0) {
        watch_close(shard);
    }
    shard->watching = watch->streams != 0 ? shard : NULL;
    if (shard_holds(shard, shard->id)) {
        watch_serve(&shard->keys, shard->watching);
    }
}

static bool watch_take_place(struct shard *shard, uint32_t streams, uint32_t *place) {
    struct watch_board *board = watch_board_of(shard);
    uint32_t mine = shard->id << WATCH_STREAMS_BITS | streams;
    for (*place = 0; *place < WATCHERS_MAX; ++*place) {
        uint32_t nobody = 0;
        if (atomic_compare_exchange_strong_explicit(&board->places[*place], &nobody, mine,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

bool watch_add(struct shard *shard, struct pipeline *pipeline, uint32_t streams) {
    struct watch *watch = &shard->watch;
    uint32_t place;
    assert(streams > 0 && streams < 1u << WATCH_STREAMS_BITS);
    if (!watch_take_place(shard, streams, &place)) {
        return false;
    }
    assert(watch->watcher_count < WATCHERS_MAX);
    watch->watchers[watch->watcher_count++] =
        (struct watcher){.pipeline = pipeline, .place = place, .streams = streams};
    shard->counters.log_watchers++;
    watch_refresh(shard);
    return true;
}

struct watcher *watch_find(struct shard *shard, const struct pipeline *pipeline) {
    struct watch *watch = &shard->watch;
    for (uint32_t i = 0; i < watch->watcher_count; i++) {
        if (watch->watchers[i].pipeline == pipeline) {
            return &watch->watchers[i];
        }
    }
    return NULL;
}

void watch_remove(struct shard *shard, const struct pipeline *pipeline) {
    struct watch *watch = &shard->watch;
    struct watcher *watcher = watch_find(shard, pipeline);
    if (!watcher) {
        return;
    }
    atomic_store_explicit(&watch_board_of(shard)->places[watcher->place], 0, memory_order_relaxed);
    *watcher = watch->watchers[--watch->watcher_count];
    shard->counters.log_watchers--;
    watch_refresh(shard);
}

/* Lines. */

/* Forgets what all have got. */
static void watch_trim(struct watch *watch) {
    uint64_t oldest = watch_position_end(watch);
    for (uint32_t i = 0; i < watch->home_count; i++) {
        const struct watch_home *home = &watch->homes[i];
        oldest = home->position < oldest ? home->position : oldest;
    }
    size_t sent = (size_t)(oldest - watch->base);
    if (sent > 0 && watch->bytes) {
        memmove(watch->bytes, watch->bytes + sent, watch->length - sent);
    }
    watch->length -= sent;
    watch->base = oldest;
}

/* The record at a position; false at the end. */
static bool watch_record_at(const struct watch *watch, uint64_t position,
                            struct watch_record **record) {
    if (position >= watch_position_end(watch)) {
        return false;
    }
    *record = (void *)(watch->bytes + (position - watch->base));
    return true;
}

/* Gives the lines that have none their gid, all with one atomic addition. */
static void watch_number(struct shard *shard) {
    struct watch *watch = &shard->watch;
    const struct clock *clock = shard->keys.clock;
    struct watch_record *record;
    uint64_t count = 0, end = watch_position_end(watch);
    for (uint64_t at = watch->numbered; watch_record_at(watch, at, &record);
         at += watch_record_bytes(record->length)) {
        count++;
    }
    if (count == 0) {
        return;
    }
    uint64_t gid =
        atomic_fetch_add_explicit(&watch_board_of(shard)->gid, count, memory_order_relaxed);
    uint64_t moved_ns = (uint64_t)clock->unix_ns(clock) - clock_monotonic_ns(clock);
    for (uint64_t at = watch->numbered; watch_record_at(watch, at, &record);
         at += watch_record_bytes(record->length)) {
        record->gid = ++gid;
        record->at_ns += moved_ns;
    }
    watch->numbered = end;
}

/* Sending. */

/* Copies lines that a reactor wants from its position on, as many as fit. Returns their bytes. */
static size_t watch_fill(const struct watch *watch, struct watch_home *home, char *to,
                         size_t bound) {
    struct watch_record *record;
    size_t filled = 0;
    while (watch_record_at(watch, home->position, &record)) {
        size_t bytes = watch_record_bytes(record->length);
        if (filled + bytes > bound) {
            break;
        }
        if (record->stream & home->streams) {
            memcpy(to + filled, record, bytes);
            filled += bytes;
        }
        home->position += bytes;
    }
    return filled;
}

static void watch_sent(struct shard *shard, struct message *message) {
    struct watch_home *home = watch_find_home(&shard->watch, (uint32_t)message->hash);
    if (home && home->out > 0) { /* else it has gone, and perhaps come again, meanwhile */
        home->out--;
    }
    message_give(&shard->messages, message);
    if (home && home->position < watch_position_end(&shard->watch)) {
        shard->hooks->flush_watch_at(shard->reactor, shard->now_ns);
    }
}

static void watch_send(struct shard *shard, struct watch_home *home) {
    const struct watch *watch = &shard->watch;
    while (home->position < watch_position_end(watch) && home->out < WATCH_MESSAGES_MAX &&
           shard_messages_left(shard) > 0 && shard->messages.wides_free > 0 &&
           mesh_has_credit(shard->port, home->shard)) {
        struct message *message = message_take(&shard->messages);
        assert(message);
        message_widen(&shard->messages, message, true);
        size_t bytes = watch_fill(watch, home, message->wide, MESSAGE_VALUE_BYTES_MAX);
        if (bytes == 0) {
            message_give(&shard->messages, message);
            return;
        }
        message->kind = MESSAGE_WATCH;
        message->complete = watch_sent;
        message->hash = home->shard;
        message->result = (struct result){.value_length = (uint32_t)bytes};
        mesh_send_request(shard->port, home->shard, message);
        shard->counters.mesh_requests++;
        home->out++;
    }
}

static void watch_keep(struct shard *shard, struct watch_home *home) {
    const struct watch *watch = &shard->watch;
    const char *lines = watch->bytes + (home->position - watch->base);
    shard->hooks->watch_lines(shard->reactor, lines,
                              (size_t)(watch_position_end(watch) - home->position));
    home->position = watch_position_end(watch);
}

void watch_flush(struct shard *shard) {
    struct watch *watch = &shard->watch;
    watch_refresh(shard);
    if (!watch->bytes) {
        return;
    }
    watch_number(shard);
    for (uint32_t i = 0; i < watch->home_count; i++) {
        struct watch_home *home = &watch->homes[i];
        if (home->shard == shard->id) {
            watch_keep(shard, home);
        } else {
            watch_send(shard, home);
        }
    }
    watch_trim(watch);
    if (watch->length > 0) {
        shard->hooks->flush_watch_at(shard->reactor, shard->now_ns + WATCH_RETRY_NS);
    }
}

void watch_receive(struct shard *shard, const struct message *message) {
    shard->hooks->watch_lines(shard->reactor, message->wide, message->result.value_length);
}
