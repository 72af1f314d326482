/* stats: which sub-command is asked for, and what each group says. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/stats/command.h"
#include "core/stats/connection.h"

static struct request asks(const char *words, enum protocol protocol) {
    return (struct request){.op = OP_STATS,
                            .opcode = 0x10,
                            .protocol = (uint8_t)protocol,
                            .key = words,
                            .key_length = (uint16_t)strlen(words)};
}

/* What is written, with a NUL behind it; the caller frees it. */
static const struct config config = {
    .cores = 3,
    .connections_max = 77,
    .item_bytes_max = 1 << 20,
    .socket_mode = 0700,
    .backlog = 1024,
    .turn_requests = 16,
    .prefix_delimiter = ':',
};

static const struct server_facts facts = {
    .config = &config,
    .version = "1.2.3",
    .tcp_port = 11211,
};

static char *answer_to(const char *words, enum protocol protocol, const struct shard_stats *sum,
                       const struct server_settings *settings) {
    struct buffer_pool pool;
    struct buffer output = {0};
    struct request request = asks(words, protocol);
    struct stats_sources sources = {.sum = sum, .now = 1000, .facts = &facts, .settings = settings};
    buffer_pool_init(&pool);
    cr_assert(stats_write(&pool, &output, &request, &sources));
    char *copy = calloc(1, output.length + 1);
    memcpy(copy, output.bytes, output.length);
    buffer_release(&pool, &output);
    buffer_pool_finish(&pool);
    return copy;
}

static char *text_answer(const char *words, const struct shard_stats *sum) {
    static const struct server_settings settings = {
        .memory_bytes = 64 << 20, .verbosity = 2, .lru_crawler = true, .lru_crawler_sleep_us = 100};
    return answer_to(words, PROTOCOL_TEXT, sum, &settings);
}

static void expect_in(const char *answer, const char *name, const char *value) {
    char line[160];
    snprintf(line, sizeof(line), "STAT %s %s\r\n", name, value);
    cr_assert(ne(ptr, strstr(answer, line), NULL), "%s is not in:\n%s", line, answer);
}

