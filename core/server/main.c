/* simplecache: see README.md for what it is and in which order to read it. */
#include <malloc.h>
#include <stdlib.h>

#include "core/server/config_parse.h"
#include "core/server/server.h"

int main(int argc, char **argv) {
    struct config config;
    /* Memory of this size or more is rare and goes back to the system when it is freed. Without
     * this call the C library raises the threshold by itself, and keeps the memory. */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    /* Smaller memory at the end of a heap is given back when there is so much of it. With its
     * default, an eighth, what each TLS record of a large value takes was given and taken again. */
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
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
