/* What a request is called, for people. */
#include "proto/binary/packet.h"
#include "proto/reply.h"

#include <string.h>

static const char *const text_names[] = {
    [OP_GET] = "get",
    [OP_TOUCH] = "touch",
    [OP_GAT] = "gat",
    [OP_SET] = "set",
    [OP_ADD] = "add",
    [OP_REPLACE] = "replace",
    [OP_APPEND] = "append",
    [OP_PREPEND] = "prepend",
    [OP_DELETE] = "delete",
    [OP_INCR] = "incr",
    [OP_DECR] = "decr",
    [OP_REJECT] = "set",
    [OP_FLUSH] = "flush_all",
    [OP_STATS] = "stats",
    [OP_METADUMP] = "lru_crawler metadump",
    [OP_MGDUMP] = "lru_crawler mgdump",
    [OP_CRAWL] = "lru_crawler crawl",
    [OP_CRAWLER_SLEEP] = "lru_crawler sleep",
    [OP_CRAWLER_TOCRAWL] = "lru_crawler tocrawl",
    [OP_MEMORY_LIMIT] = "cache_memlimit",
    [OP_DEBUG_TIME] = "debugtime",
    [OP_VERSION] = "version",
    [OP_VERBOSITY] = "verbosity",
    [OP_OK] = "lru tune or slabs automove",
    [OP_SHUTDOWN] = "shutdown",
    [OP_LOGIN] = "login",
    [OP_UPLOAD_END] = "value",
    [OP_END] = "get",
    [OP_ERROR] = "command", /* whichever it was: its words may be somebody's data */
    [OP_QUIT] = "quit",
};

static const char *const meta_names[] = {
    [OP_META_GET] = "mg", [OP_META_ITEM] = "me", [OP_NOOP] = "mn",   [OP_SET] = "ms",
    [OP_ADD] = "ms",      [OP_REPLACE] = "ms",   [OP_APPEND] = "ms", [OP_PREPEND] = "ms",
    [OP_REJECT] = "ms",   [OP_DELETE] = "md",    [OP_INCR] = "ma",   [OP_DECR] = "ma",
};

/* By opcode. */
static const char *const binary_names[] = {
    [0x00] = "get",       [0x01] = "set",     [0x02] = "add",       [0x03] = "replace",
    [0x04] = "delete",    [0x05] = "incr",    [0x06] = "decr",      [0x07] = "quit",
    [0x08] = "flush",     [0x09] = "getq",    [0x0a] = "noop",      [0x0b] = "version",
    [0x0c] = "getk",      [0x0d] = "getkq",   [0x0e] = "append",    [0x0f] = "prepend",
    [0x10] = "stat",      [0x11] = "setq",    [0x12] = "addq",      [0x13] = "replaceq",
    [0x14] = "deleteq",   [0x15] = "incrq",   [0x16] = "decrq",     [0x17] = "quitq",
    [0x18] = "flushq",    [0x19] = "appendq", [0x1a] = "prependq",  [0x1c] = "touch",
    [0x1d] = "gat",       [0x1e] = "gatq",    [0x20] = "sasl_list", [0x21] = "sasl_auth",
    [0x22] = "sasl_step", [0x23] = "gatk",    [0x24] = "gatkq",
};

#define NAME_AT(names, index)                                                                      \
    ((index) < sizeof(names) / sizeof(*(names)) && (names)[index] ? (names)[index] : "unknown")

static const char *text_name(const struct request *request) {
    if (request->op == OP_CRAWLER_SWITCH) {
        return request->delta != 0 ? "lru_crawler enable" : "lru_crawler disable";
    }
    if (request->compare_cas) {
        return "cas";
    }
    if (request->return_cas) {
        return request->op == OP_GAT ? "gats" : "gets";
    }
    return NAME_AT(text_names, request->op);
}

const char *request_name(const struct request *request) {
    switch ((enum protocol)request->protocol) {
    case PROTOCOL_BINARY:
        return NAME_AT(binary_names, request->opcode);
    case PROTOCOL_META:
        return NAME_AT(meta_names, request->op);
    case PROTOCOL_TEXT:
    case PROTOCOL_UNKNOWN:
        break;
    }
    return text_name(request);
}

size_t reply_error_text(char *out, const struct request *request) {
    char reply[REPLY_ERROR_MAX + BINARY_HEADER_LENGTH];
    struct request loud = *request;
    loud.quiet = false;
    loud.op = OP_ERROR; /* an upload's end has one, too */
    size_t length = reply_write(reply, &loud, NULL);
    bool binary = request->protocol == PROTOCOL_BINARY;
    size_t begin = binary ? BINARY_HEADER_LENGTH : 0;
    size_t end = binary ? length : length - 2; /* \r\n */
    memcpy(out, reply + begin, end - begin);
    return end - begin;
}
