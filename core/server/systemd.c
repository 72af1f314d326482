#include "core/server/systemd.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "core/base/log.h"

_Static_assert(SYSTEMD_SOCKET_FIRST == SD_LISTEN_FDS_START, "the library's number");

/* systemd ignores longer messages. */
#define MESSAGE_BYTES_MAX 4096

int systemd_take_sockets(void) {
    int count = sd_listen_fds(true);
    if (count >= 0) {
        return count;
    }
    log_line("the sockets that LISTEN_FDS promises can't be had: %s; let systemd or "
             "systemd-socket-activate set it, or nobody",
             strerror(-count));
    return -1;
}

void systemd_tell(const char *format, ...) {
    char message[MESSAGE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    sd_notify(false, message);
}
