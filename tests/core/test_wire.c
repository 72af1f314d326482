/* Commands for every shard, scans over all shards, and logins, through a connection without a
 * kernel. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/shard/scan.h"
#include "tests/core/fixture.h"

#define MEMORY_BYTES ((size_t)8 << 20)

/* What is answered to `text`; lives until the next call. */
static const char *ask(struct fixture *fixture, const char *text) {
    free(fixture->received);
    fixture->received = NULL;
    fixture->received_length = 0;
    fixture_turn(fixture, text, strlen(text));
    fixture_run_until_idle(fixture);
    fixture->received = realloc(fixture->received, fixture->received_length + 1);
    fixture->received[fixture->received_length] = '\0';
    return fixture->received;
}

static void expect(struct fixture *fixture, const char *text, const char *answer) {
    const char *got = ask(fixture, text);
    cr_assert(zero(int, strcmp(got, answer)), "%s is answered with\n%s, not\n%s", text, got,
              answer);
}

static void store_keys(struct fixture *fixture, int count) {
    char line[64];
    for (int i = 0; i < count; i++) {
        sprintf(line, "set p%d:%d 0 0 1 noreply\r\nx\r\n", i % 3, i);
        ask(fixture, line);
    }
}

static int count_lines(const char *text, const char *start) {
    int count = 0;
    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        count += strncmp(at, start, strlen(start)) == 0;
    }
    return count;
}

Test(scan, a_dump_names_every_key_once_whatever_the_shards, .timeout = 600) {
    for (uint32_t shards = 1; shards <= 5; shards += 2) {
        struct fixture fixture;
        fixture_init(&fixture, shards, 4, MEMORY_BYTES);
        store_keys(&fixture, 2000);
        const char *dump = ask(&fixture, "lru_crawler metadump all\r\nversion\r\n");
        cr_assert(zero(int, strncmp(dump, "OK\r\n", 4)));
        cr_assert(eq(int, count_lines(dump, "key=p"), 2000));
        for (int i = 0; i < 2000; i += 97) {
            char key[32];
            sprintf(key, "key=p%d%%3A%d ", i % 3, i);
            cr_assert(eq(int, count_lines(dump, key), 1), "%s", key);
        }
        cr_assert(ne(ptr, strstr(dump, "\nEND\r\nVERSION 1.2.3\r\n"), NULL));
        const char *mgdump = ask(&fixture, "lru_crawler mgdump hash\r\n");
        cr_assert(eq(int, count_lines(mgdump, "mg p"), 2000));
        cr_assert(ne(ptr, strstr(mgdump, "\r\nEN\r\n"), NULL));
        fixture_finish(&fixture);
    }
}

/* However many scans there are, a shard works on them no longer than this before others are served;
 * those that are left over lose nothing. */
Test(scan, has_so_many_slices_in_a_turn) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    store_keys(&fixture, 5000);
    struct shard *shard = &fixture.shard[0];
    const struct request request = {.op = OP_MGDUMP, .key = "all", .key_length = 3};
    static char bytes[MESSAGE_VALUE_BYTES_MAX];
    uint64_t cursor = 0;
    size_t filled = 0;
    shard->scan_slices = 0;
    for (int scan = 0; scan < 100; scan++) {
        struct chunk chunk = {.bytes = bytes, .capacity = sizeof(bytes)};
        uint64_t before = cursor;
        cr_assert(scan_fill(shard, &request, &cursor, &chunk));
        cr_assert(eq(int, chunk.length > 0, cursor != before));
        filled += chunk.length > 0;
    }
    cr_assert(eq(sz, filled, SCAN_SLICES_PER_TURN));
    fixture_finish(&fixture);
}

/* Nor does it write more than one answer that was summed up. */
Test(scan, ends_once_in_a_turn) {
    struct fixture fixture;
    static const char commands[] = "stats sizes\r\nstats sizes\r\nstats sizes\r\n";
    struct pipeline *pipeline = &fixture.pipeline;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    fixture_turn(&fixture, commands, strlen(commands));
    for (int round = 0; round < 8; round++) {
        pipeline_resume(pipeline);
        pipeline_collect(pipeline, &fixture.shard[0], PIPELINE_ROUND_MAX, &fixture.batch);
        batch_run(&fixture.batch, &fixture.shard[0]);
    }
    cr_assert(eq(sz, pipeline->output.length, strlen("END\r\n")));
    cr_assert(pipeline->scan_yields);
    fixture_run_until_idle(&fixture);
    cr_assert(eq(sz, fixture.received_length, 3 * strlen("END\r\n")));
    fixture_finish(&fixture);
}

