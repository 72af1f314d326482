#include "core/crawler.h"

#include "core/shard.h"

void crawler_start(struct shard *shard) {
    uint64_t limit = shard->settings.lru_crawler_tocrawl;
    shard->counters.lru_crawler_starts += shard->id == 0; /* one crawl for all shards */
    shard->counters.lru_crawler_running = 1;
    shard->crawler = (struct crawler){.running = true, .left = limit ? limit : UINT64_MAX};
}

void crawler_step(struct shard *shard, uint64_t now_ns) {
    struct crawler *crawler = &shard->crawler;
    if (!crawler->running || now_ns < crawler->next_ns)
        return;
    uint32_t slice =
        crawler->left < CRAWLER_SLICE_ITEMS ? (uint32_t)crawler->left : CRAWLER_SLICE_ITEMS;
    uint64_t checked = 0, reclaimed = 0; /* the store's statistics tell */
    bool more =
        store_crawl(shard->store, &crawler->cursor, slice, shard->now, &checked, &reclaimed);
    crawler->left -= checked;
    crawler->running = more && crawler->left > 0 && shard->settings.lru_crawler;
    shard->counters.lru_crawler_running = crawler->running;
    crawler->next_ns = now_ns + (uint64_t)shard->settings.lru_crawler_sleep_us * 1000;
}
