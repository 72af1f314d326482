/* writer: appends statistics to an output. Private to core/stats.
 *
 * When there is no memory the writer has failed: further calls do nothing, so that only the end has
 * to check.
 */
#ifndef CORE_STATS_WRITER_H
#define CORE_STATS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/stats/command.h"
#include "proto/request.h"

/* The least memory that an item takes. */
#define STATS_ITEM_BYTES_MIN 20u

struct stats_writer {
    struct buffer_pool *pool;
    struct buffer *output;
    const struct request *request;
    bool failed;
};

/* Makes sure that `bytes` more fit into the output. Returns their place, or NULL when the writer
 * has failed. */
char *stats_reserve(struct stats_writer *writer, size_t bytes);

/* Appends one statistic. */
void stats_put(struct stats_writer *writer, const char *name, const char *value);
void stats_put_number(struct stats_writer *writer, const char *name, uint64_t number);
void stats_put_switch(struct stats_writer *writer, const char *name, bool on); /* yes or no */

/* How many decimal digits a number has. */
size_t stats_digits(uint64_t number);

/* The end of the list. */
void stats_put_end(struct stats_writer *writer);

/* Whether there is a group `cluster`. */
bool stats_has_cluster(const struct server_facts *facts);

/* The groups. */
void stats_put_general(struct stats_writer *writer, const struct stats_sources *sources);
void stats_put_settings(struct stats_writer *writer, const struct stats_sources *sources);
void stats_put_items(struct stats_writer *writer, const struct stats_sources *sources);
void stats_put_cluster(struct stats_writer *writer, const struct stats_sources *sources);
void stats_put_slabs(struct stats_writer *writer, const struct shard_stats *sum);
void stats_put_latency(struct stats_writer *writer, const struct latency *latency);
void stats_put_hotkeys(struct stats_writer *writer, const struct hotkeys_list *list);

#endif