/* A client that doesn't read a dump stops it, and nobody else. */
Test(scan, waits_for_its_client) {
    struct fixture fixture;
    fixture_init(&fixture, 3, 4, MEMORY_BYTES);
    store_keys(&fixture, 5000);
    static const char command[] = "lru_crawler metadump all\r\nget a\r\n";
    fixture_turn(&fixture, command, strlen(command));
    for (int turn = 0; turn < 1000; turn++) {
        for (uint32_t i = 1; i < 3; i++) {
            fixture_serve(&fixture, i, 100);
        }
        fixture_turn(&fixture, NULL, 0);
    }
    cr_assert(pipeline_output_full(&fixture.pipeline, &fixture.shard[0]));
    cr_assert(lt(sz, fixture.pipeline.output.length,
                 PIPELINE_OUTPUT_BYTES_MAX + 2 * MESSAGE_VALUE_BYTES_MAX));
    cr_assert(le(u32, fixture.shard[0].messages.out, 1));
    fixture_run_until_idle(&fixture);
    fixture.received = realloc(fixture.received, fixture.received_length + 1);
    fixture.received[fixture.received_length] = '\0';
    cr_assert(eq(int, count_lines(fixture.received, "key=p"), 5000));
    fixture_finish(&fixture);
}

/* While items move here from a file with other settings nobody is asked, and nothing runs without a
 * pause. */
Test(scan, waits_for_items_that_move) {
    struct fixture fixture;
    struct memory_file_progress progress = {0};
    static const char *const commands[] = {"lru_crawler metadump all\r\n",
                                           "stats cachedump 1 0\r\n", "stats sizes\r\n"};
    struct pipeline *pipeline = &fixture.pipeline;
    fixture_init(&fixture, 2, 4, MEMORY_BYTES);
    fixture.facts.file = &progress;
    store_keys(&fixture, 50);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        progress.left = 1;
        fixture_turn(&fixture, commands[i], strlen(commands[i]));
        for (int turn = 0; turn < 3; turn++) {
            cr_assert(pipeline->scan && pipeline->stalled);
            cr_assert(not(pipeline->scan_yields));
            cr_assert(zero(ptr, pipeline->first));
            cr_assert(pipeline_polls(pipeline, &fixture.shard[0]));
            fixture_turn(&fixture, NULL, 0);
        }
        progress.left = 0;
        fixture_run_until_idle(&fixture);
        cr_assert(zero(ptr, pipeline->scan));
    }
    expect(&fixture, "get nothing\r\n", "END\r\n");
    fixture_finish(&fixture);
}

/* A connection that goes in the middle of a scan leaves nothing behind (the fixture and the leak
 * checker look). */
Test(scan, may_be_broken_off) {
    static const char *const commands[] = {"lru_crawler metadump all\r\n", "stats sizes\r\n",
                                           "stats detail dump\r\n"};
    for (int i = 0; i < 3; i++) {
        struct fixture fixture;
        fixture_init(&fixture, 3, 4, MEMORY_BYTES);
        ask(&fixture, "stats detail on\r\n");
        store_keys(&fixture, 1000);
        fixture_turn(&fixture, commands[i], strlen(commands[i]));
        fixture_turn(&fixture, NULL, 0);
        fixture.pipeline.closing = true;
        while (fixture.pipeline.outstanding > 0) {
            for (uint32_t shard = 1; shard < 3; shard++) {
                fixture_serve(&fixture, shard, 100);
            }
            fixture_turn(&fixture, NULL, 0);
        }
        buffer_release(&fixture.shard[0].buffers, &fixture.pipeline.output);
        fixture_finish(&fixture);
    }
}

