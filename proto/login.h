/* login: user and password of an OP_LOGIN, whatever the protocol. */
#ifndef PROTO_LOGIN_H
#define PROTO_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/request.h"

struct credentials {
    const char *user;
    const char *password;
    uint32_t user_length;
    uint32_t password_length;
};

/* Splits the value of an OP_LOGIN into user and password, which point into request->value. Text:
 * user, space, password (protocol.txt, "Authentication"). Binary: the mechanism PLAIN (RFC 4616).
 * False when it is malformed, of another mechanism, or asks to act for another user. */
bool login_credentials(const struct request *request, struct credentials *credentials);

/* Whether the name of a SASL mechanism is PLAIN, the only one of a file of users. */
bool login_mechanism_is_plain(const char *mechanism, size_t length);

/* The opcodes of a binary OP_LOGIN, and whether it is the second. */
#define LOGIN_OPCODE_AUTH 0x21
#define LOGIN_OPCODE_STEP 0x22
static inline bool login_is_step(const struct request *request) {
    return request->protocol == PROTOCOL_BINARY && request->opcode == LOGIN_OPCODE_STEP;
}

/* Bytes of a mechanism's name, as in memcached. */
#define LOGIN_MECHANISM_LENGTH_MAX 32

#endif
