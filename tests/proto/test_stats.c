/* What core asks proto about commands: the sub-commands of stats, slab classes, headers, the texts
 * of errors. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "proto/classes.h"
#include "proto/reply.h"
#include "proto/stats.h"

static struct request asks(const char *words, enum protocol protocol) {
    return (struct request){.op = OP_STATS,
                            .opcode = 0x10,
                            .protocol = (uint8_t)protocol,
                            .key = words,
                            .key_length = (uint16_t)strlen(words)};
}

static enum stats_group text_group(const char *words) {
    struct request request = asks(words, PROTOCOL_TEXT);
    return stats_group_of(&request);
}

static enum stats_group binary_group(const char *words) {
    struct request request = asks(words, PROTOCOL_BINARY);
    return stats_group_of(&request);
}

Test(stats_command, words_choose_the_group) {
    cr_assert(eq(int, text_group(""), STATS_GENERAL));
    cr_assert(eq(int, text_group("  "), STATS_GENERAL));
    cr_assert(eq(int, text_group("settings"), STATS_SETTINGS));
    cr_assert(eq(int, text_group("cluster"), STATS_CLUSTER));
    cr_assert(eq(int, text_group(" settings more words here"), STATS_SETTINGS));
    cr_assert(eq(int, text_group("items"), STATS_ITEMS));
    cr_assert(eq(int, text_group("slabs"), STATS_SLABS));
    cr_assert(eq(int, text_group("sizes"), STATS_SIZES));
    cr_assert(eq(int, text_group("latency"), STATS_LATENCY));
    cr_assert(eq(int, text_group("hotkeys"), STATS_HOTKEYS));
    cr_assert(eq(int, text_group("conns"), STATS_CONNS));
    cr_assert(eq(int, text_group("reset"), STATS_RESET));
    cr_assert(eq(int, text_group("detail on"), STATS_DETAIL_ON));
    cr_assert(eq(int, text_group("detail off x"), STATS_DETAIL_OFF));
    cr_assert(eq(int, text_group("detail dump"), STATS_DETAIL_DUMP));
    const char *unknown[] = {"Settings", "settingsx",    "sizes_enable", "sizes_disable",
                             "setting",  "settings\r\n", "noreply"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        cr_assert(eq(int, text_group(unknown[i]), STATS_UNKNOWN), "%s", unknown[i]);
    }
}

static void expect_line(const char *words, enum stats_group group, const char *line) {
    struct request request = asks(words, PROTOCOL_TEXT);
    struct stats_command command = stats_command_of(&request);
    cr_assert(eq(int, command.group, group), "%s", words);
    cr_assert(eq(str, (char *)command.line, (char *)line), "%s", words);
}

Test(stats_command, answers_of_one_line) {
    expect_line("reset", STATS_RESET, "RESET");
    expect_line("detail on", STATS_DETAIL_ON, "OK");
    expect_line("detail off", STATS_DETAIL_OFF, "OK");
    expect_line("detail", STATS_REFUSED, "CLIENT_ERROR usage: stats detail on|off|dump");
    expect_line("detail x", STATS_REFUSED, "CLIENT_ERROR usage: stats detail on|off|dump");
    expect_line("cachedump", STATS_REFUSED, "CLIENT_ERROR bad command line");
    expect_line("cachedump 1", STATS_REFUSED, "CLIENT_ERROR bad command line");
    expect_line("cachedump x y", STATS_REFUSED, "CLIENT_ERROR bad command line format");
    expect_line("cachedump 1 -1", STATS_REFUSED, "CLIENT_ERROR bad command line format");
    expect_line("cachedump 1 4294967296", STATS_REFUSED, "CLIENT_ERROR bad command line format");
    expect_line("cachedump 1 +1", STATS_REFUSED, "CLIENT_ERROR bad command line format");
    expect_line("cachedump 1 000000000001", STATS_REFUSED, "CLIENT_ERROR bad command line format");
    expect_line("cachedump 64 x", STATS_REFUSED, "CLIENT_ERROR bad command line format");
    expect_line("cachedump 64 1", STATS_REFUSED, "CLIENT_ERROR Illegal slab id");
}

Test(stats_command, cachedump_knows_one_class) {
    struct request request = asks("cachedump 1 100 rest", PROTOCOL_TEXT);
    struct stats_command command = stats_command_of(&request);
    cr_assert(eq(int, command.group, STATS_CACHEDUMP));
    cr_assert(eq(u32, command.items_max, 100));
    cr_assert(eq(int, text_group("cachedump 2 0"), STATS_EMPTY));
    cr_assert(eq(int, text_group("cachedump 0 0"), STATS_EMPTY));
}

Test(stats_command, binary_has_fewer) {
    cr_assert(eq(int, binary_group(""), STATS_GENERAL));
    cr_assert(eq(int, binary_group("settings"), STATS_SETTINGS));
    cr_assert(eq(int, binary_group("detail dump"), STATS_DETAIL_DUMP));
    cr_assert(eq(int, binary_group("reset"), STATS_RESET));
    cr_assert(eq(int, binary_group("sizes"), STATS_SIZES));
    cr_assert(eq(int, binary_group("latency"), STATS_LATENCY));
    cr_assert(eq(int, binary_group("hotkeys"), STATS_HOTKEYS));
    const char *unknown[] = {"conns", "cachedump 1 0", "cachedump", "cachedump 2 0", "detail"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        cr_assert(eq(int, binary_group(unknown[i]), STATS_UNKNOWN), "%s", unknown[i]);
    }
}

static enum classes classes(const char *list) {
    struct request request = {.key = list, .key_length = (uint16_t)strlen(list)};
    return classes_of(&request);
}

Test(classes, all_items_are_of_class_1) {
    cr_assert(eq(int, classes("all"), CLASSES_ALL));
    cr_assert(eq(int, classes("hash"), CLASSES_ALL));
    cr_assert(eq(int, classes("1"), CLASSES_ALL));
    cr_assert(eq(int, classes("2,1"), CLASSES_ALL));
    cr_assert(eq(int, classes("001,63"), CLASSES_ALL));
    cr_assert(eq(int, classes("+1"), CLASSES_ALL));
    cr_assert(eq(int, classes("2,\t1"), CLASSES_ALL));
    cr_assert(eq(int, classes("1\tx,2"), CLASSES_ALL));
    cr_assert(eq(int, classes("2,"), CLASSES_OTHER));
    cr_assert(eq(int, classes("2,63"), CLASSES_OTHER));
    const char *bad[] = {"0",  "64", "1,,2",       ",1",  "x",    "1x",
                         "-1", "-0", "4294967297", "All", "+all", "\t"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert(eq(int, classes(bad[i]), CLASSES_BAD), "%s", bad[i]);
    }
}

Test(parser, tells_whether_a_header_is_whole) {
    struct parser parser = {.protocol = PROTOCOL_TEXT};
    cr_assert(not(parser_has_header(&parser, NULL, 0)));
    cr_assert(not(parser_has_header(&parser, "set a 0 0 5", 11)));
    cr_assert(parser_has_header(&parser, "set a 0 0 5\nab", 14));
    parser.protocol = PROTOCOL_BINARY;
    char packet[24] = {(char)0x80};
    cr_assert(not(parser_has_header(&parser, packet, 23)));
    cr_assert(parser_has_header(&parser, packet, 24));
}

Test(reply, an_error_takes_the_place_of_replies) {
    char text[REPLY_ERROR_MAX] = "VALUE a 0 5\r\n";
    size_t length = reply_replace_by_error(text, PROTOCOL_TEXT);
    cr_assert(eq(sz, length, 38));
    cr_assert(eq(int, memcmp(text, "SERVER_ERROR answer too long for UDP\r\n", length), 0));
    char packet[REPLY_ERROR_MAX] = {(char)0x81, 0x0c, [12] = 1, 2, 3, 4};
    length = reply_replace_by_error(packet, PROTOCOL_BINARY);
    cr_assert(eq(sz, length, 24 + strlen("Too large.")));
    cr_assert(eq(int, packet[1], 0x0c));
    cr_assert(eq(int, packet[7], 3), "status too large");
    cr_assert(eq(int, memcmp(packet + 12, "\1\2\3\4", 4), 0));
}

Test(reply, errors_of_executors_have_a_line) {
    for (int error = PROTO_ERROR_MEMORY_LIMIT; error <= PROTO_ERROR_SHUTDOWN_MODE; error++) {
        cr_assert(strlen(reply_error_line((enum proto_error)error)) < REPLY_ERROR_MAX);
    }
    cr_assert(eq(str, (char *)reply_error_line(PROTO_ERROR_METADUMP),
                 (char *)"ERROR metadump not allowed"));
}
