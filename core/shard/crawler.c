#include "core/shard/crawler.h"

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/shard/flush_slots.h"
#include "core/shard/keyspace.h"
#include "core/shard/watch_lines.h"

static void crawler_begin(struct keyspace *keys, const struct server_settings *settings,
                          bool commanded) {
    bool flushes = store_flushes_prefixes(keys->store);
    uint64_t limit = flushes && !commanded ? 0 : settings->lru_crawler_tocrawl;
    flush_slots_settle(keys, 0);
    keys->counters.lru_crawler_starts += keys->id == 0; /* one crawl for all shards */
    keys->counters.lru_crawler_running = 1;
    uint64_t before_ns = keys->crawler.begun_ns > 0 ? keys->crawler.ended_ns : 0;
    keys->crawler = (struct crawler){.running = true,
                                     .commanded = commanded,
                                     .flushes = flushes,
                                     .left = limit ? limit : UINT64_MAX,
                                     .begun_ns = keys->now_ns,
                                     .before_ns = before_ns};
}

void crawler_start(struct keyspace *keys, const struct server_settings *settings) {
    crawler_begin(keys, settings, true);
}

/* The tick in which the next crawl begins by itself; UINT32_MAX: in none. While there is room for
 * more, what is dead stays for a while, so that who asks for it is told apart from who asks for
 * what never was (get_expired and get_flushed of the statistics). But not where rules of
 * flush_prefix are to end, of which there may be few: not even where the crawler is disabled. */
static uint32_t crawler_due(const struct keyspace *keys, const struct server_settings *settings) {
    if (keys->flush_rules != 0 &&
        (store_flushes_prefixes(keys->store) || store_prefixes(keys->store) != keys->flush_rules)) {
        return 0;
    }
    uint32_t soonest = store_expires_soonest(keys->store);
    if (!settings->lru_crawler || soonest >= UINT32_MAX - CRAWLER_GRACE_TICKS) {
        return UINT32_MAX;
    }
    return soonest != 0 && store_has_room(keys->store) ? soonest + CRAWLER_GRACE_TICKS : soonest;
}

static void crawler_slice(struct keyspace *keys, const struct server_settings *settings,
                          uint64_t now_ns) {
    struct crawler *crawler = &keys->crawler;
    uint32_t items =
        crawler->left < CRAWLER_SLICE_ITEMS ? (uint32_t)crawler->left : CRAWLER_SLICE_ITEMS;
    uint64_t checked = 0, reclaimed = 0;
    uint64_t begun_ns = clock_monotonic_ns(keys->clock);
    bool more = store_crawl(keys->store, &crawler->cursor, items, keys->now, &checked, &reclaimed);
    crawler->left -= checked;
    crawler->examined += checked;
    crawler->reclaimed += reclaimed;
    crawler->running = more && crawler->left > 0 && (settings->lru_crawler || crawler->flushes);
    keys->counters.lru_crawler_running = crawler->running;
    uint64_t rest_ns = (uint64_t)settings->lru_crawler_sleep_us * 1000;
    if (!crawler->commanded) {
        rest_ns = (crawler->flushes ? CRAWLER_REST_FLUSHES : CRAWLER_REST) *
                  (clock_monotonic_ns(keys->clock) - begun_ns);
    }
    if (!crawler->running) {
        flush_slots_settle(keys, 0);
        rest_ns = CRAWLER_PAUSE_NS;
        crawler->ended_ns = now_ns;
        watch_tell_crawl(keys, now_ns);
    }
    crawler->next_ns = now_ns + rest_ns;
}

void crawler_step(struct keyspace *keys, const struct server_settings *settings, uint64_t now_ns) {
    struct crawler *crawler = &keys->crawler;
    if (now_ns < crawler->next_ns) {
        return;
    }
    if (crawler->running) {
        crawler_slice(keys, settings, now_ns);
    } else if (crawler_due(keys, settings) <= keys->now) {
        crawler_begin(keys, settings, false);
        crawler_slice(keys, settings, now_ns);
    }
}

uint64_t crawler_wait_ns(const struct keyspace *keys, const struct server_settings *settings,
                         uint64_t now_ns) {
    const struct crawler *crawler = &keys->crawler;
    uint64_t left_ns = 0;
    if (!crawler->running) {
        uint32_t due = crawler_due(keys, settings);
        if (due == UINT32_MAX) {
            return UINT64_MAX;
        }
        left_ns = due > keys->now ? (due - keys->now) * CLOCK_TICK_NS : 0;
    }
    uint64_t rest_ns = crawler->next_ns > now_ns ? crawler->next_ns - now_ns : 0;
    return left_ns > rest_ns ? left_ns : rest_ns;
}

/* While it runs the reactor comes back for the next slice, and then plans again. */
void crawler_plan(struct keyspace *keys, const struct server_settings *settings) {
    keys->crawler.planned = keys->crawler.running ? 0 : crawler_due(keys, settings);
}

bool crawler_is_late(const struct keyspace *keys, const struct server_settings *settings) {
    return crawler_due(keys, settings) < keys->crawler.planned;
}
