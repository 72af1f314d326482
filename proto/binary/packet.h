/* The binary protocol's layout, as its public description gives it. Private to proto/.
 *
 *   byte 0     1      2 3        4        5      6 7      8..11  12..15  16..23  24..
 *  +-------+------+----------+--------+------+--------+------+-------+------+---------------------+
 *  | magic | op-  | key      | extras | data | status | body | opa-  | CAS  | extras, key, value  |
 *  |       | code | length   | length | type |(reply) |length| que   |      | (body length bytes) |
 *  +-------+------+----------+--------+------+--------+------+-------+------+---------------------+
 *
 * All numbers are in network order.
 */
#ifndef PROTO_BINARY_PACKET_H
#define PROTO_BINARY_PACKET_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BINARY_HEADER_LENGTH 24
#define BINARY_REQUEST_MAGIC 0x80
#define BINARY_REPLY_MAGIC 0x81

enum binary_status {
    BINARY_STATUS_OK = 0x00,
    BINARY_STATUS_NOT_FOUND = 0x01,
    BINARY_STATUS_EXISTS = 0x02,
    BINARY_STATUS_TOO_LARGE = 0x03,
    BINARY_STATUS_INVALID = 0x04,
    BINARY_STATUS_NOT_STORED = 0x05,
    BINARY_STATUS_NON_NUMERIC = 0x06,
    BINARY_STATUS_LOGIN = 0x20,      /* not logged in, or not allowed */
    BINARY_STATUS_LOGIN_STEP = 0x21, /* the login goes on with a step */
    BINARY_STATUS_UNKNOWN_COMMAND = 0x81,
    BINARY_STATUS_NO_MEMORY = 0x82,
};

/* What identifies a packet, request or reply: its opcode, and its opaque in network order. */
static inline uint8_t binary_load_opcode(const char *packet) {
    return (uint8_t)packet[1];
}

static inline uint32_t binary_load_opaque(const char *packet) {
    uint32_t opaque;
    memcpy(&opaque, packet + 12, sizeof(opaque));
    return opaque;
}

static inline uint16_t binary_load16(const char *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof(value));
    return be16toh(value);
}

static inline uint32_t binary_load32(const char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return be32toh(value);
}

static inline uint64_t binary_load64(const char *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return be64toh(value);
}

static inline void binary_store16(char *out, uint16_t value) {
    value = htobe16(value);
    memcpy(out, &value, sizeof(value));
}

static inline void binary_store32(char *out, uint32_t value) {
    value = htobe32(value);
    memcpy(out, &value, sizeof(value));
}

static inline void binary_store64(char *out, uint64_t value) {
    value = htobe64(value);
    memcpy(out, &value, sizeof(value));
}

#endif
