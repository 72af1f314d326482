/* config: the command line, checked, with defaults filled in. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_ADDRESSES_MAX 16
#define CONFIG_CORES_MAX 256

struct config {
    uint32_t cores;
    uint16_t port;
    const char *addresses[CONFIG_ADDRESSES_MAX]; /* parts of the command line or of address_text */
    uint32_t address_count;                      /* 0: the loopback addresses */
    char *address_text;                          /* owned: the -l arguments with commas between */
    char *address_parts;                         /* owned: the same, cut at the commas */
    uint64_t memory_bytes;
    uint32_t connections_max;
    const char *user;       /* NULL: stay who we are */
    const char *users_file; /* user:password lines; NULL: nobody has to log in */
    char prefix_delimiter;  /* of keys, for `stats detail` */
    bool sasl;
    bool detail_enabled;
    bool shutdown_enabled;
    bool no_flush;
    bool no_dump;
    uint32_t verbosity;
    uint32_t ring_capacity;
    uint32_t spin_us;
    bool spin_given;
};

enum config_status {
    CONFIG_RUN,   /* start the server */
    CONFIG_DONE,  /* help or version was printed: exit with 0 */
    CONFIG_WRONG, /* one line on stderr has said what is wrong: exit with EXIT_USAGE */
};

/* Exit status after a wrong command line, as sysexits.h has it. */
#define EXIT_USAGE 64

/* Reads the command line. argv must outlive config; config_finish() ends it in any case. */
enum config_status config_parse(struct config *config, int argc, char **argv);
void config_finish(struct config *config);

#endif
