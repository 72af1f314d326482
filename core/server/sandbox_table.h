/* sandbox_table: what each kind of thread may do once the server has started: thread, system calls,
 * paths. core/README.md has the same table, and a test compares them.
 */
#ifndef CORE_SERVER_SANDBOX_TABLE_H
#define CORE_SERVER_SANDBOX_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The kinds of threads; each is a row. */
enum sandbox_thread {
    SANDBOX_MAIN,    /* waits for the others to end, and takes everything down */
    SANDBOX_FIRST,   /* reactor 0, which also accepts, takes signals and reads files again */
    SANDBOX_REACTOR, /* each other reactor */
    SANDBOX_METRICS, /* HTTP: libmicrohttpd runs in it */
    SANDBOX_CLUSTER, /* etcd: libcurl, with the threads that it starts to ask for addresses */
    SANDBOX_SASL,    /* the system's logins: libsasl2 and its plugins */
};
#define SANDBOX_THREADS 6

/* Groups of system calls. */
enum sandbox_group {
    SANDBOX_BASE,
    SANDBOX_DATA,
    SANDBOX_CODE,
    SANDBOX_SOCKETS,
    SANDBOX_RING,
    SANDBOX_EPOLL,
    SANDBOX_ORDERS,
    SANDBOX_FILE,
    SANDBOX_LOOK,
    SANDBOX_CLOSING,
    SANDBOX_NETWORK,
};
#define SANDBOX_GROUPS 11

/* Places in the file system. */
enum sandbox_place {
    SANDBOX_LIBC,
    SANDBOX_TLS,
    SANDBOX_USERS,
    SANDBOX_NODES,
    SANDBOX_MEMORY,
    SANDBOX_PID,
    SANDBOX_SOCKET,
    SANDBOX_HTTP,
    SANDBOX_ETCD,
    SANDBOX_SYSTEM,
    SANDBOX_LOGINS,
    SANDBOX_CORE,
};
#define SANDBOX_PLACES 12

#define SANDBOX_BIT(number) (1u << (number))

struct sandbox_row {
    const char *name;
    uint32_t groups; /* SANDBOX_BIT() of each */
    uint32_t places;
};

struct sandbox_calls {
    const char *name;
    /* Names with a blank between them; behind some in parentheses with which arguments, by the
     * names that core/server/sandbox_calls.c has. */
    const char *calls;
};

#define SANDBOX_FIELDS_MAX 5
#define SANDBOX_PATHS_MAX 16

struct sandbox_paths {
    const char *name;
    const char *options; /* what on the command line names something of it; "" */
    uint64_t rights;     /* LANDLOCK_ACCESS_FS_ and so on, of core/server/sandbox_files.h */
    /* Where struct config has names of files, of type const char *: allowed are the folders that
     * these lie in, and those of what they point to. The end: 0. */
    size_t fields[SANDBOX_FIELDS_MAX];
    /* And these, with all that is in them; behind a $ stands the name of an environment variable.
     * The end: NULL. */
    const char *paths[SANDBOX_PATHS_MAX];
};

extern const struct sandbox_row sandbox_rows[SANDBOX_THREADS];
extern const struct sandbox_calls sandbox_groups[SANDBOX_GROUPS];
extern const struct sandbox_paths sandbox_places[SANDBOX_PLACES];

#endif