static bool ends_with(const char *text, const char *end) {
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

Test(stats_write, one_line_and_unknown) {
    struct {
        const char *words, *answer;
    } cases[] = {
        {"reset", "RESET\r\n"},
        {"detail on", "OK\r\n"},
        {"detail x", "CLIENT_ERROR usage: stats detail on|off|dump\r\n"},
        {"nonsense", "ERROR\r\n"},
        {"cachedump 2 1", "END\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *answer = text_answer(cases[i].words, NULL);
        cr_assert(eq(str, answer, (char *)cases[i].answer));
        free(answer);
    }
}

/* The names that the Prometheus exporter and libmemcached read. */
static const char *const consumed_names[] = {"version",
                                             "uptime",
                                             "time",
                                             "pointer_size",
                                             "pid",
                                             "rusage_user",
                                             "rusage_system",
                                             "get_hits",
                                             "get_misses",
                                             "delete_hits",
                                             "delete_misses",
                                             "incr_hits",
                                             "incr_misses",
                                             "decr_hits",
                                             "decr_misses",
                                             "cas_hits",
                                             "cas_misses",
                                             "cas_badval",
                                             "touch_hits",
                                             "touch_misses",
                                             "cmd_get",
                                             "cmd_set",
                                             "cmd_touch",
                                             "cmd_flush",
                                             "cmd_meta",
                                             "bytes",
                                             "limit_maxbytes",
                                             "curr_items",
                                             "total_items",
                                             "bytes_read",
                                             "bytes_written",
                                             "curr_connections",
                                             "total_connections",
                                             "rejected_connections",
                                             "conn_yields",
                                             "listen_disabled_num",
                                             "accepting_conns",
                                             "evictions",
                                             "reclaimed",
                                             "store_too_large",
                                             "store_no_memory",
                                             "lru_crawler_starts",
                                             "direct_reclaims",
                                             "crawler_items_checked",
                                             "crawler_reclaimed",
                                             "moves_to_cold",
                                             "moves_to_warm",
                                             "moves_within_lru",
                                             "connection_structures",
                                             "threads",
                                             "auth_cmds",
                                             "auth_errors",
                                             "evicted_unfetched",
                                             "expired_unfetched",
                                             "evicted_active",
                                             "get_expired",
                                             "get_flushed",
                                             "hash_power_level",
                                             "hash_bytes",
                                             "hash_is_expanding",
                                             "malloc_fails",
                                             "slabs_moved",
                                             "log_watcher_sent",
                                             "max_connections"};

Test(stats_write, general_has_what_consumers_read) {
    struct shard_stats sum = {0};
    char *answer = text_answer("", &sum);
    for (size_t i = 0; i < sizeof(consumed_names) / sizeof(*consumed_names); i++) {
        char start[64];
        snprintf(start, sizeof(start), "STAT %s ", consumed_names[i]);
        const char *first = strstr(answer, start);
        cr_assert(ne(ptr, (void *)first, NULL), "%s", consumed_names[i]);
        cr_assert(eq(ptr, strstr(first + 1, start), NULL), "%s twice", consumed_names[i]);
    }
    cr_assert(ends_with(answer, "\r\nEND\r\n"));
    free(answer);
}

Test(stats_write, general_tells_the_sum) {
    struct shard_stats sum = {0};
    sum.counters.get_hits = UINT64_MAX;
    sum.counters.curr_connections = 5;
    sum.store.items = 12;
    sum.store.index_buckets = 1023;
    char *answer = text_answer("", &sum);
    expect_in(answer, "get_hits", "18446744073709551615");
    expect_in(answer, "curr_connections", "5");
    expect_in(answer, "connection_structures", "5");
    expect_in(answer, "curr_items", "12");
    expect_in(answer, "hash_power_level", "9");
    expect_in(answer, "limit_maxbytes", "67108864");
    expect_in(answer, "threads", "3");
    free(answer);
}

/* An expired item counts where it was found: by an operation on its key, by the crawler, or by
 * whoever needed room. */
Test(stats_write, reclaimed_is_what_made_room) {
    struct shard_stats sum = {0};
    sum.store = (struct store_stats){.items = 1,
                                     .expired = 20,
                                     .flushed = 8,
                                     .met_expired = 3,
                                     .met_flushed = 2,
                                     .crawl_reclaimed = 10};
    char *general = text_answer("", &sum), *items = text_answer("items", &sum);
    expect_in(general, "reclaimed", "13");
    expect_in(general, "crawler_reclaimed", "10");
    expect_in(general, "get_expired", "3");
    expect_in(general, "get_flushed", "2");
    expect_in(items, "items:1:reclaimed", "13");
    free(general);
    free(items);
}

/* collectd reads 4096 bytes and drops the rest. */
Test(stats_write, general_stays_short) {
    struct shard_stats sum;
    uint64_t *numbers = (uint64_t *)&sum;
    for (size_t i = 0; i < sizeof(sum) / sizeof(*numbers); i++) {
        numbers[i] = 999999999999;
    }
    char *answer = text_answer("", &sum);
    cr_assert(lt(sz, strlen(answer), 4096));
    free(answer);
}

Test(stats_write, oldest_is_when_the_last_flush_comes_due) {
    struct server_settings settings = {0};
    const uint32_t moments[] = {0, 1, 2, 889};
    const char *oldest[] = {"0", "0", "0", "88"};
    for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
        settings.flushed_at = moments[i];
        char *answer = answer_to("settings", PROTOCOL_TEXT, NULL, &settings);
        expect_in(answer, "oldest", oldest[i]);
        free(answer);
    }
}

Test(stats_write, settings_are_those_in_force) {
    char *answer = text_answer("settings", NULL);
    expect_in(answer, "maxbytes", "67108864");
    expect_in(answer, "maxconns", "77");
    expect_in(answer, "tcpport", "11211");
    expect_in(answer, "udpport", "0");
    expect_in(answer, "inter", "NULL");
    expect_in(answer, "domain_socket", "NULL");
    expect_in(answer, "umask", "700");
    expect_in(answer, "verbosity", "2");
    expect_in(answer, "evictions", "on");
    expect_in(answer, "stat_key_prefix", ":");
    expect_in(answer, "auth_enabled_ascii", "no");
    expect_in(answer, "flush_enabled", "yes");
    expect_in(answer, "item_size_max", "1048576");
    expect_in(answer, "lru_crawler", "yes");
    expect_in(answer, "lru_crawler_sleep", "100");
    expect_in(answer, "lru_maintainer_thread", "no");
    expect_in(answer, "hash_algorithm", "xxh3");
    cr_assert(ends_with(answer, "\r\nEND\r\n"));
    free(answer);
}

Test(stats_write, an_empty_cache_has_no_items_and_no_slabs) {
    struct shard_stats sum = {0};
    char *items = text_answer("items", &sum);
    char *slabs = text_answer("slabs", &sum);
    cr_assert(eq(str, items, (char *)"END\r\n"));
    cr_assert(eq(str, slabs, (char *)"STAT active_slabs 0\r\nSTAT total_malloced 0\r\nEND\r\n"));
    free(items);
    free(slabs);
}

Test(stats_write, all_items_are_in_class_1) {
    struct shard_stats sum = {0};
    sum.store = (struct store_stats){.items = 10,
                                     .item_bytes = 800,
                                     .dead_bytes = 80,
                                     .evictions = 3,
                                     .evicted_expiring = 2,
                                     .evicted_idle = 449,
                                     .segments_dropped = 5,
                                     .ghost_hits = 6,
                                     .turned_away = 7,
                                     .oldest_time = 930,
                                     .small = {.items = 4, .segments = 1, .oldest_time = 950},
                                     .main = {.hits = 9, .moved_items = 8, .oldest_time = 930},
                                     .segments = 2,
                                     .segment_bytes = 16384};
    sum.counters.get_hits = 21;
    sum.counters.cmd_set = 22;
    char *items = text_answer("items", &sum);
    char *slabs = text_answer("slabs", &sum);
    expect_in(items, "items:1:number", "10");
    expect_in(items, "items:1:evicted", "3");
    expect_in(items, "items:1:mem_requested", "800");
    expect_in(items, "items:1:age", "7");
    expect_in(items, "items:1:evicted_nonzero", "2");
    expect_in(items, "items:1:evicted_time", "44");
    expect_in(items, "items:1:direct_reclaims", "5");
    expect_in(items, "items:1:moves_within_lru", "8");
    expect_in(items, "items:1:small_number", "4");
    expect_in(items, "items:1:small_age", "5");
    expect_in(items, "items:1:main_age", "7");
    expect_in(items, "items:1:main_hits", "9");
    expect_in(items, "items:1:main_moved_to_main", "8");
    expect_in(items, "items:1:ghost_hits", "6");
    expect_in(items, "items:1:turned_away", "7");
    expect_in(slabs, "1:small_pages", "1");
    expect_in(slabs, "1:dead_bytes", "80");
    expect_in(slabs, "1:chunk_size", "80");
    expect_in(slabs, "1:chunks_per_page", "204");
    expect_in(slabs, "1:total_pages", "2");
    expect_in(slabs, "1:total_chunks", "409");
    expect_in(slabs, "1:used_chunks", "10");
    expect_in(slabs, "1:free_chunks", "399");
    expect_in(slabs, "1:get_hits", "21");
    expect_in(slabs, "1:cmd_set", "22");
    expect_in(slabs, "active_slabs", "1");
    expect_in(slabs, "total_malloced", "32768");
    cr_assert(eq(ptr, strstr(slabs, "mem_requested"), NULL)); /* the exporter fails on two */
    free(items);
    free(slabs);
}

Test(counters, a_reset_keeps_what_is_so_now) {
    struct counters counters = {.get_hits = 1,
                                .total_connections = 2,
                                .curr_connections = 3,
                                .accepting_conns = 1,
                                .buffer_bytes = 4};
    counters_reset(&counters);
    const struct counters expected = {
        .curr_connections = 3, .accepting_conns = 1, .buffer_bytes = 4};
    cr_assert(zero(int, memcmp(&counters, &expected, sizeof(counters))));
}

Test(counters, shards_are_summed) {
    struct shard_stats sum = {0}, a = {0}, b = {0};
    a.counters.get_hits = 1;
    b.counters.get_hits = 2;
    a.store = (struct store_stats){.items = 3, .segment_bytes = 100, .evicted_idle = 9};
    b.store = (struct store_stats){.items = 4, .segment_bytes = 100, .oldest_time = 20};
    shard_stats_add(&sum, &a);
    shard_stats_add(&sum, &b);
    cr_assert(eq(u64, sum.counters.get_hits, 3));
    cr_assert(eq(u64, sum.store.items, 7));
    cr_assert(eq(u64, sum.store.segment_bytes, 100));
    cr_assert(eq(u64, sum.store.evicted_idle, 9));
    cr_assert(eq(u64, sum.store.oldest_time, 20));
    b.store.oldest_time = 10;
    shard_stats_add(&sum, &b);
    shard_stats_add(&sum, &a);
    cr_assert(eq(u64, sum.store.oldest_time, 10));
}

/* stats conns */

Test(connections, lines_of_a_client) {
    struct sockaddr_storage peer = {0}, local = {0};
    *(struct sockaddr_in *)&peer = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(34142), .sin_addr.s_addr = htonl(0x7f000001)};
    *(struct sockaddr_in *)&local = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(11211), .sin_addr.s_addr = htonl(0x7f000001)};
    struct stats_connection connection = {.descriptor = 27,
                                          .state = STATS_CONNECTION_PARSE,
                                          .idle_s = 3,
                                          .peer = &peer,
                                          .peer_length = sizeof(struct sockaddr_in),
                                          .local = &local,
                                          .local_length = sizeof(struct sockaddr_in)};
    struct request request = asks("conns", PROTOCOL_TEXT);
    char out[STATS_CONNECTION_MAX + 1];
    out[stats_connection_write(out, &request, &connection)] = '\0';
    cr_assert(eq(str, out,
                 (char *)"STAT 27:addr tcp:127.0.0.1:34142\r\n"
                         "STAT 27:listen_addr tcp:127.0.0.1:11211\r\n"
                         "STAT 27:state conn_parse_cmd\r\n"
                         "STAT 27:secs_since_last_cmd 3\r\n"));
}

