#include "proto/classes.h"

#include <string.h>

#include "proto/number.h"

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
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        int64_t number;
        if (!number_parse_front(at, (size_t)(stop - at), &number) || number <= 0 ||
            number > CLASS_MAX) {
            return CLASSES_BAD;
        }
        if (number == CLASS_OF_ITEMS) {
            found = CLASSES_ALL;
        }
        at = comma ? comma + 1 : end;
    }
    return found;
}
