/* md5: the digest by which clients place keys (core/server/ketama.h), and for nothing else: it
 * protects nothing. Of OpenSSL. Thread: any. */
#ifndef CORE_NET_MD5_H
#define CORE_NET_MD5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MD5_BYTES 16

/* False in a build without OpenSSL, and where the system forbids MD5. */
bool md5_digest(const void *bytes, size_t length, uint8_t digest[MD5_BYTES]);

#endif
