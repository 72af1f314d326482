/* settings: what commands change while the server runs. Each shard has a copy, which its reactor
 * alone reads and writes; a command that changes them is sent to every shard. */
#ifndef CORE_BASE_SETTINGS_H
#define CORE_BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct server_settings {
    /* cache_memlimit: of all shards together. */
    uint64_t memory_bytes;
    /* When the last flush_all takes effect: a tick of the store, past or to come; 0: none yet. */
    uint32_t flushed_at;
    /* lru_crawler tocrawl, sleep, enable and disable. */
    uint64_t lru_crawler_tocrawl; /* items of one scan, 0 for all */
    uint32_t lru_crawler_sleep_us;
    bool lru_crawler;
    /* verbosity: see enum log_level. */
    uint32_t verbosity;
    /* stats detail on and off. */
    bool detail_enabled;
};

#endif
