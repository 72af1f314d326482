/* Binary: one packet, one request. */
#include "proto/parse.h"
#include "proto/binary/packet.h"
#include "proto/login.h"

/* A body this long can't be meant, whatever the limit of values is. */
#define BODY_LENGTH_PLAUSIBLE_MAX (1024u * 1024 * 1024)

/* An incr with this expiry does not create a missing item. */
#define EXPTIME_DONT_CREATE 0xffffffff

#define OPCODE_SASL_STEP 0x22

/* As in memcached, of a name that is used for nothing else. */
#define MECHANISM_LENGTH_MAX 32

/* Where in a login the connection is: parser.state. */
enum login_state {
    LOGIN_NONE,
    LOGIN_STEP, /* it has been begun with a mechanism alone */
};

enum shape {
    SHAPE_UNKNOWN, /* no such opcode */
    SHAPE_BARE,    /* neither extras nor key nor value */
    SHAPE_KEY,     /* a key alone */
    SHAPE_STAT,    /* a key or not */
    SHAPE_FLUSH,   /* delay or not */
    SHAPE_TOUCH,   /* expiry, key */
    SHAPE_DELTA,   /* delta, initial, expiry, key */
    SHAPE_STORE,   /* flags, expiry, key, value */
    SHAPE_APPEND,  /* key, value */
    SHAPE_LOGIN,   /* key (the mechanism), value */
};

struct opcode {
    uint8_t shape; /* enum shape */
    uint8_t op;    /* enum op */
    bool quiet;
    bool return_key;
};

static const struct opcode opcodes[256] = {
    [0x00] = {SHAPE_KEY, OP_GET, false, false},
    [0x01] = {SHAPE_STORE, OP_SET, false, false},
    [0x02] = {SHAPE_STORE, OP_ADD, false, false},
    [0x03] = {SHAPE_STORE, OP_REPLACE, false, false},
    [0x04] = {SHAPE_KEY, OP_DELETE, false, false},
    [0x05] = {SHAPE_DELTA, OP_INCR, false, false},
    [0x06] = {SHAPE_DELTA, OP_DECR, false, false},
    [0x07] = {SHAPE_BARE, OP_QUIT, false, false},
    [0x08] = {SHAPE_FLUSH, OP_FLUSH, false, false},
    [0x09] = {SHAPE_KEY, OP_GET, true, false},
    [0x0a] = {SHAPE_BARE, OP_NOOP, false, false},
    [0x0b] = {SHAPE_BARE, OP_VERSION, false, false},
    [0x0c] = {SHAPE_KEY, OP_GET, false, true},
    [0x0d] = {SHAPE_KEY, OP_GET, true, true},
    [0x0e] = {SHAPE_APPEND, OP_APPEND, false, false},
    [0x0f] = {SHAPE_APPEND, OP_PREPEND, false, false},
    [0x10] = {SHAPE_STAT, OP_STATS, false, false},
    [0x11] = {SHAPE_STORE, OP_SET, true, false},
    [0x12] = {SHAPE_STORE, OP_ADD, true, false},
    [0x13] = {SHAPE_STORE, OP_REPLACE, true, false},
    [0x14] = {SHAPE_KEY, OP_DELETE, true, false},
    [0x15] = {SHAPE_DELTA, OP_INCR, true, false},
    [0x16] = {SHAPE_DELTA, OP_DECR, true, false},
    [0x17] = {SHAPE_BARE, OP_QUIT, true, false},
    [0x18] = {SHAPE_FLUSH, OP_FLUSH, true, false},
    [0x19] = {SHAPE_APPEND, OP_APPEND, true, false},
    [0x1a] = {SHAPE_APPEND, OP_PREPEND, true, false},
    [0x1c] = {SHAPE_TOUCH, OP_TOUCH, false, false},
    [0x1d] = {SHAPE_TOUCH, OP_GAT, false, false},
    [0x1e] = {SHAPE_TOUCH, OP_GAT, true, false},
    [0x20] = {SHAPE_BARE, OP_SASL_LIST, false, false},
    [0x21] = {SHAPE_LOGIN, OP_LOGIN, false, false},
    [OPCODE_SASL_STEP] = {SHAPE_LOGIN, OP_LOGIN, false, false},
    [0x23] = {SHAPE_TOUCH, OP_GAT, false, true},
    [0x24] = {SHAPE_TOUCH, OP_GAT, true, true},
};

