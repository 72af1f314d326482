/* tls_files: the files that TLS is made of, read into memory as a whole, so that all reactors get
 * the same however the files change meanwhile.
 *
 * Thread: any; the memory is the caller's.
 */
#ifndef CORE_NET_TLS_FILES_H
#define CORE_NET_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/config.h"
#include "core/net/tls.h"

struct tls_file {
    const char *path; /* NULL: there is none */
    char *bytes;
    size_t length;
};

struct tls_files {
    struct tls_file chain;
    struct tls_file key;
    struct tls_file ca;
    struct tls_file crl;
    struct tls_file ticket_key;
};

/* Reads all that the configuration names. False when one can't be read; `problem` says which. To be
 * ended by tls_files_finish() whatever comes of it. */
bool tls_files_read(struct tls_files *files, const struct tls_config *config,
                    char problem[TLS_PROBLEM_BYTES]);

/* Clears the bytes, of which some are secret, and frees them. */
void tls_files_finish(struct tls_files *files);

#endif
