#include "core/server/sandbox_table.h"

#include "core/base/config.h"
#include "core/server/sandbox_files.h"

#define G(group) SANDBOX_BIT(SANDBOX_##group)
#define FIELD(name) offsetof(struct config, name)

#define REACTOR_GROUPS                                                                             \
    (G(BASE) | G(DATA) | G(SOCKETS) | G(RING) | G(EPOLL) | G(ORDERS) | G(FILE) | G(LOOK))
#define LIBRARY_GROUPS (G(BASE) | G(CODE) | G(SOCKETS) | G(EPOLL) | G(LOOK) | G(NETWORK))

const struct sandbox_row sandbox_rows[SANDBOX_THREADS] = {
    [SANDBOX_MAIN] = {"main",
                      G(BASE) | G(DATA) | G(SOCKETS) | G(EPOLL) | G(ORDERS) | G(FILE) | G(LOOK) |
                          G(CLOSING),
                      G(LIBC) | G(MEMORY) | G(PID) | G(SOCKET) | G(CORE)},
    [SANDBOX_FIRST] = {"reactor 0", REACTOR_GROUPS,
                       G(LIBC) | G(TLS) | G(USERS) | G(NODES) | G(MEMORY) | G(SOCKET) | G(CORE)},
    [SANDBOX_REACTOR] = {"other reactors", REACTOR_GROUPS, G(LIBC) | G(TLS) | G(MEMORY) | G(CORE)},
    [SANDBOX_METRICS] = {"metrics", LIBRARY_GROUPS,
                         G(LIBC) | G(TLS) | G(HTTP) | G(SYSTEM) | G(CORE)},
    [SANDBOX_CLUSTER] = {"cluster", LIBRARY_GROUPS, G(LIBC) | G(ETCD) | G(SYSTEM) | G(CORE)},
    [SANDBOX_SASL] = {"sasl", LIBRARY_GROUPS | G(FILE), G(LIBC) | G(SYSTEM) | G(LOGINS) | G(CORE)},
};

/* clang-format off */
const struct sandbox_calls sandbox_groups[SANDBOX_GROUPS] = {
    /* The C library's own: memory, locks, time, signals, the end; reading, and writing lines. */
    [SANDBOX_BASE] = {"base",
        "read readv write writev close lseek open openat fstat newfstatat fcntl poll ppoll "
        "munmap mremap madvise brk futex futex_waitv membarrier rseq set_robust_list "
        "get_robust_list sched_yield sched_getaffinity getcpu clock_gettime clock_getres "
        "clock_nanosleep nanosleep gettimeofday time times getrandom getrusage sysinfo uname "
        "getpid gettid getuid geteuid getgid getegid rt_sigaction rt_sigprocmask "
        "rt_sigpending rt_sigreturn sigaltstack tgkill(self) pause restart_syscall "
        "prctl(name) exit exit_group"},
    /* No memory that can be run. */
    [SANDBOX_DATA] = {"data", "mmap(data) mprotect(data)"},
    /* For libraries that load others when they need them. */
    [SANDBOX_CODE] = {"code", "mmap mprotect"},
    /* Of sockets that there are. */
    [SANDBOX_SOCKETS] = {"sockets",
        "accept accept4 recvfrom recvmsg recvmmsg sendto sendmsg sendmmsg getsockname "
        "getpeername getsockopt setsockopt shutdown"},
    /* Of rings that there are; io_uring_setup is on no list. */
    [SANDBOX_RING] = {"ring", "io_uring_enter"},
    [SANDBOX_EPOLL] = {"epoll",
        "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2"},
    /* Words to systemd, the commands shutdown, and the end of a drain. */
    [SANDBOX_ORDERS] = {"orders", "socket(unix) kill(self) alarm setitimer"},
    /* Of files that are open, and what is done with names. */
    [SANDBOX_FILE] = {"file",
        "fallocate ftruncate fdatasync fsync msync preadv pwrite64 pwritev flock "
        "unlink unlinkat rename renameat renameat2"},
    [SANDBOX_LOOK] = {"look",
        "stat lstat statx access faccessat faccessat2 readlink readlinkat getdents64 getcwd "
        "pread64 statfs fstatfs ioctl(query)"},
    /* Taking down what others have left: the kernel refuses io_uring_register on the rings. */
    [SANDBOX_CLOSING] = {"closing",
        "io_uring_register io_uring_enter rt_sigtimedwait sched_get_priority_max "
        "sched_get_priority_min munlock munlockall"},
    /* What libraries need that find their way in the network, and work in threads. */
    [SANDBOX_NETWORK] = {"network",
        "socket socketpair connect bind listen pipe pipe2 dup dup2 dup3 select pselect6 "
        "clone(thread) clone3(hidden) set_tid_address getppid getpgrp getresuid getresgid "
        "getgroups capget prlimit64(read) getrlimit sched_getparam sched_getscheduler "
        "sched_get_priority_max sched_get_priority_min getpriority rt_sigtimedwait "
        "fadvise64 fchdir umask mlock mlock2 munlock memfd_create"},
};
/* clang-format on */

