/* Makes one request of one packet. */
#include "proto/binary/binary.h"
#include "proto/binary/packet.h"
#include "proto/login.h"
#include "proto/stats.h"

/* As in memcached a longer body is an error, whatever the limit of values is. */
#define BODY_LENGTH_PLAUSIBLE_MAX (1024u * 1024 * 1024)

/* As in memcached there is no memory for a longer login. A shorter one that is longer than
 * LOGIN_LENGTH_MAX is a wrong one, which is what memcached's SASL says of it. */
#define LOGIN_LENGTH_PLAUSIBLE_MAX (512u * 1024)

/* An incr with this expiry does not create a missing item. */
#define EXPTIME_DONT_CREATE 0xffffffff

/* How far the connection's login is: parser.state. */
enum login_state {
    LOGIN_NONE,
    LOGIN_STEP, /* the mechanism has come alone: a step is to follow */
};

/* Which parts a packet has (extras in their order). */
enum shape {
    SHAPE_UNKNOWN, /* no such opcode */
    SHAPE_BARE,    /* neither extras nor key nor value */
    SHAPE_KEY,     /* a key alone */
    SHAPE_STAT,    /* a key or nothing */
    SHAPE_FLUSH,   /* a delay or nothing */
    SHAPE_TOUCH,   /* expiry, key */
    SHAPE_DELTA,   /* delta, initial, expiry, key */
    SHAPE_STORE,   /* flags, expiry, key, value */
    SHAPE_APPEND,  /* key, value */
    SHAPE_LOGIN,   /* key (the mechanism), value */
};

struct opcode {
    char name[12]; /* as memcached's programs and logs have it */
    uint8_t shape; /* enum shape */
    uint8_t op;    /* enum op */
    bool quiet;
    bool return_key;
};

static const struct opcode opcodes[256] = {
    [0x00] = {"get", SHAPE_KEY, OP_GET, false, false},
    [0x01] = {"set", SHAPE_STORE, OP_SET, false, false},
    [0x02] = {"add", SHAPE_STORE, OP_ADD, false, false},
    [0x03] = {"replace", SHAPE_STORE, OP_REPLACE, false, false},
    [0x04] = {"delete", SHAPE_KEY, OP_DELETE, false, false},
    [0x05] = {"incr", SHAPE_DELTA, OP_INCR, false, false},
    [0x06] = {"decr", SHAPE_DELTA, OP_DECR, false, false},
    [0x07] = {"quit", SHAPE_BARE, OP_QUIT, false, false},
    [0x08] = {"flush", SHAPE_FLUSH, OP_FLUSH, false, false},
    [0x09] = {"getq", SHAPE_KEY, OP_GET, true, false},
    [0x0a] = {"noop", SHAPE_BARE, OP_NOOP, false, false},
    [0x0b] = {"version", SHAPE_BARE, OP_VERSION, false, false},
    [0x0c] = {"getk", SHAPE_KEY, OP_GET, false, true},
    [0x0d] = {"getkq", SHAPE_KEY, OP_GET, true, true},
    [0x0e] = {"append", SHAPE_APPEND, OP_APPEND, false, false},
    [0x0f] = {"prepend", SHAPE_APPEND, OP_PREPEND, false, false},
    [0x10] = {"stat", SHAPE_STAT, OP_STATS, false, false},
    [0x11] = {"setq", SHAPE_STORE, OP_SET, true, false},
    [0x12] = {"addq", SHAPE_STORE, OP_ADD, true, false},
    [0x13] = {"replaceq", SHAPE_STORE, OP_REPLACE, true, false},
    [0x14] = {"deleteq", SHAPE_KEY, OP_DELETE, true, false},
    [0x15] = {"incrq", SHAPE_DELTA, OP_INCR, true, false},
    [0x16] = {"decrq", SHAPE_DELTA, OP_DECR, true, false},
    [0x17] = {"quitq", SHAPE_BARE, OP_QUIT, true, false},
    [0x18] = {"flushq", SHAPE_FLUSH, OP_FLUSH, true, false},
    [0x19] = {"appendq", SHAPE_APPEND, OP_APPEND, true, false},
    [0x1a] = {"prependq", SHAPE_APPEND, OP_PREPEND, true, false},
    [0x1c] = {"touch", SHAPE_TOUCH, OP_TOUCH, false, false},
    [0x1d] = {"gat", SHAPE_TOUCH, OP_GAT, false, false},
    [0x1e] = {"gatq", SHAPE_TOUCH, OP_GAT, true, false},
    [0x20] = {"sasl_list", SHAPE_BARE, OP_SASL_LIST, false, false},
    [LOGIN_OPCODE_AUTH] = {"sasl_auth", SHAPE_LOGIN, OP_LOGIN, false, false},
    [LOGIN_OPCODE_STEP] = {"sasl_step", SHAPE_LOGIN, OP_LOGIN, false, false},
    [0x23] = {"gatk", SHAPE_TOUCH, OP_GAT, false, true},
    [0x24] = {"gatkq", SHAPE_TOUCH, OP_GAT, true, true},
    [0x60] = {"config_get", SHAPE_KEY, OP_CONFIG, false, false},
};

