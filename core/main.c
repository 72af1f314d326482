/* simplecache: see README.md for what it is and in which order to read it. */
#include <stdlib.h>

#include "core/config.h"
#include "core/server.h"

int main(int argc, char **argv) {
    struct config config;
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
