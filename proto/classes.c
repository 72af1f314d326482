#include "proto/classes.h"

#include <string.h>

static bool classes_are(const struct request *request, const char *word) {
    return request->key_length == strlen(word) &&
           memcmp(request->key, word, request->key_length) == 0;
}

enum classes classes_of(const struct request *request) {
    if (classes_are(request, "all") || classes_are(request, "hash")) {
        return CLASSES_ALL;
    }
    const char *at = request->key;
    const char *end = request->key + request->key_length;
    enum classes found = CLASSES_OTHER;
    while (at < end) {
        uint32_t number = 0;
        const char *start = at;
        for (; at < end && *at >= '0' && *at <= '9' && number <= CLASS_MAX; at++) {
            number = 10 * number + (uint32_t)(*at - '0');
        }
        if (at == start || number == 0 || number > CLASS_MAX || (at < end && *at != ',')) {
            return CLASSES_BAD;
        }
        if (number == CLASS_OF_ITEMS) {
            found = CLASSES_ALL;
        }
        at += at < end;
    }
    return found;
}
