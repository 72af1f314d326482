#include "core/server/options_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "core/server/http.h"

static enum config_status options_metrics_wrong(const char *value) {
    return options_wrong("--metrics takes [ADDRESS:]PORT, an IPv6 address in brackets, not \"%s\"",
                         value);
}

static bool options_read_port(const char *text, int32_t *port) {
    char *end;
    long number = strtol(text, &end, 10);
    if (end == text || *end || number < CONFIG_PORT_FREE || number > UINT16_MAX || number == 0) {
        return false;
    }
    *port = (int32_t)number;
    return true;
}

/* The part before the port, without brackets. */
static bool options_read_host(const char *text, size_t length, char *host) {
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length) || memchr(text, '[', length)) {
        return false;
    }
    if (length == 0 || length >= CONFIG_METRICS_HOST_BYTES) {
        return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    return true;
}

enum config_status options_add_metrics(struct config *config, const struct command_option *option,
                                       const char *value) {
    struct metrics_config *metrics = &config->metrics;
    const char *colon = strrchr(value, ':');
    (void)option;
    if (!http_is_built()) {
        return options_wrong("--metrics is refused: this program was built without HTTP: build it "
                             "with libmicrohttpd (-Dmetrics=enabled)");
    }
    if (metrics->count == CONFIG_METRICS_MAX) {
        return options_wrong("--metrics takes at most %d addresses", CONFIG_METRICS_MAX);
    }
    struct listen_address *address = &metrics->addresses[metrics->count];
    char *host = metrics->hosts[metrics->count];
    if (!options_read_port(colon ? colon + 1 : value, &address->port) ||
        (colon && !options_read_host(value, (size_t)(colon - value), host))) {
        return options_metrics_wrong(value);
    }
    address->host = host;
    metrics->count++;
    return CONFIG_RUN;
}

enum config_status options_check_metrics(const struct config *config) {
    const struct metrics_config *metrics = &config->metrics;
    if (metrics->count == 0 && (metrics->tls || metrics->users_file)) {
        return options_wrong("-o metrics_%s is refused without --metrics: there is no HTTP: give a "
                             "port, or leave it out",
                             metrics->tls ? "tls" : "auth");
    }
    if (metrics->tls && !config->tls.enabled) {
        return options_wrong("-o metrics_tls is refused without -Z: there is no certificate: give "
                             "both, or leave it out");
    }
    if (metrics->tls && config->tls.key_format != TLS_KEY_PEM) {
        return options_wrong("-o metrics_tls is refused beside ssl_keyformat=2: HTTP takes keys in "
                             "PEM: give one of that form");
    }
    return CONFIG_RUN;
}
