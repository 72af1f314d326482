/* simplecache: see README.md for what it is and in which order to read it. */
#include <malloc.h>
#include <stdlib.h>

#include "core/server/config_parse.h"
#include "core/server/server.h"

int main(int argc, char **argv) {
    struct config config;
    /* Buffers above this size are rare and large: they go back to the system at once. (The C
     * library would raise the threshold by itself and keep them.) */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    int status = EXIT_SUCCESS;
    switch (config_parse(&config, argc, argv)) {
    case CONFIG_RUN:
        status = server_run(&config);
        break;
    case CONFIG_DONE:
        break;
    case CONFIG_WRONG:
        status = EXIT_USAGE;
        break;
    }
    config_finish(&config);
    return status;
}