Test(scan, sums_sizes_and_prefixes_over_shards) {
    struct fixture fixture;
    fixture_init(&fixture, 3, 4, MEMORY_BYTES);
    expect(&fixture, "stats detail on\r\n", "OK\r\n");
    store_keys(&fixture, 300);
    expect(&fixture, "get p0:0 p0:3 p0:9999\r\n",
           "VALUE p0:0 0 1\r\nx\r\nVALUE p0:3 0 1\r\nx\r\nEND\r\n");
    const char *dump = ask(&fixture, "stats detail dump\r\n");
    cr_assert(eq(int, count_lines(dump, "PREFIX "), 3));
    cr_assert(ne(ptr, strstr(dump, "PREFIX p0 get 3 hit 2 set 100 del 0\r\n"), NULL), "%s", dump);
    cr_assert(ne(ptr, strstr(dump, "PREFIX p2 get 0 hit 0 set 100 del 0\r\n"), NULL), "%s", dump);
    unsigned size, items = 0, sum = 0;
    const char *sizes = ask(&fixture, "stats sizes\r\n");
    for (const char *at = sizes; sscanf(at, "STAT %u %u", &size, &items) == 2;
         at = strchr(at, '\n') + 1) {
        sum += items;
    }
    cr_assert(eq(u32, sum, 300), "%s", sizes);
    fixture_finish(&fixture);
}

Test(scan, dumps_can_be_refused) {
    struct fixture fixture;
    fixture_init(&fixture, 2, 4, MEMORY_BYTES);
    store_keys(&fixture, 10);
    expect(&fixture, "lru_crawler metadump 2,3\r\n", "OK\r\nEND\r\n");
    expect(&fixture, "lru_crawler metadump 2,x\r\n", "BADCLASS invalid class id\r\n");
    expect(&fixture, "lru_crawler metadump 0\r\n", "BADCLASS invalid class id\r\n");
    expect(&fixture, "lru_crawler crawl 64\r\n", "BADCLASS invalid class id\r\n");
    cr_assert(eq(int, count_lines(ask(&fixture, "lru_crawler metadump 2,1\r\n"), "key="), 10));
    expect(&fixture, "lru_crawler disable\r\n", "OK\r\n");
    expect(&fixture, "lru_crawler metadump all\r\nlru_crawler crawl all\r\n",
           "CLIENT_ERROR lru crawler disabled\r\nCLIENT_ERROR lru crawler disabled\r\n");
    expect(&fixture, "lru_crawler enable\r\n", "OK\r\n");
    expect(&fixture, "lru_crawler mgdump 5\r\n", "OK\r\nEN\r\n");
    expect(&fixture, "get p0:0 p1:1\r\nlru_crawler mgdump all\r\nlru_crawler metadump 1\r\n",
           "VALUE p0:0 0 1\r\nx\r\nVALUE p1:1 0 1\r\nx\r\nEND\r\n"
           "ERROR cannot pipeline other commands before mgdump\r\n"
           "ERROR cannot pipeline other commands before metadump\r\n");
    fixture_finish(&fixture);
}

/* A set, quiet, of `far` with an exptime of 2^32 - 1, which only binary takes for a date. */
static const char far_set[] = "\x80\x11\0\3\x8\0\0\0\0\0\0\xc\0\0\0\0\0\0\0\0\0\0\0\0"
                              "\0\0\0\0\xff\xff\xff\xff"
                              "farx";

/* -1 would say that the item never expires. */
Test(meta, tells_times_far_ahead_or_past) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    fixture_feed(&fixture, far_set, sizeof(far_set) - 1);
    fixture.pipeline.parser.protocol = PROTOCOL_UNKNOWN; /* as for another connection */
    expect(&fixture, "mg far t\r\n", "HD t2147483647\r\n");
    expect(&fixture, "mg made N-1 t\r\nmg made t\r\n", "HD t0 W\r\nEN\r\n");
    expect(&fixture, "ms number 1\r\n5\r\nma number T-1 t\r\nmg number v\r\n",
           "HD\r\nHD t0\r\nEN\r\n");
    fixture_finish(&fixture);
}

Test(admin, settings_reach_every_shard) {
    struct fixture fixture;
    fixture_init(&fixture, 3, 4, MEMORY_BYTES);
    expect(&fixture, "lru_crawler sleep 123\r\nlru_crawler tocrawl 45\r\nverbosity 2\r\n",
           "OK\r\nOK\r\nOK\r\n");
    expect(&fixture, "lru_crawler sleep 1000001\r\n",
           "CLIENT_ERROR sleep must be one second or less\r\n");
    expect(&fixture, "cache_memlimit 7\r\n",
           "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n");
    expect(&fixture, "cache_memlimit 99999\r\n",
           "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n");
    expect(&fixture, "cache_memlimit 30\r\n", "OK\r\n");
    for (int i = 0; i < 3; i++) {
        const struct server_settings *settings = &fixture.shard[i].settings;
        cr_assert(eq(u32, settings->lru_crawler_sleep_us, 123));
        cr_assert(eq(u64, settings->lru_crawler_tocrawl, 45));
        cr_assert(eq(u32, settings->verbosity, 2));
        cr_assert(eq(u64, settings->memory_bytes, (uint64_t)30 << 20));
        struct shard_stats stats;
        shard_stats_read(&fixture.shard[i], &stats);
        cr_assert(eq(u64, stats.store.memory_bytes_max, (uint64_t)10 << 20));
    }
    fixture_finish(&fixture);
}

