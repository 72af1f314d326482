/* In place of cyrus.c in a build without libsasl2. */
#include "core/server/cyrus.h"

#include <assert.h>
#include <stdio.h>

struct cyrus *cyrus_create(char line[CYRUS_LINE_BYTES]) {
    snprintf(line, CYRUS_LINE_BYTES,
             "-S needs users: this build does not know the system's SASL (libsasl2): give a file "
             "of user:password lines with -Y, or in the environment variable MEMCACHED_SASL_PWDB");
    return NULL;
}

void cyrus_destroy(struct cyrus *cyrus) {
    assert(!cyrus);
}

const char *cyrus_file(const struct cyrus *cyrus) {
    (void)cyrus;
    return NULL;
}

const char *cyrus_mechanisms(const struct cyrus *cyrus) {
    (void)cyrus;
    return NULL;
}

void cyrus_run(struct cyrus *cyrus, struct sasl_login *login) {
    (void)cyrus;
    login->outcome = SASL_OUTCOME_REFUSED;
}

void cyrus_end(struct sasl_login *login) {
    login->conversation = NULL;
}
