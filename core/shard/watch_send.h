/* watch_send: who watches, and the sending of lines to them; core/shard/watch.h has the picture.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_SHARD_WATCH_SEND_H
#define CORE_SHARD_WATCH_SEND_H

#include <stdbool.h>
#include <stdint.h>

struct message;
struct pipeline;
struct shard;
struct watcher;

/* A client of this reactor begins to watch these streams; the others are to be told by a message,
 * see watch_refresh(). False when WATCHERS_MAX do already. */
bool watch_add(struct shard *shard, struct pipeline *pipeline, uint32_t streams);

/* The watcher that this pipeline is, or NULL; and its end. */
struct watcher *watch_find(struct shard *shard, const struct pipeline *pipeline);
void watch_remove(struct shard *shard, const struct pipeline *pipeline);

/* Looks at the board. */
void watch_refresh(struct shard *shard);

/* Sends the lines to those who watch. Called when the hook flush_watch_at of the shard said. */
void watch_flush(struct shard *shard);

/* Lines have come from another reactor. */
void watch_receive(struct shard *shard, const struct message *message);

#endif
