#include "bench/load_options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 64
#define CONNECTIONS_MAX 60000
#define DEPTH_MAX 10000
#define KEYS_PER_GET_MAX 1000
#define SECONDS_MAX 86400

static const char help[] =
    "load: asks a server for keys and compares every value that comes back\n"
    "\n"
    "  load --fill --seconds 0                                    stores every key, and ends\n"
    "  load --fill --protocol meta --depth 8 --sets 10 --server-pid 4711\n"
    "  load --rate 50000 --distribution zipf:0.99 --sizes 32:50,1000:40,16000:10\n"
    "\n"
    "Prints `name value` lines at the end, a line of progress on stderr each second, and says when "
    "it\n"
    "was itself the bottleneck. Exits with 1 when a value was wrong, a request refused or "
    "unanswered,\n"
    "or a key missing.\n"
    "\n"
    "The server:\n"
    "  --host ADDRESS        an IPv4 address (default 127.0.0.1)\n"
    "  --port N              (default 11211)\n"
    "  --server-pid N        its process, to tell its CPU time per operation\n"
    "The requests:\n"
    "  --protocol NAME       text, meta or binary (default text)\n"
    "  --sets PERCENT        of the requests are sets, the others gets (default 0)\n"
    "  --multiget N          keys of each get (default 1)\n"
    "  --keys N              (default 100000)\n"
    "  --prefix TEXT         of each key, before eight digits (default key)\n"
    "  --distribution D      of the keys: uniform, or zipf:EXPONENT (default uniform)\n"
    "  --hot SHARE           of the gets, 0.3 or 30%, ask for the first key; other gets and\n"
    "                        the sets are as without it (default 0)\n"
    "  --sizes S             of the values, in bytes; several with their shares, as in\n"
    "                        32:50,1000:40,16000:10 (default 100). A key's follows from its\n"
    "                        number: what one run stores, another with the same sizes expects\n"
    "  --seed N              of the keys' order (default 1)\n"
    "How they are sent:\n"
    "  --connections N       (default 50)\n"
    "  --depth N             requests under way on each connection, at most (default 1)\n"
    "  --rate R              requests per second, at random times; each one's time counts from "
    "when\n"
    "                        it was to be sent. Without: as many as are answered (a closed loop)\n"
    "  --spin                with --rate: polls instead of sleeping, which takes a CPU of its "
    "own,\n"
    "                        and sends in time\n"
    "  --fill                stores every key first\n"
    "  --warmup S            seconds of the same before anything counts (default 0)\n"
    "  --seconds S           (default 5)\n"
    "  --requests N          ends after so many, if that is earlier\n"
    "By TLS:\n"
    "  --tls VERSION         1.2 or 1.3\n"
    "  --ca FILE             who signs the server's certificate; without, it is not looked at\n"
    "  --cert FILE, --cert-key FILE   this side's\n"
    "  --ciphers LIST        as openssl ciphers takes them\n"
    "  --handshakes KIND     full or resumed: new connections one after another, with one request\n"
    "                        each; hello: sixteen at a time that say no more than that, at "
    "--rate;\n"
    "                        nothing else is measured\n"
    "What comes of them:\n"
    "  --misses ok           a missing key is no error\n"
    "  --no-verify           looks at lengths only\n"
    "  --histogram FILE      writes the times, for bench/plot\n"
    "  --quiet               no progress\n"
    "  --help\n";

enum {
    HOST,
    PORT,
    SERVER_PID,
    PROTOCOL,
    SETS,
    MULTIGET,
    KEYS,
    PREFIX,
    DISTRIBUTION,
    HOT,
    SIZES,
    SEED,
    CONNECTIONS,
    DEPTH,
    RATE,
    SPIN,
    FILL,
    WARMUP,
    SECONDS,
    REQUESTS,
    MISSES,
    NO_VERIFY,
    HISTOGRAM,
    QUIET,
    TLS,
    CA,
    CERT,
    CERT_KEY,
    CIPHERS,
    HANDSHAKES,
    HELP
};

