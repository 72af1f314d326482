#include "core/net/tls_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any of them has; revocation lists are the longest. */
#define FILE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define FILE_BYTES_FIRST ((size_t)64 * 1024)

static void tls_file_clear(struct tls_file *file) {
    if (file->bytes) {
        explicit_bzero(file->bytes, file->length);
    }
    free(file->bytes);
    file->bytes = NULL;
    file->length = 0;
}

/* Makes place for more, and leaves no copy of a secret behind. */
static int tls_file_grow(struct tls_file *file, size_t *capacity) {
    size_t larger = *capacity > 0 ? 2 * *capacity : FILE_BYTES_FIRST;
    if (larger > FILE_BYTES_MAX) {
        return -EFBIG;
    }
    char *bytes = malloc(larger);
    if (!bytes) {
        return -ENOMEM;
    }
    size_t length = file->length;
    if (length > 0) {
        memcpy(bytes, file->bytes, length);
    }
    tls_file_clear(file);
    file->bytes = bytes;
    file->length = length;
    *capacity = larger;
    return 0;
}

static int tls_file_read_all(struct tls_file *file, FILE *stream) {
    size_t capacity = 0;
    setvbuf(stream, NULL, _IONBF, 0);
    do {
        int error = file->length == capacity ? tls_file_grow(file, &capacity) : 0;
        if (error) {
            return error;
        }
        file->length += fread(file->bytes + file->length, 1, capacity - file->length, stream);
    } while (!feof(stream) && !ferror(stream));
    return ferror(stream) ? -EIO : 0;
}

/* what: as memcached names it, where it has a name for it. */
static bool tls_file_read(struct tls_file *file, const char *path, const char *what,
                          char problem[TLS_PROBLEM_BYTES]) {
    *file = (struct tls_file){.path = path};
    if (!path) {
        return true;
    }
    FILE *stream = fopen(path, "re");
    int error = stream ? tls_file_read_all(file, stream) : -errno;
    if (stream) {
        fclose(stream);
    }
    if (error) {
        snprintf(problem, TLS_PROBLEM_BYTES, "Error loading the %s: %s : %s", what, path,
                 strerror(-error));
    }
    return !error;
}

static bool tls_files_check(const struct tls_config *config, char problem[TLS_PROBLEM_BYTES]) {
    const char *missing = !config->chain_file ? "certificate chain: (null) : -o ssl_chain_cert"
                          : !config->key_file ? "key: (null) : -o ssl_key"
                                              : NULL;
    if (missing) {
        snprintf(problem, TLS_PROBLEM_BYTES, "Error loading the %s is needed with -Z", missing);
    }
    return !missing;
}

bool tls_files_read(struct tls_files *files, const struct tls_config *config,
                    char problem[TLS_PROBLEM_BYTES]) {
    *files = (struct tls_files){0};
    return tls_files_check(config, problem) &&
           tls_file_read(&files->chain, config->chain_file, "certificate chain", problem) &&
           tls_file_read(&files->key, config->key_file, "key", problem) &&
           tls_file_read(&files->ca, config->ca_file, "CA certificates", problem) &&
           tls_file_read(&files->crl, config->crl_file, "revoked certificates", problem) &&
           tls_file_read(&files->ticket_key, config->ticket_key_file, "ticket key", problem);
}

void tls_files_finish(struct tls_files *files) {
    tls_file_clear(&files->chain);
    tls_file_clear(&files->key);
    tls_file_clear(&files->ca);
    tls_file_clear(&files->crl);
    tls_file_clear(&files->ticket_key);
}
