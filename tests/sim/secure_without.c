/* secure in a build without OpenSSL: no world has TLS. */
#include "secure.h"

void secure_seed(struct world *world) {
    world_fail(world, "this was built without TLS");
}

void secure_files_init(struct world *world, struct tls_config *config) {
    (void)config;
    world_fail(world, "this was built without TLS");
}

void secure_files_finish(struct tls_config *config) {
    (void)config;
}

struct secure *secure_create(struct world *world) {
    world_fail(world, "this was built without TLS");
}

void secure_destroy(struct secure *secure) {
    (void)secure;
}

size_t secure_send(struct secure *secure, struct socket *socket, const char *bytes, size_t length,
                   size_t most) {
    (void)secure, (void)socket, (void)bytes, (void)length, (void)most;
    return 0;
}

size_t secure_pending(const struct secure *secure) {
    (void)secure;
    return 0;
}

uint64_t secure_moved(const struct secure *secure) {
    (void)secure;
    return 0;
}

long secure_receive(struct secure *secure, struct socket *socket, char *bytes, size_t length,
                    size_t most) {
    (void)secure, (void)socket, (void)bytes, (void)length, (void)most;
    return -1;
}
