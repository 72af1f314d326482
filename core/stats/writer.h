/* stats_writer: appends statistics to an output. Private to core/stats*.c and prefix.c.
 *
 * Once memory is missing the writer has failed, and takes everything else without doing anything,
 * so that only the end has to look.
 */
#ifndef CORE_STATS_WRITER_H
#define CORE_STATS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/stats/command.h"
#include "proto/request.h"

/* No item takes less memory. */
#define STATS_ITEM_BYTES_MIN 20u

struct stats_writer {
    struct buffer_pool *pool;
    struct buffer *output;
    const struct request *request;
    bool failed;
};

/* Room for `bytes` more in the output; where they begin, or NULL when the writer has failed. */
char *stats_room(struct stats_writer *writer, size_t bytes);

/* One statistic. Names and values are no longer than memory allows. */
void stats_put(struct stats_writer *writer, const char *name, const char *value);
void stats_put_number(struct stats_writer *writer, const char *name, uint64_t number);
void stats_put_switch(struct stats_writer *writer, const char *name, bool on); /* yes or no */

/* The end of the list. */
void stats_put_end(struct stats_writer *writer);

/* The groups. */
void stats_put_general(struct stats_writer *writer, const struct stats_sources *sources);
void stats_put_settings(struct stats_writer *writer, const struct stats_sources *sources);
void stats_put_items(struct stats_writer *writer, const struct stats_sources *sources);
void stats_put_slabs(struct stats_writer *writer, const struct shard_stats *sum);

#endif
