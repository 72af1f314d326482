#include "core/shard/crawler.h"

#include "core/base/clock.h"
#include "core/shard/shard.h"

static void start(struct shard *shard, bool commanded) {
    uint64_t limit = shard->settings.lru_crawler_tocrawl;
    shard->counters.lru_crawler_starts += shard->id == 0; /* one crawl for all shards */
    shard->counters.lru_crawler_running = 1;
    shard->crawler = (struct crawler){
        .running = true, .commanded = commanded, .left = limit ? limit : UINT64_MAX};
}

void crawler_start(struct shard *shard) {
    start(shard, true);
}

/* Where nothing is, or the crawler is switched off, nothing begins by itself. */
static bool may_begin(const struct shard *shard) {
    return shard->settings.lru_crawler && store_items(shard->store) > 0;
}

/* Seconds until something expires. */
static uint64_t seconds_left(const struct shard *shard) {
    uint32_t soonest = store_expires_soonest(shard->store);
    return soonest > shard->now ? soonest - shard->now : 0;
}

static void slice(struct shard *shard, uint64_t now_ns) {
    struct crawler *crawler = &shard->crawler;
    uint32_t items =
        crawler->left < CRAWLER_SLICE_ITEMS ? (uint32_t)crawler->left : CRAWLER_SLICE_ITEMS;
    uint64_t checked = 0, reclaimed = 0; /* the store's statistics tell */
    uint64_t begun_ns = clock_monotonic_ns(shard->clock);
    bool more =
        store_crawl(shard->store, &crawler->cursor, items, shard->now, &checked, &reclaimed);
    crawler->left -= checked;
    crawler->running = more && crawler->left > 0 && shard->settings.lru_crawler;
    shard->counters.lru_crawler_running = crawler->running;
    uint64_t rest_ns = (uint64_t)shard->settings.lru_crawler_sleep_us * 1000;
    if (!crawler->commanded) {
        rest_ns = CRAWLER_REST * (clock_monotonic_ns(shard->clock) - begun_ns);
    }
    if (!crawler->running) {
        rest_ns = CRAWLER_PAUSE_NS;
    }
    crawler->next_ns = now_ns + rest_ns;
}

void crawler_step(struct shard *shard, uint64_t now_ns) {
    struct crawler *crawler = &shard->crawler;
    if (now_ns < crawler->next_ns) {
        return;
    }
    if (crawler->running) {
        slice(shard, now_ns);
    } else if (may_begin(shard) && seconds_left(shard) == 0) {
        start(shard, false);
        slice(shard, now_ns);
    }
}

uint64_t crawler_wait_ns(const struct shard *shard, uint64_t now_ns) {
    const struct crawler *crawler = &shard->crawler;
    if (!crawler->running && !may_begin(shard)) {
        return UINT64_MAX;
    }
    uint64_t left_ns = crawler->running ? 0 : seconds_left(shard) * 1000000000;
    uint64_t rest_ns = crawler->next_ns > now_ns ? crawler->next_ns - now_ns : 0;
    return left_ns > rest_ns ? left_ns : rest_ns;
}