static const struct option rows[] = {
    {"host", required_argument, NULL, HOST},
    {"port", required_argument, NULL, PORT},
    {"server-pid", required_argument, NULL, SERVER_PID},
    {"protocol", required_argument, NULL, PROTOCOL},
    {"sets", required_argument, NULL, SETS},
    {"multiget", required_argument, NULL, MULTIGET},
    {"keys", required_argument, NULL, KEYS},
    {"prefix", required_argument, NULL, PREFIX},
    {"distribution", required_argument, NULL, DISTRIBUTION},
    {"hot", required_argument, NULL, HOT},
    {"sizes", required_argument, NULL, SIZES},
    {"seed", required_argument, NULL, SEED},
    {"connections", required_argument, NULL, CONNECTIONS},
    {"depth", required_argument, NULL, DEPTH},
    {"rate", required_argument, NULL, RATE},
    {"spin", no_argument, NULL, SPIN},
    {"fill", no_argument, NULL, FILL},
    {"warmup", required_argument, NULL, WARMUP},
    {"seconds", required_argument, NULL, SECONDS},
    {"requests", required_argument, NULL, REQUESTS},
    {"misses", required_argument, NULL, MISSES},
    {"no-verify", no_argument, NULL, NO_VERIFY},
    {"histogram", required_argument, NULL, HISTOGRAM},
    {"quiet", no_argument, NULL, QUIET},
    {"tls", required_argument, NULL, TLS},
    {"ca", required_argument, NULL, CA},
    {"cert", required_argument, NULL, CERT},
    {"cert-key", required_argument, NULL, CERT_KEY},
    {"ciphers", required_argument, NULL, CIPHERS},
    {"handshakes", required_argument, NULL, HANDSHAKES},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static void refuse(const char *name, const char *takes, const char *text) {
    fprintf(stderr, "load: --%s takes %s, not \"%s\"\n", name, takes, text);
    exit(EXIT_USAGE);
}

static double number(const char *name, const char *text, double min, double max) {
    char *end, takes[64];
    double value = strtod(text, &end);
    if (*text && !*end && value >= min && value <= max) {
        return value;
    }
    snprintf(takes, sizeof(takes), "a number from %.10g to %.10g", min, max);
    refuse(name, takes, text);
    return 0;
}

static uint32_t whole(const char *name, const char *text, uint32_t min, uint32_t max) {
    double value = number(name, text, min, max);
    if (value != (uint32_t)value) {
        refuse(name, "a whole number", text);
    }
    return (uint32_t)value;
}

/* "0.3" or "30%". */
static double share_of(const char *name, const char *text) {
    char *end;
    double value = strtod(text, &end);
    bool in_percent = *end == '%';
    value /= in_percent ? 100 : 1;
    end += in_percent;
    if (!*text || *end || !(value >= 0 && value <= 1)) {
        refuse(name, "a share from 0 to 1, or from 0% to 100%", text);
    }
    return value;
}

static enum protocol protocol_named(const char *text) {
    static const char *const names[] = {
        [PROTOCOL_TEXT] = "text", [PROTOCOL_META] = "meta", [PROTOCOL_BINARY] = "binary"};
    for (uint32_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum protocol)i;
        }
    }
    refuse("protocol", "text, meta or binary", text);
    return PROTOCOL_TEXT;
}

/* 0 is uniform. */
static double exponent_of(const char *text) {
    if (strncmp(text, "zipf:", 5) == 0) {
        return number("distribution", text + 5, 0, 10);
    }
    if (strcmp(text, "uniform") != 0) {
        refuse("distribution", "uniform or zipf:EXPONENT", text);
    }
    return 0;
}

/* What the keys follow from, until all of it is there. */
struct keys_options {
    const char *prefix, *sizes;
    uint32_t count;
    double exponent;
};

static bool take_key_option(struct keys_options *keys, int option, const char *text) {
    switch (option) {
    case KEYS:
        keys->count = whole("keys", text, 1, KEYS_COUNT_MAX);
        return true;
    case PREFIX:
        if (strlen(text) > KEYS_PREFIX_BYTES_MAX || strpbrk(text, " \t\r\n")) {
            refuse("prefix", "at most 242 bytes, no spaces,", text);
        }
        keys->prefix = text;
        return true;
    case DISTRIBUTION:
        keys->exponent = exponent_of(text);
        return true;
    case SIZES:
        keys->sizes = text;
        return true;
    }
    return false;
}