Test(admin, a_crawl_drops_what_has_expired_and_nothing_else) {
    struct fixture fixture;
    fixture_init(&fixture, 2, 4, MEMORY_BYTES);
    char line[64];
    for (int i = 0; i < 600; i++) {
        sprintf(line, "set k%d 0 %d 1 noreply\r\nx\r\n", i, i % 2 ? 10 : 0);
        ask(&fixture, line);
    }
    expect(&fixture, "lru_crawler crawl all\r\n", "OK\r\n");
    uint64_t reclaimed = 0, items = 0;
    for (int i = 0; i < 2; i++) {
        struct shard *shard = &fixture.shard[i];
        struct shard_stats stats;
        shard->keys.now += 11 * CLOCK_TICKS_PER_SECOND;
        for (uint64_t now_ns = 1; shard->keys.crawler.running; now_ns += 1000000) {
            crawler_step(&shard->keys, &shard->settings, now_ns);
        }
        shard_stats_read(shard, &stats);
        reclaimed += stats.store.crawl_reclaimed;
        items += stats.store.items;
    }
    cr_assert(eq(u64, reclaimed, 300));
    cr_assert(eq(u64, items, 300));
    fixture_finish(&fixture);
}

Test(admin, shutdown_is_forbidden_unless_allowed) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    expect(&fixture, "shutdown\r\n", "SERVER_ERROR: shutdown not enabled\r\n");
    cr_assert(not(fixture.shard[0].stop_asked));
    fixture.config.shutdown_enabled = true;
    ask(&fixture, "shutdown graceful\r\n");
    cr_assert(fixture.shard[0].stop_asked);
    fixture_finish(&fixture);
}

/* Nobody has to ask for it; but nothing begins where there is nothing. */
Test(admin, the_crawler_begins_by_itself) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    struct shard *shard = &fixture.shard[0];
    cr_assert(eq(u64, crawler_wait_ns(&shard->keys, &shard->settings, 1), UINT64_MAX));
    ask(&fixture, "set a 0 10 1\r\nx\r\nset b 0 0 1\r\nx\r\n");
    shard->keys.now += 10 * CLOCK_TICKS_PER_SECOND + 1 + CRAWLER_GRACE_TICKS;
    crawler_step(&shard->keys, &shard->settings, 1);
    cr_assert(eq(u64, store_items(shard->keys.store), 1));
    cr_assert(not(shard->keys.crawler.running));
    cr_assert(eq(u64, crawler_wait_ns(&shard->keys, &shard->settings, 1), UINT64_MAX),
              "nothing will expire");
    ask(&fixture, "set c 0 10 1\r\nx\r\n");
    cr_assert(eq(u64, crawler_wait_ns(&shard->keys, &shard->settings, 1),
                 10 * CLOCK_SECOND_NS + CLOCK_TICK_NS + CRAWLER_GRACE_TICKS * CLOCK_TICK_NS));
    crawler_step(&shard->keys, &shard->settings, 1 + CRAWLER_PAUSE_NS);
    cr_assert(not(shard->keys.crawler.running));
    ask(&fixture, "lru_crawler disable\r\n");
    shard->keys.now += 11 * CLOCK_TICKS_PER_SECOND + CRAWLER_GRACE_TICKS;
    crawler_step(&shard->keys, &shard->settings, 1 + CRAWLER_PAUSE_NS);
    cr_assert(eq(u64, store_items(shard->keys.store), 2));
    cr_assert(eq(u64, crawler_wait_ns(&shard->keys, &shard->settings, 1), UINT64_MAX));
    fixture_finish(&fixture);
}

static void set_items(struct fixture *fixture, uint32_t from, uint32_t to, const char *exptime) {
    char line[2100];
    for (uint32_t i = from; i < to; i++) {
        sprintf(line, "set k%u 0 %s 2000 noreply\r\n%02000d\r\n", i, exptime, 0);
        ask(fixture, line);
    }
}