const struct sandbox_paths sandbox_places[SANDBOX_PLACES] = {
    [SANDBOX_LIBC] = {.name = "libc",
                      .options = "",
                      .rights = SANDBOX_READ,
                      .paths = {"/dev/null", "/dev/urandom", "/dev/random", "/proc/self",
                                "/proc/sys/vm/overcommit_memory", "/proc/sys/crypto",
                                "/sys/devices/system/cpu", "/etc/localtime",
                                "/usr/share/zoneinfo"}},
    [SANDBOX_TLS] = {.name = "tls",
                     .options = "ssl_chain_cert, ssl_key, ssl_ca_cert, ssl_crl, ssl_ticket_keys",
                     .rights = SANDBOX_READ,
                     .fields = {FIELD(tls.chain_file), FIELD(tls.key_file), FIELD(tls.ca_file),
                                FIELD(tls.crl_file), FIELD(tls.ticket_key_file)}},
    [SANDBOX_USERS] = {.name = "users",
                       .options = "-Y",
                       .rights = SANDBOX_READ,
                       .fields = {FIELD(users_file)}},
    [SANDBOX_NODES] = {.name = "nodes",
                       .options = "nodes",
                       .rights = SANDBOX_READ,
                       .fields = {FIELD(nodes_file)}},
    [SANDBOX_MEMORY] = {.name = "memory",
                        .options = "-e",
                        .rights = SANDBOX_READ | SANDBOX_WRITE | SANDBOX_REMOVE,
                        .fields = {FIELD(memory_file)}},
    [SANDBOX_PID] = {.name = "pid",
                     .options = "-P",
                     .rights = SANDBOX_READ | SANDBOX_REMOVE,
                     .fields = {FIELD(pid_file)}},
    [SANDBOX_SOCKET] = {.name = "socket",
                        .options = "-s",
                        .rights = SANDBOX_REMOVE,
                        .fields = {FIELD(socket_path)}},
    [SANDBOX_HTTP] = {.name = "http",
                      .options = "metrics_auth",
                      .rights = SANDBOX_READ,
                      .fields = {FIELD(metrics.users_file)}},
    [SANDBOX_ETCD] = {.name = "etcd",
                      .options = "etcd_ca, etcd_cert, etcd_key, etcd_auth",
                      .rights = SANDBOX_READ,
                      .fields = {FIELD(cluster.ca_file), FIELD(cluster.certificate_file),
                                 FIELD(cluster.key_file), FIELD(cluster.auth_file)},
                      .paths = {"$SSL_CERT_FILE", "$SSL_CERT_DIR", "$CURL_CA_BUNDLE"}},
    [SANDBOX_SYSTEM] = {.name = "system",
                        .options = "",
                        .rights = SANDBOX_READ,
                        .paths = {"/etc", "/usr", "/lib", "/lib64", "/run", "/var/lib/sss",
                                  "/var/cache/nscd", "/var/db", "/proc/sys/net", "/proc/net",
                                  "/proc/cpuinfo", "$OPENSSL_CONF", "$LD_LIBRARY_PATH"}},
    [SANDBOX_LOGINS] = {.name = "logins",
                        .options = "what memcached.conf names",
                        .rights = SANDBOX_READ | SANDBOX_WRITE | SANDBOX_REMOVE,
                        .paths = {"/etc/sasldb2", "/var/lib/sasl2", "/tmp", "/var/tmp",
                                  "$SASL_CONF_PATH", "$SASL_PATH", "$KRB5_CONFIG", "$KRB5_KTNAME",
                                  "$KRB5RCACHEDIR", "$TMPDIR"}},
    [SANDBOX_CORE] = {.name = "core", .options = "-r", .rights = SANDBOX_WRITE | SANDBOX_REMOVE},
};
