#include "proto/streams.h"

#include <string.h>

uint32_t stream_named(const char *text, size_t length) {
    static const struct {
        const char *name;
        uint32_t stream;
    } names[] = {
        {"fetchers", STREAM_FETCHERS},       {"mutations", STREAM_MUTATIONS},
        {"deletions", STREAM_DELETIONS},     {"evictions", STREAM_EVICTIONS},
        {"connevents", STREAM_CONNEVENTS},   {"sysevents", STREAM_SYSEVENTS},
        {"rawcmds", STREAM_RAWCMDS},         {"proxyreqs", STREAM_PROXYREQS},
        {"proxyevents", STREAM_PROXYEVENTS}, {"proxyuser", STREAM_PROXYUSER},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i].name) >= length && memcmp(names[i].name, text, length) == 0) {
            return names[i].stream;
        }
    }
    return 0;
}