struct packet {
    const char *bytes;
    const struct opcode *opcode;
    uint16_t key_length;
    uint8_t extras_length;
    uint32_t body_length;
    uint32_t value_length;
};

/* The lengths are valid once check_lengths() has been content with them. */
static struct packet read_header(const char *bytes) {
    struct packet packet = {
        .bytes = bytes,
        .opcode = &opcodes[(unsigned char)bytes[1]],
        .key_length = binary_load16(bytes + 2),
        .extras_length = (uint8_t)bytes[4],
        .body_length = binary_load32(bytes + 8),
    };
    packet.value_length = packet.body_length - packet.key_length - packet.extras_length;
    return packet;
}

/* What memcached answers before it looks at the opcode. */
static enum proto_error check_lengths(const struct packet *packet) {
    if ((uint32_t)packet->key_length + packet->extras_length > packet->body_length) {
        return PROTO_ERROR_COMMAND;
    }
    return packet->body_length > BODY_LENGTH_PLAUSIBLE_MAX ? PROTO_ERROR_FORMAT : PROTO_ERROR_NONE;
}

static bool is_login(const struct packet *packet) {
    return packet->opcode->op == OP_LOGIN || packet->opcode->op == OP_SASL_LIST;
}

/* Whether a connection that has not logged in may ask for this. */
static bool is_open_to_all(const struct parser *parser, const struct packet *packet) {
    bool version = packet->opcode->shape != SHAPE_UNKNOWN && packet->opcode->op == OP_VERSION;
    return version || (parser->sasl && is_login(packet));
}

/* The mistakes after which memcached closes the connection. */
static enum proto_error check_header(const struct parser *parser, const struct packet *packet) {
    enum proto_error error = check_lengths(packet);
    if (error != PROTO_ERROR_NONE) {
        return error;
    }
    if (parser->must_login && !is_open_to_all(parser, packet)) {
        return PROTO_ERROR_LOGIN;
    }
    return packet->key_length > KEY_LENGTH_MAX ? PROTO_ERROR_FORMAT : PROTO_ERROR_NONE;
}

static bool shape_fits(const struct packet *packet) {
    bool key = packet->key_length > 0;
    bool value = packet->value_length > 0;
    unsigned extras = packet->extras_length;
    switch ((enum shape)packet->opcode->shape) {
    case SHAPE_UNKNOWN:
        return false;
    case SHAPE_BARE:
        return extras == 0 && !key && !value;
    case SHAPE_KEY:
        return extras == 0 && key && !value;
    case SHAPE_STAT:
        return extras == 0 && !value;
    case SHAPE_FLUSH:
        return (extras == 0 || extras == 4) && !key && !value;
    case SHAPE_TOUCH:
        return extras == 4 && key && !value;
    case SHAPE_DELTA:
        return extras == 20 && key && !value;
    case SHAPE_STORE:
        return extras == 8 && key;
    case SHAPE_APPEND:
    case SHAPE_LOGIN:
        return extras == 0 && key;
    }
    return false;
}

/* What the header alone says. */
static void fill(struct request *request, const struct packet *packet) {
    *request = (struct request){
        .op = packet->opcode->op,
        .protocol = PROTOCOL_BINARY,
        .opcode = (uint8_t)packet->bytes[1],
        .quiet = packet->opcode->quiet,
        .return_key = packet->opcode->return_key,
        .closes = packet->opcode->op == OP_QUIT,
    };
    memcpy(&request->opaque, packet->bytes + 12, sizeof(request->opaque));
}

static enum parse_status refuse(struct request *request, const struct packet *packet,
                                enum proto_error error, bool closes, size_t *used) {
    fill(request, packet);
    request->op = OP_ERROR;
    request->error = (uint8_t)error;
    request->closes = closes;
    *used = BINARY_HEADER_LENGTH;
    return PARSE_REQUEST;
}

