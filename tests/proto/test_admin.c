/* Commands for those who run the server: bytes to requests. */
#include "stream.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define K251 STREAM_K251

#define CASE STREAM_CASE
#define CHECK_ALL STREAM_CHECK_ALL

Test(admin, lru_crawler) {
    static const struct stream_case cases[] = {
        CASE("lru_crawler enable\r\n", "crawler_switch d1"),
        CASE("lru_crawler disable\r\n", "crawler_switch"),
        CASE("lru_crawler metadump all\r\n", "metadump all"),
        CASE("lru_crawler mgdump hash\r\n", "mgdump hash"),
        CASE("lru_crawler  crawl  1,2,3 \n", "crawl 1,2,3"),
        CASE("lru_crawler sleep 100\r\n", "crawler_sleep d100"),
        CASE("lru_crawler sleep 1000000\r\n", "crawler_sleep d1000000"),
        CASE("lru_crawler sleep 1000001\r\n", "ERROR crawler_sleep"),
        CASE("lru_crawler sleep -1\r\n", "ERROR format"),
        CASE("lru_crawler sleep x\r\n", "ERROR format"),
        CASE("lru_crawler sleep +1\r\n", "ERROR format"),
        CASE("lru_crawler sleep 000000000001\r\n", "ERROR format"),
        CASE("lru_crawler tocrawl 5\r\n", "crawler_tocrawl d5"),
        CASE("lru_crawler tocrawl +5\r\n", "ERROR format"),
        CASE("lru_crawler tocrawl 4294967296\r\n", "ERROR format"),
        CASE("lru_crawler\r\n", "ERROR command"),
        CASE("lru_crawler foo\r\n", "ERROR command"),
        CASE("lru_crawler foo all\r\n", "ERROR command"),
        CASE("lru_crawler metadump\r\n", "ERROR command"),
        CASE("lru_crawler metadump all 2\r\n", "ERROR command"),
        CASE("lru_crawler enable x\r\n", "ERROR command"),
        CASE("lru_crawler disable noreply\r\n", "ERROR command quiet"),
        CASE("lru_crawler crawl " K251 "\r\n", "ERROR format"),
    };
    CHECK_ALL(cases);
}

Test(admin, lru) {
    static const struct stream_case cases[] = {
        CASE("lru tune 10 20 0.5 2\r\n", "ok"),
        CASE("lru tune 10 20 0.5 2 noreply\r\n", "ok quiet"),
        CASE("lru tune 40 41 1 1\r\n", "ERROR lru_shares"),
        CASE("lru tune 4294967295 1 1 1\r\n", "ERROR lru_shares"),
        CASE("lru tune 10 10 0 1\r\n", "ERROR lru_factors"),
        CASE("lru tune 10 10 1 0.0\r\n", "ERROR lru_factors"),
        CASE("lru tune 10 x 1 1\r\n", "ERROR command"),
        CASE("lru tune 10 10 . 1\r\n", "ERROR command"),
        CASE("lru tune 10 10 1.1.1 1\r\n", "ERROR command"),
        CASE("lru tune 10 10 1\r\n", "ERROR command"),
        CASE("lru tune +10 10 1 1\r\n", "ERROR command"),
        CASE("lru tune 10 10 +1 1e-1\r\n", "ok"),
        CASE("lru tune 10 10 \t1 1\tx\r\n", "ok"),
        CASE("lru tune 10 10 -1 1\r\n", "ERROR lru_factors"),
        CASE("lru tune 10 10 0000000000000000000000000000001 1\r\n", "ok"),
        CASE("lru tune 10 10 00000000000000000000000000000001 1\r\n", "ERROR command"),
        CASE("lru\r\n", "ERROR command"),
        CASE("lru \r\n", "ERROR command"),
        CASE("lru mode flat\r\n", "ERROR command"),
        CASE("lru temp_ttl 60\r\n", "ERROR command"),
    };
    CHECK_ALL(cases);
}

