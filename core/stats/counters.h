/* counters: what one shard has done, by the names of memcached's statistics.
 *
 * Plain numbers with one writer, the shard's reactor. They reach another reactor only as a copy
 * inside a message; the copies of all shards are added up where `stats` was asked.
 */
#ifndef CORE_STATS_COUNTERS_H
#define CORE_STATS_COUNTERS_H

#include <stdint.h>

#include "core/stats/hotkeys.h"
#include "core/stats/latency.h"
#include "store/store.h"

/* ROW(name, type, unit, sentence) for each counter; core/stats/statistic.h says what the columns
 * mean. `stats` prints them in this order. A COUNT is what has happened since the start or the last
 * `stats reset`; a GAUGE is what is so now. What a row says stands in the man page, too. */
/* clang-format off */
#define COUNTERS(ROW)                                                                              \
    ROW(curr_connections, GAUGE, "connections", "Connections that are open.")                      \
    ROW(total_connections, COUNT, "connections", "Connections that were opened.")                  \
    ROW(rejected_connections, COUNT, "connections",                                                \
        "Connections that were refused since -c were open.")                                       \
    ROW(cmd_get, COUNT, "keys", "Keys that were asked for by get, gets, mg and the binary gets.")  \
    ROW(cmd_set, COUNT, "commands", "Storage commands, of all three protocols.")                   \
    ROW(cmd_flush, COUNT, "commands", "flush_all commands.")                                       \
    ROW(cmd_touch, COUNT, "keys", "Keys of touch and gat commands.")                               \
    ROW(cmd_meta, COUNT, "commands",                                                               \
        "me commands; the other meta commands count as those that they stand for.")                \
    ROW(cmd_flush_prefix, COUNT, "commands", "flush_prefix commands that were not refused.")       \
    ROW(get_hits, COUNT, "keys", "Keys asked for that were found.")                                \
    ROW(get_misses, COUNT, "keys", "Keys asked for that were not found.")                          \
    ROW(delete_misses, COUNT, "commands", "delete commands whose key was not found.")              \
    ROW(delete_hits, COUNT, "commands", "delete commands whose key was found.")                    \
    ROW(incr_misses, COUNT, "commands", "incr commands whose key was not found.")                  \
    ROW(incr_hits, COUNT, "commands", "incr commands whose key was found.")                        \
    ROW(decr_misses, COUNT, "commands", "decr commands whose key was not found.")                  \
    ROW(decr_hits, COUNT, "commands", "decr commands whose key was found.")                        \
    ROW(cas_misses, COUNT, "commands", "Storage commands with a CAS whose key was not found.")     \
    ROW(cas_hits, COUNT, "commands", "Storage commands whose CAS was that of the item.")           \
    ROW(cas_badval, COUNT, "commands", "Storage commands whose CAS was another one.")              \
    ROW(touch_hits, COUNT, "keys", "Keys of touch and gat commands that were found.")              \
    ROW(touch_misses, COUNT, "keys", "Keys of touch and gat commands that were not found.")        \
    ROW(store_too_large, COUNT, "commands",                                                        \
        "Storage commands that were refused since the item is larger than -I.")                    \
    ROW(store_no_memory, COUNT, "commands",                                                        \
        "Storage commands that were refused for want of memory.")                                  \
    ROW(malloc_fails, COUNT, "connections", "Connections that were closed for want of memory.")    \
    ROW(auth_cmds, COUNT, "logins", "Logins that were tried.")                                     \
    ROW(auth_errors, COUNT, "logins", "Logins with a wrong user or password.")                     \
    ROW(auth_timeouts, COUNT, "logins",                                                            \
        "Logins that were refused since the system's SASL did not answer in time.")                \
    ROW(bytes_read, COUNT, "bytes", "Bytes received from clients.")                                \
    ROW(bytes_written, COUNT, "bytes", "Bytes sent to clients.")                                   \
    ROW(accepting_conns, GAUGE, "boolean", "1 while new connections are accepted.")                \
    ROW(time_in_listen_disabled_us, COUNT, "microseconds",                                         \
        "Time in which no connections were accepted for want of descriptors or memory.")           \
    ROW(listen_disabled_num, COUNT, "times",                                                       \
        "Tries to accept a connection that failed for want of descriptors or memory.")             \
    ROW(idle_kicks, COUNT, "connections", "Connections that were closed by the idle timeout.")     \
    ROW(stall_kicks, COUNT, "connections",                                                         \
        "Connections that were closed since they held memory that others waited for.")             \
    ROW(conn_yields, COUNT, "times",                                                               \
        "Times that a connection had sent more requests than -R allows in one turn.")              \
    ROW(conn_moves, COUNT, "times",                                                                \
        "Times that a connection went on at another reactor.")                                     \
    ROW(lru_crawler_running, GAUGE, "shards", "Shards whose crawler is in the middle of a scan.")  \
    ROW(lru_crawler_starts, COUNT, "scans", "Scans that crawlers have begun.")                     \
    ROW(reactor_turns, COUNT, "turns", "Turns of the event loops.")                                \
    ROW(reactor_sleeps, COUNT, "times", "Times that a reactor had nothing to do and slept.")       \
    ROW(reactor_wakes_sent, COUNT, "messages",                                                     \
        "Wakes that reactors have sent to others that slept.")                                     \
    ROW(mesh_requests, COUNT, "messages", "Requests that were for another reactor.")               \
    ROW(lent_requests, COUNT, "messages",                                                          \
        "Those of them that were executed in place of the reactor whose keys they are for.")       \
    ROW(lend_refused, COUNT, "times",                                                              \
        "Times that a reactor found the keys that it has sent requests for in use.")               \
    ROW(lend_wanted, COUNT, "times",                                                               \
        "Times that a reactor came back from the kernel and found its own keys in use.")           \
    ROW(hot_hits, COUNT, "keys",                                                                   \
        "Keys asked for that were answered from a copy, without the reactor that owns them.")      \
    ROW(hot_stale, COUNT, "keys", "Copies that were found to be out of date by a get.")            \
    ROW(hot_copies, GAUGE, "items", "Copies of other reactors' items that reactors have.")         \
    ROW(hot_bytes, GAUGE, "bytes", "Memory of these copies, of the part of -m that is theirs.")    \
    ROW(mesh_stalls, COUNT, "times",                                                               \
        "Times that a connection had to wait for room in the ring to another reactor.")            \
    ROW(buffer_bytes, GAUGE, "bytes", "Memory of the buffers of connections, kept ones included.") \
    ROW(message_bytes, GAUGE, "bytes", "Memory of messages between reactors, kept ones included.") \
    ROW(log_worker_dropped, COUNT, "lines",                                                        \
        "Lines for clients that watch that were lost since a reactor had too many.")               \
    ROW(log_worker_written, COUNT, "lines", "Lines that reactors have written for such clients.")  \
    ROW(log_watcher_skipped, COUNT, "lines",                                                       \
        "Lines that such clients have lost since they read too slowly, or since memory was "       \
        "scarce, each client counted.")                                                            \
    ROW(log_watcher_sent, COUNT, "lines", "Lines that such clients got, each client counted.")     \
    ROW(log_watchers, GAUGE, "connections", "Clients that watch.")
