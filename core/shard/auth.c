#include "core/shard/auth.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/random.h"

/* Bytes of the file that are read at a time. */
#define READ_BYTES 4096

/* The secret keys the hash: random bytes, new for each table that is read. */
struct logins {
    uint32_t count;
    unsigned char secret[XXH3_SECRET_SIZE_MIN];
    XXH128_hash_t users[];
};

/* The length of the user's name is hashed too: "ab" with "c" is not "a" with "bc". */
static XXH128_hash_t logins_hash(const struct logins *logins,
                                 const struct credentials *credentials) {
    XXH3_state_t state;
    XXH3_128bits_reset_withSecret(&state, logins->secret, sizeof(logins->secret));
    XXH3_128bits_update(&state, &credentials->user_length, sizeof(credentials->user_length));
    XXH3_128bits_update(&state, credentials->user, credentials->user_length);
    XXH3_128bits_update(&state, credentials->password, credentials->password_length);
    XXH128_hash_t digest = XXH3_128bits_digest(&state);
    explicit_bzero(&state, sizeof(state)); /* it holds a copy of the password */
    return digest;
}

bool logins_check(const struct logins *logins, const struct credentials *credentials) {
    XXH128_hash_t said = logins_hash(logins, credentials);
    uint64_t matches = 0;
    for (uint32_t i = 0; i < logins->count; i++) {
        uint64_t differs =
            (said.low64 ^ logins->users[i].low64) | (said.high64 ^ logins->users[i].high64);
        matches += differs == 0;
    }
    return matches > 0;
}

/* The length of a name without a realm behind it; 0 when there is no name or no such realm. */
static uint32_t length_without_realm(const struct credentials *credentials, const char *realm) {
    size_t realm_length = realm ? strlen(realm) : 0;
    const char *end = credentials->user + credentials->user_length;
    if (realm_length == 0 || credentials->user_length <= realm_length + 1 ||
        memcmp(end - realm_length, realm, realm_length) != 0 ||
        end[-(ptrdiff_t)realm_length - 1] != '@') {
        return 0;
    }
    return credentials->user_length - (uint32_t)realm_length - 1;
}

/* Adds the user of a line, which comes without its end. Returns NULL, or what is wrong with it. */
static const char *add_line(struct logins *logins, const char *realm, const char *line,
                            size_t length) {
    if (length == 0 || line[0] == '#') {
        return NULL;
    }
    const char *colon = memchr(line, ':', length);
    if (!colon) {
        return "no colon between user and password";
    }
    if (colon == line) {
        return "no user before the colon";
    }
    if (logins->count + 2 > LOGIN_USERS_MAX) {
        return "too many users";
    }
    struct credentials credentials = {
        .user = line,
        .user_length = (uint32_t)(colon - line),
        .password = colon + 1,
        .password_length = (uint32_t)(line + length - colon - 1),
    };
    logins->users[logins->count++] = logins_hash(logins, &credentials);
    credentials.user_length = length_without_realm(&credentials, realm);
    if (credentials.user_length > 0) {
        logins->users[logins->count++] = logins_hash(logins, &credentials);
    }
    return NULL;
}

static const char *read_lines(struct logins *logins, const char *realm, FILE *file,
                              uint32_t *number) {
    char line[LOGIN_LINE_BYTES_MAX];
    const char *wrong = NULL;
    for (*number = 1; fgets(line, sizeof(line), file); ++*number) {
        size_t length = strlen(line);
        bool whole = length < sizeof(line) - 1 || line[length - 1] == '\n';
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
            length--;
        }
        wrong = whole ? add_line(logins, realm, line, length) : "the line is too long";
        if (wrong) {
            break;
        }
    }
    explicit_bzero(line, sizeof(line));
    return wrong;
}

static struct logins *logins_new(void) {
    struct logins *logins = calloc(1, sizeof(*logins) + LOGIN_USERS_MAX * sizeof(logins->users[0]));
    if (!logins) {
        return NULL;
    }
    int error = random_fill(logins->secret, sizeof(logins->secret), NULL);
    if (!error) {
        return logins;
    }
    free(logins);
    errno = -error;
    return NULL;
}

struct logins *logins_read(const char *path, const char *realm, char *problem,
                           size_t problem_bytes) {
    char buffer[READ_BYTES];
    FILE *file = fopen(path, "re");
    struct logins *logins = file ? logins_new() : NULL;
    if (!logins) {
        snprintf(problem, problem_bytes, "can't read the users in %s: %s", path, strerror(errno));
        if (file) {
            fclose(file);
        }
        return NULL;
    }
    uint32_t number;
    setvbuf(file, buffer, _IOFBF, sizeof(buffer));
    const char *wrong = read_lines(logins, realm, file, &number);
    if (!wrong && ferror(file)) {
        wrong = strerror(errno);
    }
    fclose(file);
    explicit_bzero(buffer, sizeof(buffer));
    if (wrong) {
        snprintf(problem, problem_bytes, "%s, line %u: %s; each line is user:password", path,
                 number, wrong);
    } else if (logins->count == 0) {
        snprintf(problem, problem_bytes, "%s names no user; each line is user:password", path);
    } else {
        return logins;
    }
    logins_free(logins);
    return NULL;
}

struct logins *logins_copy(const struct logins *logins) {
    size_t bytes = sizeof(*logins) + logins->count * sizeof(logins->users[0]);
    struct logins *copy = malloc(bytes);
    if (copy) {
        memcpy(copy, logins, bytes);
    }
    return copy;
}

void logins_free(struct logins *logins) {
    free(logins);
}