static void fill_key(struct request *request, const struct packet *packet) {
    request->key = packet->bytes + BINARY_HEADER_LENGTH + packet->extras_length;
    request->key_length = packet->key_length;
}

/* A CAS other than 0 is a condition, where there is something to compare it with. As in memcached,
 * it turns an add or replace into a set on that condition. */
static void fill_cas(struct request *request, const struct packet *packet) {
    request->cas = binary_load64(packet->bytes + 16);
    request->compare_cas = request->cas != 0;
    if (request->compare_cas && packet->opcode->shape == SHAPE_STORE) {
        request->op = OP_SET;
    }
}

static void fill_extras(struct request *request, const struct packet *packet) {
    const char *extras = packet->bytes + BINARY_HEADER_LENGTH;
    switch ((enum shape)packet->opcode->shape) {
    case SHAPE_FLUSH:
        request->exptime = packet->extras_length == 4 ? binary_load32(extras) : 0;
        return;
    case SHAPE_TOUCH:
        request->exptime = binary_load32(extras);
        return;
    case SHAPE_DELTA:
        request->delta = binary_load64(extras);
        request->initial = binary_load64(extras + 8);
        request->exptime = binary_load32(extras + 16);
        request->create = request->exptime != EXPTIME_DONT_CREATE;
        return;
    case SHAPE_STORE:
        request->client_flags = binary_load32(extras);
        request->exptime = binary_load32(extras + 4);
        return;
    case SHAPE_UNKNOWN:
    case SHAPE_BARE:
    case SHAPE_KEY:
    case SHAPE_STAT:
    case SHAPE_APPEND:
    case SHAPE_LOGIN:
        return;
    }
}

static bool compares_cas(const struct parser *parser, const struct packet *packet) {
    enum op op = (enum op)packet->opcode->op;
    bool writes = packet->opcode->shape == SHAPE_STORE || packet->opcode->shape == SHAPE_APPEND;
    if (writes && parser->no_cas) {
        return false;
    }
    return op_has_key(op) && op != OP_GET && op != OP_TOUCH && op != OP_GAT;
}

/* The whole packet is here. */
static enum parse_status take_packet(const struct parser *parser, struct request *request,
                                     const struct packet *packet, size_t *used) {
    fill(request, packet);
    fill_key(request, packet);
    fill_extras(request, packet);
    if (compares_cas(parser, packet)) {
        fill_cas(request, packet);
    }
    request->value = request->key + request->key_length;
    request->value_length = packet->value_length;
    *used = BINARY_HEADER_LENGTH + packet->body_length;
    return PARSE_REQUEST;
}

/* How far the packet reaches up to its value. */
static size_t front_length(const struct packet *packet) {
    return (size_t)BINARY_HEADER_LENGTH + packet->extras_length + packet->key_length;
}

/* Answers with an error once the key is here and swallows the value when it comes. Only a set drops
 * the old value of its key, as in text. */
static enum parse_status refuse_value(struct parser *parser, const struct packet *packet,
                                      struct request *request, size_t *used) {
    refuse(request, packet, PROTO_ERROR_TOO_LARGE, false, used);
    if (packet->opcode->op == OP_SET) {
        request->op = OP_REJECT;
        fill_key(request, packet);
    }
    *used = front_length(packet);
    parser->skip = packet->value_length;
    return PARSE_REQUEST;
}

/* A value that is not waited for: it is refused, or comes as an upload. */
static enum parse_status take_front(struct parser *parser, const struct packet *packet,
                                    size_t length, struct request *request, size_t *used) {
    if (length < front_length(packet)) {
        return parse_more(parser, front_length(packet));
    }
    if (packet->value_length > parser->value_length_max) {
        return refuse_value(parser, packet, request, used);
    }
    take_packet(parser, request, packet, used);
    request->value = NULL;
    request->upload = true;
    request->delete_on_refusal = packet->opcode->op == OP_SET;
    *used = front_length(packet);
    parser->upload = packet->value_length;
    return PARSE_REQUEST;
}

static bool is_waited_for(const struct parser *parser, const struct packet *packet) {
    bool stores = packet->opcode->shape == SHAPE_STORE || packet->opcode->shape == SHAPE_APPEND;
    return !stores || (packet->value_length <= parser->value_length_max &&
                       packet->value_length <= parser->upload_from);
}