Test(connections, lines_of_listeners) {
    struct sockaddr_storage local = {0};
    *(struct sockaddr_in6 *)&local = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(11211), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct stats_connection listener = {.descriptor = 26,
                                        .state = STATS_CONNECTION_LISTENING,
                                        .local = &local,
                                        .local_length = sizeof(struct sockaddr_in6)};
    struct request request = asks("conns", PROTOCOL_TEXT);
    char out[STATS_CONNECTION_MAX + 1];
    out[stats_connection_write(out, &request, &listener)] = '\0';
    cr_assert(eq(str, out,
                 (char *)"STAT 26:addr tcp6:[::1]:11211\r\n"
                         "STAT 26:state conn_listening\r\n"
                         "STAT 26:secs_since_last_cmd 0\r\n"));
    listener.udp = true;
    listener.state = STATS_CONNECTION_READ;
    out[stats_connection_write(out, &request, &listener)] = '\0';
    cr_assert(eq(str, out,
                 (char *)"STAT 26:UDP UDP\r\n"
                         "STAT 26:addr udp6:[::1]:11211\r\n"
                         "STAT 26:state conn_read\r\n"
                         "STAT 26:secs_since_last_cmd 0\r\n"));
}

Test(connections, unix_sockets_and_the_longest_lines) {
    struct sockaddr_storage address = {0};
    struct sockaddr_un *name = (struct sockaddr_un *)&address;
    char out[STATS_CONNECTION_MAX], text[STATS_ADDRESS_MAX];
    name->sun_family = AF_UNIX;
    stats_address_write(text, &address, sizeof(sa_family_t), false);
    cr_assert(eq(str, text, (char *)"unix:"));
    memset(name->sun_path, 'x', sizeof(name->sun_path));
    stats_address_write(text, &address, sizeof(*name), false);
    cr_assert(eq(sz, strlen(text), strlen("unix:") + sizeof(name->sun_path)));
    stats_address_write(text, &address, 0, false);
    cr_assert(eq(str, text, (char *)"?:<AF 0>"));
    struct stats_connection connection = {.descriptor = INT32_MAX,
                                          .state = STATS_CONNECTION_LISTENING + 3,
                                          .idle_s = UINT32_MAX,
                                          .peer = &address,
                                          .peer_length = sizeof(*name),
                                          .local = &address,
                                          .local_length = sizeof(*name)};
    struct request request = asks("conns", PROTOCOL_TEXT);
    cr_assert(le(sz, stats_connection_write(out, &request, &connection), STATS_CONNECTION_MAX));
}