/* clang-format on */

/* The same with -Z. */
/* clang-format off */
#define COUNTERS_TLS(ROW)                                                                          \
    ROW(ssl_handshake_errors, COUNT, "connections", "TLS handshakes that failed.")                 \
    ROW(ssl_proto_errors, COUNT, "connections",                                                    \
        "Connections that were closed since a TLS record was wrong.")                              \
    ROW(ssl_handshakes, COUNT, "connections", "TLS handshakes that were completed.")               \
    ROW(ssl_resumed, COUNT, "connections", "Those of them that went on from an earlier session.")  \
    ROW(ssl_new_sessions, COUNT, "sessions",                                                       \
        "Sessions that clients may go on from later; counted with -o ssl_session_cache.")          \
    ROW(ssl_handshake_timeouts, COUNT, "connections",                                              \
        "Connections that were closed since their handshake took too long.")                       \
    ROW(ssl_renegotiations, COUNT, "connections",                                                  \
        "Connections that were closed since their client renegotiated.")                           \
    ROW(ssl_record_yields, COUNT, "times",                                                         \
        "Times that a connection had sent more TLS records than are read in one turn.")            \
    ROW(ssl_key_updates, COUNT, "messages",                                                        \
        "Times that a client of TLS 1.3 has changed its keys, or asked for other ones.")           \
    ROW(ssl_in_handshake, GAUGE, "connections", "Connections whose TLS handshake is under way.")
/* clang-format on */

struct counters {
#define COUNTERS_FIELD(name, type, unit, sentence) uint64_t name;
    COUNTERS(COUNTERS_FIELD)
    COUNTERS_TLS(COUNTERS_FIELD)
#undef COUNTERS_FIELD
};

/* One shard's part of the answer to `stats`. */
struct shard_stats {
    struct counters counters;
    struct store_stats store;
};

/* One shard's part of the answer to a sub-command of `stats`. */
union stats_part {
    struct shard_stats stats;
    struct latency latency;      /* of stats latency */
    struct hotkeys_list hotkeys; /* of stats hotkeys */
};

/* `stats reset`: counts become 0, gauges stay. */
void counters_reset(struct counters *counters);

/* sum += part, field by field. */
void counters_add(struct counters *sum, const struct counters *part);

/* The same for all figures of a shard. Figures that are not to be added up (the oldest, the
 * greatest) are combined as struct store_stats says. */
void shard_stats_add(struct shard_stats *sum, const struct shard_stats *part);

#endif
