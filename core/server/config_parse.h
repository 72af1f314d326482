/* config_parse: from the command line to struct config. Thread: the main one, before any other. */
#ifndef CORE_SERVER_CONFIG_PARSE_H
#define CORE_SERVER_CONFIG_PARSE_H

#include "core/base/config.h"

enum config_status {
    CONFIG_RUN,   /* start the server */
    CONFIG_DONE,  /* help or version was printed: exit with 0 */
    CONFIG_WRONG, /* one line on stderr has said what is wrong: exit with EXIT_USAGE */
};

/* Exit status after a wrong command line, as sysexits.h has it. */
#define EXIT_USAGE 64

/* Reads the command line. argv must outlive config, which refers to it. To be ended by
 * config_finish() whatever the status. */
enum config_status config_parse(struct config *config, int argc, char **argv);
void config_finish(struct config *config);

/* The least memory, in bytes, for config.cores and config.item_bytes_max. */
uint64_t config_memory_min(const struct config *config);

/* After memory_bytes was lowered: lowers item_bytes_max and cores to what fits into it. cores
 * becomes 0 where there is too little for one. */
void config_fit_shards(struct config *config);

#endif
