/* Lines about items, for dumps. */
#include "proto/reply.h"

#include <assert.h>

#include "proto/base64.h"
#include "proto/classes.h"
#include "proto/number.h"
#include "proto/put.h"

/* The characters that need no escape in a URI (RFC 3986, section 2.3). */
static bool item_is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static char *item_put_encoded(char *out, const char *bytes, size_t length) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        if (item_is_unreserved(bytes[i])) {
            *out++ = bytes[i];
            continue;
        }
        *out++ = '%';
        *out++ = digits[(unsigned char)bytes[i] >> 4];
        *out++ = digits[(unsigned char)bytes[i] & 15];
    }
    return out;
}

size_t reply_encode_key(char *out, const char *key, size_t length) {
    return (size_t)(item_put_encoded(out, key, length) - out);
}

/* Bytes of a metadump's line beside the key: all numbers at their longest, and the words. */
#define METADUMP_FIXED_MAX 192
_Static_assert(3 * KEY_LENGTH_MAX + METADUMP_FIXED_MAX <= REPLY_ITEM_LINE_MAX,
               "the longest line fits");

/* As in memcached the line ends with a space and a bare newline. */
size_t reply_metadump_line(char *out, const struct item_line *item) {
    assert(item->key_length <= KEY_LENGTH_MAX);
    char *at = item_put_encoded(PUT_LITERAL(out, "key="), item->key, item->key_length);
    at = PUT_LITERAL(at, " exp=");
    at = item->exptime < 0 ? PUT_LITERAL(at, "-1") : number_write(at, (uint64_t)item->exptime);
    at = number_write(PUT_LITERAL(at, " la="), (uint64_t)item->last_access);
    at = number_write(PUT_LITERAL(at, " cas="), item->cas);
    at = item->fetched ? PUT_LITERAL(at, " fetch=yes") : PUT_LITERAL(at, " fetch=no");
    at = number_write(PUT_LITERAL(at, " cls=" CLASS_OF_ITEMS_TEXT " size="), item->bytes);
    at = number_write(PUT_LITERAL(at, " flags="), item->client_flags);
    at = PUT_LITERAL(at, " \n");
    return (size_t)(at - out);
}

size_t reply_mgdump_line(char *out, const struct item_line *item) {
    assert(item->key_length <= KEY_LENGTH_MAX);
    char *at = PUT_LITERAL(out, "mg ");
    if (item->binary_key) {
        at = base64_encode(at, item->key, item->key_length);
        at = PUT_LITERAL(at, " b\r\n");
    } else {
        at = put_bytes(at, item->key, item->key_length);
        at = PUT_LITERAL(at, "\r\n");
    }
    return (size_t)(at - out);
}

size_t reply_cachedump_line(char *out, const struct item_line *item) {
    assert(item->key_length <= KEY_LENGTH_MAX);
    if (item->binary_key) {
        return 0;
    }
    char *at = put_bytes(PUT_LITERAL(out, "ITEM "), item->key, item->key_length);
    at = number_write(PUT_LITERAL(at, " ["), item->value_length);
    at = number_write(PUT_LITERAL(at, " b; "), item->exptime < 0 ? 0 : (uint64_t)item->exptime);
    at = PUT_LITERAL(at, " s]\r\n");
    return (size_t)(at - out);
}
