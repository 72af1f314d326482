/* streams: what a client may watch, by memcached's names. */
#ifndef PROTO_STREAMS_H
#define PROTO_STREAMS_H

#include <stddef.h>
#include <stdint.h>

enum watch_stream {
    STREAM_FETCHERS = 1 << 0,  /* keys that are looked up */
    STREAM_MUTATIONS = 1 << 1, /* what storage commands have done */
    STREAM_DELETIONS = 1 << 2,
    STREAM_EVICTIONS = 1 << 3,
    STREAM_CONNEVENTS = 1 << 4, /* connections that begin and end */
    STREAM_SYSEVENTS = 1 << 5,  /* work in the background */

    /* As in a memcached without a proxy nothing is ever told in these. */
    STREAM_RAWCMDS = 1 << 6,
    STREAM_PROXYREQS = 1 << 7,
    STREAM_PROXYEVENTS = 1 << 8,
    STREAM_PROXYUSER = 1 << 9,
};

/* The stream whose name begins with these characters; 0: none does. */
uint32_t stream_named(const char *text, size_t length);

#endif
