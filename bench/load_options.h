/* load_options: the command line of the load generator. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include "bench/load_protocol.h"

#include <netinet/in.h>

/* --handshakes: nothing else is measured. */
enum handshakes {
    HANDSHAKES_NONE,
    HANDSHAKES_FULL,
    HANDSHAKES_RESUMED,
    HANDSHAKES_HELLO, /* a client's first part alone: a flood that costs the generator little */
};

struct load_options {
    struct sockaddr_in address;
    enum protocol protocol;
    uint32_t connections, depth, keys_per_get;
    struct keys keys;
    double sets_share; /* 0 to 1 of the requests */
    double hot_share;  /* 0 to 1 of the gets, that ask for the first key */
    double rate;       /* requests per second, 0: a closed loop */
    bool fill, spin;
    bool verify, may_miss, is_quiet;
    double warmup_s, run_s;
    uint64_t requests_max; /* of the run; UINT64_MAX: no limit but the time */
    uint32_t server_pid;   /* 0: none is given */
    const char *histogram; /* a path, or NULL */
    uint64_t seed;
    /* --tls: 12 or 13 for the version, 0 without; the others are NULL where they were not given. */
    uint32_t tls;
    const char *tls_ca, *tls_certificate, *tls_key, *tls_ciphers;
    enum handshakes handshakes;
};

/* Reads the command line, which must outlive the options. Ends the program with status 64 and a
 * line on stderr when it is wrong, and with 0 after --help. */
void load_options_read(struct load_options *options, int argc, char **argv);

#endif