/* A dead item stays for a while, so that it can be counted who asks for it; a flushed one, too. */
Test(admin, the_crawler_lets_the_dead_stay_where_there_is_room) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    struct shard *shard = &fixture.shard[0];
    struct shard_stats stats;
    set_items(&fixture, 0, 3, "10");
    expect(&fixture, "set b 0 0 1\r\nx\r\nflush_all\r\n", "STORED\r\nOK\r\n");
    set_items(&fixture, 3, 6, "10");
    shard->keys.now += 11 * CLOCK_TICKS_PER_SECOND;
    crawler_step(&shard->keys, &shard->settings, 1);
    expect(&fixture, "get k0\r\nget k3\r\n", "END\r\nEND\r\n");
    shard_stats_read(shard, &stats);
    cr_assert(eq(u64, stats.store.met_flushed, 1));
    cr_assert(eq(u64, stats.store.met_expired, 1));
    shard->keys.now += CRAWLER_GRACE_TICKS;
    crawler_step(&shard->keys, &shard->settings, 1 + CRAWLER_PAUSE_NS);
    shard_stats_read(shard, &stats);
    cr_assert(eq(u64, stats.store.crawl_reclaimed, 5), "it begins a minute later");
    fixture_finish(&fixture);
}

Test(admin, the_crawler_begins_at_once_where_memory_is_short) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    struct shard *shard = &fixture.shard[0];
    struct shard_stats stats;
    const uint32_t items = MEMORY_BYTES / 1000;
    set_items(&fixture, 0, items, "0");
    cr_assert(not(store_has_room(shard->keys.store)));
    set_items(&fixture, items, items + 3, "10");
    shard->keys.now += 11 * CLOCK_TICKS_PER_SECOND;
    for (uint64_t now_ns = 1; !shard->keys.crawler.running && now_ns < 3; now_ns++) {
        crawler_step(&shard->keys, &shard->settings, now_ns);
    }
    while (shard->keys.crawler.running) {
        crawler_step(&shard->keys, &shard->settings, shard->keys.crawler.next_ns);
    }
    shard_stats_read(shard, &stats);
    cr_assert(eq(u64, stats.store.crawl_reclaimed, 3));
    fixture_finish(&fixture);
}

/* With users, a connection begins again so that it has to log in. */
static void ask_for_logins(struct fixture *fixture, const char *users) {
    char path[] = "/tmp/simplecache-users-XXXXXX", problem[400];
    int descriptor = mkstemp(path);
    cr_assert(eq(long, write(descriptor, users, strlen(users)), (long)strlen(users)));
    close(descriptor);
    shard_renew_logins(&fixture->shard[0], logins_read(path, NULL, problem, sizeof(problem)));
    unlink(path);
    cr_assert(ne(ptr, (void *)shard_logins(&fixture->shard[0]), NULL), "%s", problem);
    pipeline_finish(&fixture->pipeline, &fixture->shard[0]);
    pipeline_init(&fixture->pipeline, &fixture->shard[0]);
}

Test(login, nothing_else_is_answered_before_it) {
    struct fixture fixture;
    fixture_init(&fixture, 2, 4, MEMORY_BYTES);
    ask_for_logins(&fixture, "anna:secret\n");
    expect(&fixture, "get a b\r\nstats\r\n",
           "CLIENT_ERROR unauthenticated\r\nCLIENT_ERROR unauthenticated\r\n");
    expect(&fixture, "set x 0 0 9\r\nanna wron\r\n", "CLIENT_ERROR authentication failure\r\n");
    cr_assert(eq(u32, fixture.pipeline.logins_failed, 1));
    /* What follows in the same bytes is understood by what came of the login. */
    expect(&fixture, "set x 0 0 11\r\nanna secret\r\nset y 0 0 1\r\nz\r\nget x y\r\n",
           "STORED\r\nSTORED\r\nVALUE y 0 1\r\nz\r\nEND\r\n");
    cr_assert(eq(u64, fixture.shard[0].counters.auth_cmds, 2));
    cr_assert(eq(u64, fixture.shard[0].counters.auth_errors, 1));
    fixture_finish(&fixture);
}

Test(login, a_newer_table_is_used_from_the_next_login_on) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, MEMORY_BYTES);
    ask_for_logins(&fixture, "anna:secret\n");
    ask_for_logins(&fixture, "anna:changed\n");
    expect(&fixture, "set x 0 0 11\r\nanna secret\r\n", "CLIENT_ERROR authentication failure\r\n");
    expect(&fixture, "set x 0 0 12\r\nanna changed\r\n", "STORED\r\n");
    fixture_finish(&fixture);
}
