#include <assert.h>

#include "proto/binary/binary.h"
#include "proto/request.h"

static const char *name_of_text(const struct request *request) {
    if (request->op == OP_CRAWLER_SWITCH && request->delta != 0) {
        return "lru_crawler enable";
    }
    if (request->compare_cas) {
        return "cas";
    }
    if (request->return_cas) {
        return request->op == OP_GAT ? "gats" : "gets";
    }
    return op_infos[request->op].name;
}

static const char *name_of_meta(const struct request *request) {
    const char *name = op_infos[request->op].meta_name;
    return name[0] != '\0' ? name : "unknown";
}

static const char *name_of_binary(const struct request *request) {
    const char *name = binary_opcode_name(request->opcode);
    return name ? name : "unknown";
}

const char *request_name(const struct request *request) {
    assert(request->op < OP_COUNT);
    switch ((enum protocol)request->protocol) {
    case PROTOCOL_BINARY:
        return name_of_binary(request);
    case PROTOCOL_META:
        return name_of_meta(request);
    case PROTOCOL_TEXT:
    case PROTOCOL_UNKNOWN:
        break;
    }
    return name_of_text(request);
}
