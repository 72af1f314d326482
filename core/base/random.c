#include "core/base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/random.h>
#include <unistd.h>

/* A call may be interrupted by a signal while the kernel has no randomness yet. */
static int random_ask(char *bytes, size_t length) {
    while (length > 0) {
        ssize_t got = getrandom(bytes, length, 0);
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got > 0) {
            bytes += got;
            length -= (size_t)got;
        }
    }
    return 0;
}

static bool random_read(char *bytes, size_t length) {
    int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    ssize_t got = read(file, bytes, length);
    close(file);
    return got == (ssize_t)length;
}

int random_fill(void *bytes, size_t length, int *refused) {
    int error = random_ask(bytes, length);
    bool instead = error && random_read(bytes, length);
    if (refused) {
        *refused = instead ? error : 0;
    }
    return instead ? 0 : error;
}
