#include "proto/login.h"

#include <string.h>
#include <strings.h>

bool login_mechanism_is_plain(const char *mechanism, size_t length) {
    static const char plain[] = "PLAIN";
    return length == sizeof(plain) - 1 && strncasecmp(mechanism, plain, length) == 0;
}

/* Cuts the bytes at the first separator. False when there is none. */
static bool cut(const char *bytes, size_t length, char separator, struct credentials *parts) {
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

/* Whom to act for (nobody else than oneself), NUL, user, NUL, password. */
static bool cut_plain(const struct request *request, struct credentials *credentials) {
    struct credentials outer;
    if (!cut(request->value, request->value_length, '\0', &outer) ||
        !cut(outer.password, outer.password_length, '\0', credentials)) {
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
        return cut(request->value, request->value_length, ' ', credentials);
    }
    return login_mechanism_is_plain(request->key, request->key_length) &&
           cut_plain(request, credentials);
}