struct packet {
    const char *bytes;
    const struct opcode *opcode;
    uint16_t key_length;
    uint8_t extras_length;
    uint32_t body_length;
    uint32_t value_length;
};

const char *binary_opcode_name(uint8_t opcode) {
    return opcodes[opcode].shape != SHAPE_UNKNOWN ? opcodes[opcode].name : NULL;
}

/* The lengths are valid once packet_check_lengths() has found no error. */
static struct packet packet_read(const char *bytes) {
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

/* The errors that memcached checks before it looks at the opcode. */
static enum proto_error packet_check_lengths(const struct packet *packet) {
    if ((uint32_t)packet->key_length + packet->extras_length > packet->body_length) {
        return PROTO_ERROR_COMMAND;
    }
    return packet->body_length > BODY_LENGTH_PLAUSIBLE_MAX ? PROTO_ERROR_FORMAT : PROTO_ERROR_NONE;
}

static bool packet_is_login(const struct packet *packet) {
    return packet->opcode->op == OP_LOGIN || packet->opcode->op == OP_SASL_LIST;
}

/* Whether a connection that has not logged in may send this. */
static bool packet_needs_no_login(const struct parser *parser, const struct packet *packet) {
    bool version = packet->opcode->shape != SHAPE_UNKNOWN && packet->opcode->op == OP_VERSION;
    return version || (parser->sasl && packet_is_login(packet));
}

/* The errors after which memcached closes the connection. */
static enum proto_error packet_check_header(const struct parser *parser,
                                            const struct packet *packet) {
    enum proto_error error = packet_check_lengths(packet);
    if (error != PROTO_ERROR_NONE) {
        return error;
    }
    if (parser->must_login && !packet_needs_no_login(parser, packet)) {
        return PROTO_ERROR_LOGIN;
    }
    return packet->key_length > KEY_LENGTH_MAX ? PROTO_ERROR_FORMAT : PROTO_ERROR_NONE;
}

static bool packet_fits_shape(const struct packet *packet) {
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

/* Fills in what the header alone tells. */
static void packet_fill_request(struct request *request, const struct packet *packet) {
    *request = (struct request){
        .op = packet->opcode->op,
        .protocol = PROTOCOL_BINARY,
        .opcode = binary_load_opcode(packet->bytes),
        .quiet = packet->opcode->quiet,
        .return_key = packet->opcode->return_key,
        .closes = packet->opcode->op == OP_QUIT,
    };
    request->opaque = binary_load_opaque(packet->bytes);
}

/* Makes the request an error; consumes the header and not what follows it. */
static enum parse_status packet_refuse(struct parse *parse, const struct packet *packet,
                                       enum proto_error error, bool closes) {
    packet_fill_request(parse->request, packet);
    parse->request->op = OP_ERROR;
    parse->request->error = (uint8_t)error;
    parse->request->closes = closes;
    parse->next = packet->bytes + BINARY_HEADER_LENGTH;
    return PARSE_REQUEST;
}

static void packet_fill_key(struct request *request, const struct packet *packet) {
    request->key = packet->bytes + BINARY_HEADER_LENGTH + packet->extras_length;
    request->key_length = packet->key_length;
}

/* A CAS other than 0 is a condition. As in memcached it makes an add or replace a set. */
static void packet_fill_cas(struct request *request, const struct packet *packet) {
    request->cas = binary_load64(packet->bytes + 16);
    request->compare_cas = request->cas != 0;
    if (request->compare_cas && packet->opcode->shape == SHAPE_STORE) {
        request->op = OP_SET;
    }
}

static void packet_fill_extras(struct request *request, const struct packet *packet) {
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

static bool packet_compares_cas(const struct parser *parser, const struct packet *packet) {
    enum op op = (enum op)packet->opcode->op;
    bool writes = packet->opcode->shape == SHAPE_STORE || packet->opcode->shape == SHAPE_APPEND;
    if (writes && parser->no_cas) {
        return false;
    }
    return op_has_key(op) && op != OP_GET && op != OP_TOUCH && op != OP_GAT;
}

/* The whole packet is here, or all but its value. */
static enum parse_status packet_take(struct parse *parse, const struct packet *packet) {
    struct request *request = parse->request;
    packet_fill_request(request, packet);
    packet_fill_key(request, packet);
    packet_fill_extras(request, packet);
    if (packet_compares_cas(parse->parser, packet)) {
        packet_fill_cas(request, packet);
    }
    request->value = request->key + request->key_length;
    request->value_length = packet->value_length;
    parse->next = packet->bytes + BINARY_HEADER_LENGTH + packet->body_length;
    return PARSE_REQUEST;
}

/* The length of all that stands before the value. */
static size_t packet_front_length(const struct packet *packet) {
    return (size_t)BINARY_HEADER_LENGTH + packet->extras_length + packet->key_length;
}

/* Answers once the key is here, and skips the value when it arrives. Only a set deletes the old
 * value of its key, as in text. */
static enum parse_status packet_refuse_value(struct parse *parse, const struct packet *packet) {
    struct request *request = parse->request;
    packet_refuse(parse, packet, PROTO_ERROR_TOO_LARGE, false);
    packet_fill_key(request, packet);
    request->refused_op = packet->opcode->op;
    if (packet->opcode->op == OP_SET) {
        request->op = OP_REJECT;
    }
    parse->next = packet->bytes + packet_front_length(packet);
    parse->parser->skip = packet->value_length;
    return PARSE_REQUEST;
}

/* A value that isn't waited for: it is refused, or comes as an upload. */
static enum parse_status packet_take_front(struct parse *parse, const struct packet *packet) {
    if (parse->length < packet_front_length(packet)) {
        return parse_more(parse, packet_front_length(packet));
    }
    if (packet->value_length > parse->parser->value_length_max) {
        return packet_refuse_value(parse, packet);
    }
    packet_take(parse, packet);
    parse->request->value = NULL;
    parse->request->upload = true;
    parse->request->delete_on_refusal = packet->opcode->op == OP_SET;
    parse->next = packet->bytes + packet_front_length(packet);
    parse->parser->upload = packet->value_length;
    return PARSE_REQUEST;
}

static bool packet_is_waited_for(const struct parser *parser, const struct packet *packet) {
    bool stores = packet->opcode->shape == SHAPE_STORE || packet->opcode->shape == SHAPE_APPEND;
    return !stores || (packet->value_length <= parser->value_length_max &&
                       packet->value_length <= parser->upload_from);
}

/* Answers with an error and skips the body. */
static enum parse_status packet_refuse_whole(struct parse *parse, const struct packet *packet,
                                             enum proto_error error) {
    parse->parser->skip = packet->body_length;
    return packet_refuse(parse, packet, error, false);
}

/* Errors of a login that are told without looking at user and password. */
static enum proto_error packet_check_login(const struct parser *parser,
                                           const struct packet *packet) {
    if (!parser->sasl) {
        return PROTO_ERROR_COMMAND;
    }
    if (packet->opcode->op == OP_SASL_LIST) {
        return PROTO_ERROR_NONE;
    }
    if (packet->key_length > LOGIN_MECHANISM_LENGTH_MAX) {
        return PROTO_ERROR_FORMAT;
    }
    bool step = (unsigned char)packet->bytes[1] == LOGIN_OPCODE_STEP;
    if (step && parser->state != LOGIN_STEP && !parser->sasl_steps) {
        return PROTO_ERROR_LOGIN;
    }
    if (packet->value_length <= LOGIN_LENGTH_MAX) {
        return PROTO_ERROR_NONE;
    }
    return packet->value_length <= LOGIN_LENGTH_PLAUSIBLE_MAX ? PROTO_ERROR_LOGIN
                                                              : PROTO_ERROR_NO_MEMORY;
}

/* A login of PLAIN may come in two packets: the mechanism alone, and a step with the credentials.
 * Those of other mechanisms have as many as they need, which is the caller's to know. The list of
 * mechanisms may come between. */
static enum parse_status packet_take_login(struct parse *parse, const struct packet *packet) {
    packet_take(parse, packet);
    struct request *request = parse->request;
    if (request->op == OP_SASL_LIST) {
        return PARSE_REQUEST;
    }
    parse->parser->state = LOGIN_NONE;
    if (!parse->parser->sasl_steps && !login_is_step(request) && packet->value_length == 0 &&
        login_mechanism_is_plain(request->key, request->key_length)) {
        parse->parser->state = LOGIN_STEP;
        request->op = OP_ERROR;
        request->error = PROTO_ERROR_LOGIN_STEP;
    }
    return PARSE_REQUEST;
}

static enum parse_status packet_parse_login(struct parse *parse, const struct packet *packet) {
    enum proto_error error = packet_check_login(parse->parser, packet);
    size_t whole = BINARY_HEADER_LENGTH + (size_t)packet->body_length;
    if (error == PROTO_ERROR_NONE && parse->length < whole) {
        return parse_more(parse, whole);
    }
    parse->parser->must_login |= error == PROTO_ERROR_NONE || error == PROTO_ERROR_LOGIN;
    return error == PROTO_ERROR_NONE ? packet_take_login(parse, packet)
                                     : packet_refuse_whole(parse, packet, error);
}

static enum parse_status packet_take_stat(struct parse *parse, const struct packet *packet) {
    packet_take(parse, packet);
    struct request *request = parse->request;
    request->error = (uint8_t)stats_check_allowed(parse->parser, request->key, request->key_length);
    if (request->error != PROTO_ERROR_NONE) {
        request->op = OP_ERROR;
    }
    return PARSE_REQUEST;
}

static bool packet_has_key(const struct request *request, const char *key, size_t length) {
    return request->key_length == length && memcmp(request->key, key, length) == 0;
}

/* Where the list of servers can be asked for: a get of it by its old key, and errors of asking by
 * its opcode. */
__attribute__((noinline, cold)) static enum parse_status
packet_take_key(struct parse *parse, const struct packet *packet) {
    struct request *request = parse->request;
    enum parse_status status = packet_take(parse, packet);
    if (request->op == OP_GET && packet_has_key(request, CONFIG_KEY, sizeof(CONFIG_KEY) - 1)) {
        request->op = OP_CONFIG_KEY;
    } else if (request->op == OP_CONFIG &&
               !packet_has_key(request, CONFIG_NAME, sizeof(CONFIG_NAME) - 1)) {
        request->op = OP_ERROR;
        request->error = PROTO_ERROR_COMMAND;
    }
    return status;
}

static bool packet_is_known(const struct parser *parser, const struct packet *packet) {
    bool config = packet->opcode->op == OP_CONFIG;
    return packet->opcode->shape != SHAPE_UNKNOWN && (!config || parser->discovers);
}

static enum parse_status packet_parse(struct parse *parse, const struct packet *packet) {
    const struct parser *parser = parse->parser;
    if (!packet_is_known(parser, packet)) {
        return packet_refuse_whole(parse, packet, PROTO_ERROR_COMMAND);
    }
    if (!packet_fits_shape(packet)) {
        return packet_refuse(parse, packet, PROTO_ERROR_FORMAT, true);
    }
    if (parser->no_flush && packet->opcode->shape == SHAPE_FLUSH) {
        return packet_refuse_whole(parse, packet, PROTO_ERROR_FLUSH);
    }
    if (packet_is_login(packet)) {
        return packet_parse_login(parse, packet);
    }
    if (!packet_is_waited_for(parser, packet)) {
        return packet_take_front(parse, packet);
    }
    if (parse->length < BINARY_HEADER_LENGTH + (size_t)packet->body_length) {
        return parse_more(parse, BINARY_HEADER_LENGTH + (size_t)packet->body_length);
    }
    if (parser->discovers && packet->opcode->shape == SHAPE_KEY) {
        return packet_take_key(parse, packet);
    }
    return packet->opcode->shape == SHAPE_STAT ? packet_take_stat(parse, packet)
                                               : packet_take(parse, packet);
}

enum parse_status binary_parse(struct parse *parse) {
    if ((unsigned char)parse->bytes[0] != BINARY_REQUEST_MAGIC) {
        return PARSE_CLOSE;
    }
    if (parse->length < BINARY_HEADER_LENGTH) {
        return parse_more(parse, BINARY_HEADER_LENGTH);
    }
    struct packet packet = packet_read(parse->bytes);
    enum proto_error error = packet_check_header(parse->parser, &packet);
    if (error != PROTO_ERROR_NONE) {
        return packet_refuse(parse, &packet, error, true);
    }
    return packet_parse(parse, &packet);
}
