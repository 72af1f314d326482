/* Requests to bytes, as a client writes them. */
#ifndef TESTS_PROTO_COMPOSE_H
#define TESTS_PROTO_COMPOSE_H

#include "proto/request.h"

/* Packets and lines one after the other; zeroed is empty. bytes is on the heap. */
struct composed {
    char *bytes;
    size_t length;
};

void compose_bytes(struct composed *c, const char *bytes, size_t length);

/* A binary packet, whose header may have wrong lengths. */
struct packet_spec {
    uint8_t opcode;
    const char *extras;
    uint8_t extras_length;
    const char *key;
    uint16_t key_length;
    const char *value;
    uint32_t value_length;
    uint64_t cas;
    uint32_t opaque;      /* sent in the machine's byte order */
    uint32_t body_length; /* in the header; 0: the true one */
};

void compose_packet(struct composed *c, const struct packet_spec *spec);

/* Appends the request in its protocol; a binary one in the form of request.opcode. */
void compose_request(struct composed *c, const struct request *request);

void compose_free(struct composed *c);

#endif
