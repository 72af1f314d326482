#include "proto/op.h"

#define ANSWER(kind)                                                                               \
    { ANSWER_##kind, 0, "" }

#define ANSWER_WITH(kind, words)                                                                   \
    { ANSWER_##kind, sizeof(words) - 1, words }

#define STORES(command)                                                                            \
    {                                                                                              \
        .name = (command), .meta_name = "ms", .scope = OP_SCOPE_KEY,                               \
        .text = ANSWER_WITH(OUTCOME, "STORED\r\n"), .meta = ANSWER(OUTCOME),                       \
        .binary = ANSWER(OUTCOME),                                                                 \
    }

#define COUNTS(command)                                                                            \
    {                                                                                              \
        .name = (command), .meta_name = "ma", .scope = OP_SCOPE_KEY, .text = ANSWER(NUMBER),       \
        .meta = ANSWER(OUTCOME), .binary = ANSWER(NUMBER),                                         \
    }

/* Of text, and answered with a line that the executor words. */
#define ADMINISTERS(command)                                                                       \
    { .name = (command), .scope = OP_SCOPE_SHARDS, .text = ANSWER(LINE) }

const struct op_info op_infos[OP_COUNT] = {
    [OP_GET] = {.name = "get",
                .scope = OP_SCOPE_KEY,
                .text = ANSWER(VALUE),
                .binary = ANSWER(VALUE)},
    [OP_TOUCH] = {.name = "touch",
                  .scope = OP_SCOPE_KEY,
                  .text = ANSWER_WITH(OUTCOME, "TOUCHED\r\n"),
                  .binary = ANSWER(VALUE)},
    [OP_GAT] = {.name = "gat",
                .scope = OP_SCOPE_KEY,
                .text = ANSWER(VALUE),
                .binary = ANSWER(VALUE)},
    [OP_SET] = STORES("set"),
    [OP_ADD] = STORES("add"),
    [OP_REPLACE] = STORES("replace"),
    [OP_APPEND] = STORES("append"),
    [OP_PREPEND] = STORES("prepend"),
    [OP_DELETE] = {.name = "delete",
                   .meta_name = "md",
                   .scope = OP_SCOPE_KEY,
                   .text = ANSWER_WITH(OUTCOME, "DELETED\r\n"),
                   .meta = ANSWER(OUTCOME),
                   .binary = ANSWER(OUTCOME)},
    [OP_INCR] = COUNTS("incr"),
    [OP_DECR] = COUNTS("decr"),
    [OP_META_GET] = {.name = "mg", .meta_name = "mg", .scope = OP_SCOPE_KEY, .meta = ANSWER(VALUE)},
    [OP_META_ITEM] = {.name = "me", .meta_name = "me", .scope = OP_SCOPE_KEY, .meta = ANSWER(ITEM)},
    [OP_REJECT] = {.name = "set",
                   .meta_name = "ms",
                   .scope = OP_SCOPE_KEY,
                   .text = ANSWER(ERROR),
                   .meta = ANSWER(ERROR),
                   .binary = ANSWER(ERROR)},

    [OP_FLUSH] = {.name = "flush_all",
                  .scope = OP_SCOPE_SHARDS,
                  .text = ANSWER_WITH(WORDS, "OK\r\n"),
                  .binary = ANSWER(WORDS)},
    [OP_FLUSH_PREFIX] = {.name = "flush_prefix",
                         .scope = OP_SCOPE_SHARDS,
                         .text = ANSWER_WITH(WORDS, "OK\r\n")},
    [OP_STATS] = {.name = "stats", .scope = OP_SCOPE_SHARDS}, /* see reply_stat() */
    [OP_METADUMP] = ADMINISTERS("lru_crawler metadump"),
    [OP_MGDUMP] = ADMINISTERS("lru_crawler mgdump"),
    [OP_CRAWL] = ADMINISTERS("lru_crawler crawl"),
    [OP_CRAWLER_SWITCH] = ADMINISTERS("lru_crawler disable"),
    [OP_CRAWLER_SLEEP] = ADMINISTERS("lru_crawler sleep"),
    [OP_CRAWLER_TOCRAWL] = ADMINISTERS("lru_crawler tocrawl"),
    [OP_MEMORY_LIMIT] = ADMINISTERS("cache_memlimit"),
    [OP_DEBUG_TIME] = ADMINISTERS("debugtime"),
    [OP_VERBOSITY] = {.name = "verbosity",
                      .scope = OP_SCOPE_SHARDS,
                      .text = ANSWER_WITH(WORDS, "OK\r\n")},

    [OP_VERSION] = {.name = "version",
                    .scope = OP_SCOPE_CONNECTION,
                    .text = ANSWER_WITH(LINE, "VERSION "),
                    .binary = ANSWER(LINE)},
    [OP_NOOP] = {.name = "noop",
                 .meta_name = "mn",
                 .scope = OP_SCOPE_CONNECTION,
                 .meta = ANSWER_WITH(WORDS, "MN\r\n"),
                 .binary = ANSWER(WORDS)},
    [OP_OK] = {.name = "lru tune or slabs automove",
               .scope = OP_SCOPE_CONNECTION,
               .text = ANSWER_WITH(WORDS, "OK\r\n")},
    [OP_SHUTDOWN] = {.name = "shutdown", .scope = OP_SCOPE_CONNECTION, .text = ANSWER(LINE)},
    [OP_REFRESH_CERTS] = {.name = "refresh_certs",
                          .scope = OP_SCOPE_CONNECTION,
                          .text = ANSWER(LINE)},
    [OP_CONFIG] = {.name = "config get",
                   .scope = OP_SCOPE_CONNECTION,
                   .text = ANSWER(CONFIG),
                   .binary = ANSWER(VALUE)},
    [OP_CONFIG_KEY] = {.name = "get",
                       .scope = OP_SCOPE_CONNECTION,
                       .text = ANSWER(VALUE),
                       .binary = ANSWER(VALUE)},
    [OP_WATCH] = {.name = "watch", .scope = OP_SCOPE_CONNECTION, .text = ANSWER(LINE)},
    [OP_LOGIN] = {.name = "login",
                  .scope = OP_SCOPE_CONNECTION,
                  .text = ANSWER_WITH(OUTCOME, "STORED\r\n"),
                  .binary = ANSWER_WITH(OUTCOME, "Authenticated")},
    [OP_SASL_LIST] = {.name = "sasl_list", .scope = OP_SCOPE_CONNECTION, .binary = ANSWER(LINE)},
    [OP_UPLOAD_PART] = {.name = "value", .scope = OP_SCOPE_CONNECTION},
    [OP_UPLOAD_END] = {.name = "value", .scope = OP_SCOPE_CONNECTION},
    [OP_END] = {.name = "get", .scope = OP_SCOPE_CONNECTION, .text = ANSWER_WITH(WORDS, "END\r\n")},
    [OP_ERROR] = {.name = "command", /* whichever it was: its words may be somebody's value */
                  .scope = OP_SCOPE_CONNECTION,
                  .text = ANSWER(ERROR),
                  .meta = ANSWER(ERROR),
                  .binary = ANSWER(ERROR)},
    [OP_QUIT] = {.name = "quit",
                 .scope = OP_SCOPE_CONNECTION,
                 .text = ANSWER(NOTHING),
                 .binary = ANSWER(WORDS)},
};