/* How much, how many, how long. */
static bool take_number_option(struct load_options *options, int option, const char *text) {
    switch (option) {
    case PORT:
        options->address.sin_port = htons((uint16_t)whole("port", text, 1, UINT16_MAX));
        return true;
    case SERVER_PID:
        options->server_pid = whole("server-pid", text, 1, INT32_MAX);
        return true;
    case SETS:
        options->sets_share = number("sets", text, 0, 100) / 100;
        return true;
    case HOT:
        options->hot_share = share_of("hot", text);
        return true;
    case MULTIGET:
        options->keys_per_get = whole("multiget", text, 1, KEYS_PER_GET_MAX);
        return true;
    case SEED:
        options->seed = whole("seed", text, 0, UINT32_MAX);
        return true;
    case CONNECTIONS:
        options->connections = whole("connections", text, 1, CONNECTIONS_MAX);
        return true;
    case DEPTH:
        options->depth = whole("depth", text, 1, DEPTH_MAX);
        return true;
    case RATE:
        options->rate = number("rate", text, 0.001, 1e8);
        return true;
    case WARMUP:
        options->warmup_s = number("warmup", text, 0, SECONDS_MAX);
        return true;
    case REQUESTS:
        options->requests_max = whole("requests", text, 1, UINT32_MAX);
        return true;
    case SECONDS:
        options->run_s = number("seconds", text, 0, SECONDS_MAX);
        return true;
    }
    return false;
}

static enum handshakes handshakes_named(const char *text) {
    static const char *const names[] = {
        [HANDSHAKES_FULL] = "full", [HANDSHAKES_RESUMED] = "resumed", [HANDSHAKES_HELLO] = "hello"};
    for (uint32_t i = HANDSHAKES_FULL; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum handshakes)i;
        }
    }
    refuse("handshakes", "full, resumed or hello", text);
    return HANDSHAKES_NONE;
}

static bool take_tls_option(struct load_options *options, int option, const char *text) {
    switch (option) {
    case TLS:
        options->tls = strcmp(text, "1.2") == 0 ? 12 : strcmp(text, "1.3") == 0 ? 13 : 0;
        if (options->tls == 0) {
            refuse("tls", "1.2 or 1.3", text);
        }
        return true;
    case CA:
        options->tls_ca = text;
        return true;
    case CERT:
        options->tls_certificate = text;
        return true;
    case CERT_KEY:
        options->tls_key = text;
        return true;
    case CIPHERS:
        options->tls_ciphers = text;
        return true;
    case HANDSHAKES:
        options->handshakes = handshakes_named(text);
        return true;
    }
    return false;
}

static bool take_other_option(struct load_options *options, int option, const char *text) {
    switch (option) {
    case HOST:
        if (inet_pton(AF_INET, text, &options->address.sin_addr) != 1) {
            refuse("host", "an IPv4 address", text);
        }
        return true;
    case PROTOCOL:
        options->protocol = protocol_named(text);
        return true;
    case MISSES:
        if (strcmp(text, "ok") != 0) {
            refuse("misses", "ok", text);
        }
        return options->may_miss = true;
    case HISTOGRAM:
        options->histogram = text;
        return true;
    case SPIN:
        return options->spin = true;
    case FILL:
        return options->fill = true;
    case QUIET:
        return options->is_quiet = true;
    case NO_VERIFY:
        options->verify = false;
        return true;
    case HELP:
        fputs(help, stdout);
        exit(EXIT_SUCCESS);
    }
    return false;
}

void load_options_read(struct load_options *options, int argc, char **argv) {
    struct keys_options keys = {.prefix = "key", .sizes = "100", .count = 100000};
    *options = (struct load_options){
        .address = {.sin_family = AF_INET,
                    .sin_port = htons(11211),
                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .connections = 50,
        .depth = 1,
        .keys_per_get = 1,
        .verify = true,
        .run_s = 5,
        .requests_max = UINT64_MAX,
        .seed = 1,
    };
    for (int option; (option = getopt_long(argc, argv, "", rows, NULL)) != -1;) {
        if (!take_key_option(&keys, option, optarg) &&
            !take_number_option(options, option, optarg) &&
            !take_tls_option(options, option, optarg) &&
            !take_other_option(options, option, optarg)) {
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "load: see --help; \"%s\" is no option\n", argv[optind]);
        exit(EXIT_USAGE);
    }
    keys_init(&options->keys, keys.prefix, keys.count, keys.exponent);
    if (!keys_take_sizes(&options->keys, keys.sizes)) {
        refuse("sizes", "bytes, or bytes:share,bytes:share,...", keys.sizes);
    }
}
