#include "core/net/md5.h"

#include <openssl/evp.h>

bool md5_digest(const void *bytes, size_t length, uint8_t digest[MD5_BYTES]) {
    return EVP_Digest(bytes, length, digest, NULL, EVP_md5(), NULL) == 1;
}
