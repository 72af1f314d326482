/* load_tls in a build without OpenSSL: connections are plain. */
#include "bench/load_client.h"
#include "bench/load_tls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void refuse(void) {
    fprintf(stderr, "load: --tls: this program was built without TLS: build it with libssl\n");
    exit(EXIT_FAILURE);
}

struct ssl_ctx_st *load_tls_create(const struct load_options *options) {
    if (options->tls) {
        refuse();
    }
    return NULL;
}

void load_tls_destroy(struct ssl_ctx_st *context) {
    (void)context;
}

void link_open(struct link *link, int descriptor, struct ssl_ctx_st *context) {
    (void)context;
    *link = (struct link){.descriptor = descriptor};
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
}

void link_close(struct link *link) {
    close(link->descriptor);
}

ssize_t link_send(struct link *link, const char *bytes, size_t length) {
    return send(link->descriptor, bytes, length, MSG_NOSIGNAL);
}

ssize_t link_receive(struct link *link, char *bytes, size_t length) {
    return recv(link->descriptor, bytes, length, 0);
}

bool link_has_pending(const struct link *link) {
    (void)link;
    return false;
}

void load_tls_shake_hands(const struct load_options *options) {
    (void)options;
    refuse();
}