Test(admin, slabs) {
    static const struct stream_case cases[] = {
        CASE("slabs reassign 1 2\r\n", "ERROR slab_reassign"),
        CASE("slabs reassign x y\r\n", "ERROR slab_reassign"),
        CASE("slabs reassign 1\r\n", "ERROR command"),
        CASE("slabs reassign 1 2 3\r\n", "ERROR command"),
        CASE("slabs\r\n", "ERROR command"),
        CASE("slabs foo 1\r\n", "ERROR command"),
        CASE("slabs automove\r\n", "ERROR command"),
        CASE("slabs automove 0\r\n", "ok"),
        CASE("slabs automove 2 noreply\r\n", "ok quiet"),
        CASE("slabs automove 3\r\n", "ERROR command"),
        CASE("slabs automove x\r\n", "ERROR format"),
        CASE("slabs automove +1\r\n", "ERROR format"),
        CASE("slabs automove ratio +1\r\n", "ok"),
        CASE("slabs automove ratio +\r\n", "ERROR command"),
        CASE("slabs automove ratio 1e999\r\n", "ERROR command"),
        CASE("slabs automove window +10\r\n", "ERROR format"),
        CASE("slabs automove ratio 0.5\r\n", "ok"),
        CASE("slabs automove freeratio .1\r\n", "ok"),
        CASE("slabs automove ratio\r\n", "ERROR command"),
        CASE("slabs automove ratio x\r\n", "ERROR command"),
        CASE("slabs automove window 10\r\n", "ok"),
        CASE("slabs automove window 2\r\n", "ERROR automove_window"),
        CASE("slabs automove window 1801\r\n", "ERROR automove_window"),
        CASE("slabs automove window\r\n", "ERROR format"),
    };
    CHECK_ALL(cases);
}