/* Answers with an error and goes on behind the body. */
static enum parse_status refuse_packet(struct parser *parser, const struct packet *packet,
                                       enum proto_error error, struct request *request,
                                       size_t *used) {
    parser->skip = packet->body_length;
    return refuse(request, packet, error, false, used);
}

/* What a login can be refused for, that never was one. */
static enum proto_error check_login(const struct parser *parser, const struct packet *packet) {
    if (!parser->sasl) {
        return PROTO_ERROR_COMMAND;
    }
    if (packet->opcode->op == OP_SASL_LIST) {
        return PROTO_ERROR_NONE;
    }
    if (packet->key_length > MECHANISM_LENGTH_MAX) {
        return PROTO_ERROR_FORMAT;
    }
    bool step = (unsigned char)packet->bytes[1] == OPCODE_SASL_STEP;
    if (step && parser->state != LOGIN_STEP) {
        return PROTO_ERROR_LOGIN;
    }
    return packet->value_length <= LOGIN_LENGTH_MAX ? PROTO_ERROR_NONE : PROTO_ERROR_NO_MEMORY;
}

/* A login of PLAIN may come in two packets: the mechanism alone, then what it asks for. */
static enum parse_status take_login(struct parser *parser, const struct packet *packet,
                                    struct request *request, size_t *used) {
    take_packet(parser, request, packet, used);
    bool step = request->opcode == OPCODE_SASL_STEP;
    parser->state = LOGIN_NONE;
    if (!step && packet->value_length == 0 &&
        login_mechanism_is_plain(request->key, request->key_length)) {
        parser->state = LOGIN_STEP;
        request->op = OP_ERROR;
        request->error = PROTO_ERROR_LOGIN_STEP;
    }
    return PARSE_REQUEST;
}

static enum parse_status check_stats(const struct parser *parser, struct request *request) {
    request->error = (uint8_t)stats_refusal(parser, request->key, request->key_length);
    if (request->error != PROTO_ERROR_NONE) {
        request->op = OP_ERROR;
    }
    return PARSE_REQUEST;
}

static enum parse_status parse_packet(struct parser *parser, const struct packet *packet,
                                      size_t length, struct request *request, size_t *used) {
    if (packet->opcode->shape == SHAPE_UNKNOWN) {
        return refuse_packet(parser, packet, PROTO_ERROR_COMMAND, request, used);
    }
    if (!shape_fits(packet)) {
        return refuse(request, packet, PROTO_ERROR_FORMAT, true, used);
    }
    if (parser->no_flush && packet->opcode->shape == SHAPE_FLUSH) {
        return refuse_packet(parser, packet, PROTO_ERROR_FLUSH, request, used);
    }
    if (is_login(packet)) {
        enum proto_error error = check_login(parser, packet);
        if (error != PROTO_ERROR_NONE) {
            return refuse_packet(parser, packet, error, request, used);
        }
    }
    if (!is_waited_for(parser, packet)) {
        return take_front(parser, packet, length, request, used);
    }
    if (length < BINARY_HEADER_LENGTH + (size_t)packet->body_length) {
        return parse_more(parser, BINARY_HEADER_LENGTH + (size_t)packet->body_length);
    }
    if (packet->opcode->shape == SHAPE_LOGIN) {
        return take_login(parser, packet, request, used);
    }
    take_packet(parser, request, packet, used);
    return packet->opcode->shape == SHAPE_STAT ? check_stats(parser, request) : PARSE_REQUEST;
}

enum parse_status binary_parse(struct parser *parser, const char *bytes, size_t length,
                               struct request *request, size_t *used) {
    if ((unsigned char)bytes[0] != BINARY_REQUEST_MAGIC) {
        return PARSE_CLOSE;
    }
    if (length < BINARY_HEADER_LENGTH) {
        return parse_more(parser, BINARY_HEADER_LENGTH);
    }
    struct packet packet = read_header(bytes);
    enum proto_error error = check_header(parser, &packet);
    if (error != PROTO_ERROR_NONE) {
        return refuse(request, &packet, error, true, used);
    }
    return parse_packet(parser, &packet, length, request, used);
}
