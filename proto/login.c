#include "proto/login.h"

#include <string.h>
#include <strings.h>

bool login_mechanism_is_plain(const char *mechanism, size_t length) {
    static const char plain[] = "PLAIN";
    return length == sizeof(plain) - 1 && strncasecmp(mechanism, plain, length) == 0;
}

/* Splits the bytes at the first separator. False when there is none. */
static bool login_split(const char *bytes, size_t length, char separator,
                        struct credentials *parts) {
    const char *at = length > 0 ? memchr(bytes, separator, length) : NULL;
    if (!at) {
        return false;
    }
    *parts = (struct credentials){
        .user = bytes,
        .user_length = (uint32_t)(at - bytes),
        .password = at + 1,
        .password_length = (uint32_t)(bytes + length - (at + 1)),
    };
    return true;
}

/* RFC 4616: the user to act for (none or the same), NUL, user, NUL, password. */
static bool login_split_plain(const struct request *request, struct credentials *credentials) {
    struct credentials outer;
    if (!login_split(request->value, request->value_length, '\0', &outer) ||
        !login_split(outer.password, outer.password_length, '\0', credentials)) {
        return false;
    }
    bool for_oneself =
        outer.user_length == 0 || (outer.user_length == credentials->user_length &&
                                   memcmp(outer.user, credentials->user, outer.user_length) == 0);
    bool whole = credentials->user_length > 0 && credentials->password_length > 0 &&
                 !memchr(credentials->password, '\0', credentials->password_length);
    return for_oneself && whole;
}

bool login_credentials(const struct request *request, struct credentials *credentials) {
    if (request->protocol == PROTOCOL_TEXT) {
        return login_split(request->value, request->value_length, ' ', credentials);
    }
    return login_mechanism_is_plain(request->key, request->key_length) &&
           login_split_plain(request, credentials);
}
