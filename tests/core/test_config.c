/* config: what a command line comes to, where other modules act on it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "core/server/config_parse.h"

#define FLAGS_MAX 16

struct reading {
    char text[256]; /* argv's, which must outlive config */
    struct config config;
};

/* Reads flags with spaces between them; getopt begins anew. */
static void read_flags(struct reading *reading, const char *flags) {
    char program[] = "simplecache", *argv[FLAGS_MAX + 2] = {program}, *rest;
    int argc = 1;
    snprintf(reading->text, sizeof(reading->text), "%s", flags);
    for (char *word = strtok_r(reading->text, " ", &rest); word && argc <= FLAGS_MAX;
         word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    optind = 0;
    cr_assert(eq(int, config_parse(&reading->config, argc, argv), CONFIG_RUN), "%s", flags);
}

/* As "host port, host port", or the port alone where no address was given; a port of 0 is -p's. */
static void expect_listen(const char *flags, const char *expected) {
    struct reading reading;
    read_flags(&reading, flags);
    char listen[256] = "";
    if (reading.config.address_count == 0) {
        snprintf(listen, sizeof(listen), "%d", reading.config.port);
    }
    for (uint32_t i = 0; i < reading.config.address_count; i++) {
        size_t length = strlen(listen);
        snprintf(listen + length, sizeof(listen) - length, "%s%s %d", i > 0 ? ", " : "",
                 reading.config.addresses[i].host, reading.config.addresses[i].port);
    }
    cr_assert(eq(str, listen, (char *)expected), "%s", flags);
    config_finish(&reading.config);
}

Test(config, ports) {
    expect_listen("", "11211");
    expect_listen("-p 5000", "5000");
    expect_listen("-p5000", "5000");
    expect_listen("-p 0", "0");
    expect_listen("-p -1", "-1");
    expect_listen("-p-1", "-1");
}

/* Both ports, and how many addresses were given. */
static void expect_ports(const char *flags, int tcp, int udp, uint32_t addresses) {
    struct reading reading;
    read_flags(&reading, flags);
    cr_assert(eq(int, reading.config.port, tcp), "%s", flags);
    cr_assert(eq(int, reading.config.udp_port, udp), "%s", flags);
    cr_assert(eq(u32, reading.config.address_count, addresses), "%s", flags);
    config_finish(&reading.config);
}

Test(config, udp_and_tcp) {
    expect_ports("", 11211, 0, 0);
    expect_ports("-U 0", 11211, 0, 0);
    expect_ports("-U 5000", 5000, 5000, 0);
    expect_ports("-U5000 -p 6000", 6000, 5000, 0);
    expect_ports("--udp-port=-1", -1, -1, 0);
    expect_ports("-p 0 -U 5000 -l ::1", 0, 5000, 1);
    expect_ports("-p 0 -U 0 -l ::1", 0, 0, 0);
    expect_ports("-U 5000 -l [::1]:1", 5000, 5000, 1);
    expect_ports("-s /tmp/x", 0, 0, 0);
    expect_ports("-s /tmp/x -U 5000", 0, 0, 0);
    expect_ports("-s /tmp/x -U 5000 -p 0", 0, 5000, 0);
    expect_ports("-s /tmp/x -U 5000 -l ::1", 5000, 5000, 1);
}

Test(config, unix_socket_instead_of_tcp) {
    expect_listen("-s /tmp/x", "0");
    expect_listen("-s /tmp/x -p 5000", "5000");
    expect_listen("-s /tmp/x -l ::1", "::1 0");
    expect_listen("-l ::1 -s /tmp/x -p 0", "0");
}

Test(config, addresses) {
    expect_listen("-l ::1", "::1 0");
    expect_listen("-l::1", "::1 0");
    expect_listen("-l [::1]", "::1 0");
    expect_listen("-l [fe80::1%lo]:5", "fe80::1%lo 5");
    expect_listen("-l * -p 5", "* 0");
    expect_listen("-l *:5", "* 5");
    expect_listen("-l localhost:5,127.0.0.1 -p 6", "localhost 5, 127.0.0.1 0");
    expect_listen("-l 127.0.0.1:5 --listen=[::1]:6;127.0.0.2", "127.0.0.1 5, ::1 6, 127.0.0.2 0");
    expect_listen("-l ,127.0.0.1,, -p -1", "127.0.0.1 0");
    expect_listen("-l 127.0.0.1:0,127.0.0.2:-1", "127.0.0.1 -1, 127.0.0.2 -1");
    expect_listen("-p 0 -l 127.0.0.1:5", "0");
}

Test(config, socket_and_process) {
    struct reading reading;
    read_flags(&reading, "-s /tmp/x -a 0770 -dkr -P /tmp/p -b 7");
    cr_assert(eq(str, (char *)reading.config.socket_path, (char *)"/tmp/x"));
    cr_assert(eq(str, (char *)reading.config.pid_file, (char *)"/tmp/p"));
    cr_assert(eq(u32, reading.config.socket_mode, 0770));
    cr_assert(eq(u32, reading.config.backlog, 7));
    cr_assert(eq(
        int, reading.config.daemonize &&reading.config.lock_memory &&reading.config.core_dumps, 1));
    config_finish(&reading.config);

    read_flags(&reading, "");
    cr_assert(eq(u32, reading.config.socket_mode, 0700));
    cr_assert(eq(u32, reading.config.backlog, 1024));
    cr_assert(zero(ptr, (void *)reading.config.socket_path));
    cr_assert(
        eq(int, reading.config.daemonize || reading.config.lock_memory || reading.config.core_dumps,
           0));
    cr_assert(eq(int, reading.config.binding, BINDING_AUTO));
    config_finish(&reading.config);
}

Test(config, protocol_and_idle_timeout) {
    const struct {
        const char *flags;
        enum binding_protocol binding;
        uint32_t idle_timeout_s;
    } cases[] = {{"-B auto", BINDING_AUTO, 0},
                 {"-Bascii -o idle_timeout=5", BINDING_TEXT, 5},
                 {"--protocol=binary -o modern,idle_timeout=6", BINDING_BINARY, 6},
                 {"--protocol ascii -B binary -oidle_timeout=1,idle_timeout=0", BINDING_BINARY, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct reading reading;
        read_flags(&reading, cases[i].flags);
        cr_assert(eq(int, reading.config.binding, cases[i].binding), "%s", cases[i].flags);
        cr_assert(eq(u32, reading.config.idle_timeout_s, cases[i].idle_timeout_s), "%s",
                  cases[i].flags);
        config_finish(&reading.config);
    }
}