/* What -F and -X forbid is refused with any arguments; longer words that begin alike are not. */
Test(admin, forbidden) {
    static const struct stream_case cases[] = {
        CASE("flush_all\r\n", "ERROR flush"),
        CASE("flush_all x\r\n", "ERROR flush"),
        CASE("flush_all -1 noreply\r\n", "ERROR flush quiet"),
        CASE("flush_prefix a\r\n", "ERROR flush_prefix"),
        CASE("flush_prefix\r\n", "ERROR flush_prefix"),
        CASE("flush_prefix a noreply\r\n", "ERROR flush_prefix quiet"),
        CASE("lru_crawler metadump all\r\n", "ERROR metadump"),
        CASE("lru_crawler metadump nosuch\r\n", "ERROR metadump"),
        CASE("lru_crawler metadump\r\n", "ERROR command"),
        CASE("lru_crawler mgdump hash\r\n", "ERROR mgdump"),
        CASE("lru_crawler crawl all\r\n", "crawl all"),
        CASE("stats detail\r\n", "ERROR detail"),
        CASE("stats  detail on\r\n", "ERROR detail"),
        CASE("stats details\r\n", "stats details"),
        CASE("stats cachedump 1 1\r\n", "ERROR cachedump"),
        CASE("stats cachedump\r\n", "ERROR cachedump"),
        CASE("stats hotkeys\r\n", "ERROR hotkeys"),
        CASE("stats hotkeys x\r\n", "ERROR hotkeys"),
        CASE("stats\r\n", "stats"),
        CASE("\x80\x08\0\0\4\0\0\0\0\0\0\4\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\1"
             "\x80\x18\0\0\0\0\0\0\0\0\0\0\1\2\3\4\0\0\0\0\0\0\0\0",
             "ERROR flush 08/01020304; ERROR flush quiet 18/01020304"),
        CASE("\x80\x10\0\6\0\0\0\0\0\0\0\6\1\2\3\4\0\0\0\0\0\0\0\0"
             "detail"
             "\x80\x10\0\0\0\0\0\0\0\0\0\0\1\2\3\4\0\0\0\0\0\0\0\0",
             "ERROR detail 10/01020304; stats 10/01020304"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        stream_check_login(&cases[i], STREAM_FORBIDDEN);
    }
}

/* In builds with -Ddebugtime=true only. */
Test(admin, debug_time) {
#ifdef PROTO_DEBUG_TIME
    static const struct stream_case cases[] = {
        CASE("debugtime 60\r\n", "debug_time e60"), CASE("debugtime -60\r\n", "debug_time e-60"),
        CASE("debugtime p\r\n", "debug_time d1"),   CASE("debugtime r\r\n", "debug_time d2"),
        CASE("debugtime\r\n", "ERROR command"),     CASE("debugtime x\r\n", "ERROR command"),
        CASE("debugtime +1\r\n", "ERROR command"),
    };
#else
    static const struct stream_case cases[] = {
        CASE("debugtime 60\r\n", "ERROR command"),
    };
#endif
    CHECK_ALL(cases);
}

Test(admin, others) {
    static const struct stream_case cases[] = {
        CASE("cache_memlimit 100\r\n", "memory_limit d100"),
        CASE("cache_memlimit 8 9\r\n", "memory_limit d8"),
        CASE("cache_memlimit +100\r\n", "ERROR command"),
        CASE("cache_memlimit 00000000100\r\n", "memory_limit d100"),
        CASE("cache_memlimit 000000000100\r\n", "ERROR command"),
        CASE("cache_memlimit 8 noreply\r\n", "memory_limit d8 quiet"),
        CASE("cache_memlimit 7\r\n", "ERROR memory_too_small"),
        CASE("cache_memlimit 1000000000\r\n", "memory_limit d1000000000"),
        CASE("cache_memlimit 1000000001\r\n", "ERROR memory_in_bytes"),
        CASE("cache_memlimit 4294967296\r\n", "ERROR command"),
        CASE("cache_memlimit\r\n", "ERROR command"),
        CASE("cache_memlimit x\r\n", "ERROR command"),
        CASE("shutdown\r\n", "shutdown"),
        CASE("shutdown graceful\r\n", "shutdown d1"),
        CASE("shutdown foo\r\n", "shutdown d2"),
        CASE("shutdown graceful now\r\n", "shutdown d2"),
        CASE("shutdown noreply\r\n", "shutdown d2 quiet"),
        CASE("watch\r\n", "watch d1"),
        CASE("watch f\r\n", "watch d1"),
        CASE("watch  mutations   del \r\n", "watch d6"),
        CASE("watch e c s\r\n", "watch d56"),
        CASE("watch rawcmds proxyreqs proxyevents proxyuser\r\n", "watch d960"),
        CASE("watch Fetchers\r\n", "ERROR command"),
        CASE("watch fetchersx\r\n", "ERROR command"),
        CASE("watch fetchers noreply\r\n", "ERROR command"),
        CASE("watch noreply\r\n", "ERROR command"),
        CASE("extstore item_age 1\r\n", "ERROR command"),
        CASE("config get cluster\r\n", "config"),
        CASE("config  get  cluster \n", "config"),
        CASE("config\r\n", "ERROR command"),
        CASE("config get\r\n", "ERROR command"),
        CASE("config get cluster noreply\r\n", "ERROR command quiet"),
        CASE("config get others\r\n", "ERROR command"),
        CASE("get AmazonElastiCache:cluster a\r\n",
             "config_key AmazonElastiCache:cluster; get a last"),
        CASE("get AmazonElastiCache:clusteR\r\n", "get AmazonElastiCache:clusteR last"),
        CASE("refresh_certs\r\n", "refresh_certs"),
        CASE("refresh_certs now please\r\n", "refresh_certs"),
        CASE("refresh_certs noreply\r\n", "refresh_certs quiet"),
    };
    CHECK_ALL(cases);
}
