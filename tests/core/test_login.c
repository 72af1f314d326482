/* The file of users, and who may come in by it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/shard/auth.h"

/* Reads logins from a file with this text; problem holds 400 bytes. */
static struct logins *read_text(const char *text, char *problem) {
    char path[] = "/tmp/simplecache-users-XXXXXX";
    int descriptor = mkstemp(path);
    cr_assert(ge(int, descriptor, 0));
    cr_assert(eq(long, write(descriptor, text, strlen(text)), (long)strlen(text)));
    close(descriptor);
    *problem = '\0';
    struct logins *logins = logins_read(path, "here.example", problem, 400);
    unlink(path);
    return logins;
}

static bool check(const struct logins *logins, const char *user, const char *password) {
    struct credentials credentials = {
        .user = user,
        .user_length = (uint32_t)strlen(user),
        .password = password,
        .password_length = (uint32_t)strlen(password),
    };
    return logins_check(logins, &credentials);
}

Test(login, users_with_their_passwords_may_come_in) {
    char problem[400];
    struct logins *logins = read_text("# a comment\nanna:secret\n\nbert:with:colon\r\nempty:\n"
                                      "carl@here.example:far\ndora@there.example:off\nlast:one",
                                      problem);
    cr_assert(ne(ptr, logins, NULL), "%s", problem);
    struct logins *copy = logins_copy(logins);
    logins_free(logins);
    cr_assert(check(copy, "anna", "secret"));
    cr_assert(check(copy, "bert", "with:colon"));
    cr_assert(check(copy, "empty", ""));
    cr_assert(check(copy, "last", "one"));
    cr_assert(check(copy, "carl", "far"));
    cr_assert(check(copy, "carl@here.example", "far"));
    cr_assert(check(copy, "dora@there.example", "off"));
    cr_assert(not(check(copy, "dora", "off")));
    cr_assert(not(check(copy, "anna", "secre")));
    cr_assert(not(check(copy, "anna", "secret ")));
    cr_assert(not(check(copy, "annas", "ecret")));
    cr_assert(not(check(copy, "anna", "with:colon")));
    cr_assert(not(check(copy, "", "")));
    cr_assert(not(check(copy, "# a comment", "")));
    logins_free(copy);
}

Test(login, a_malformed_file_is_told_by_its_line_but_not_what_is_in_it) {
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"anna:secret\nbertsecret\n", "line 2:"},
        {":secret\n", "line 1:"},
        {"\n\n\nnothing", "line 4:"},
        {"# nobody\n", "names no user"},
        {"", "names no user"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char problem[400];
        struct logins *logins = read_text(cases[i].text, problem);
        cr_assert(eq(ptr, logins, NULL));
        cr_assert(ne(ptr, strstr(problem, cases[i].line), NULL), "%s", problem);
        cr_assert(eq(ptr, strstr(problem, "secret"), NULL), "%s", problem);
    }
}

#define PASSWORD_BYTES 24

/* How often the password is in the memory that can be written to. It is looked for by its
 * complement, so as not to find what one looks for. */
static int count_copies(const unsigned char complement[PASSWORD_BYTES]) {
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned long start, end;
    char line[512], mode[5];
    int copies = 0;
    cr_assert(maps && memory >= 0);
    while (fgets(line, sizeof(line), maps)) {
        static unsigned char page[4096 + PASSWORD_BYTES];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) != 3 || strncmp(mode, "rw", 2) != 0 ||
            end - start > 1ul << 26) {
            continue;
        }
        for (; start < end; start += 4096) {
            ssize_t there = pread(memory, page, sizeof(page), (off_t)start);
            for (ssize_t at = 0; at + PASSWORD_BYTES <= there; at++) {
                int same = 0;
                while (same < PASSWORD_BYTES && page[at + same] == (complement[same] ^ 0xff)) {
                    same++;
                }
                copies += same == PASSWORD_BYTES && (char *)start + at != (char *)page;
            }
        }
    }
    fclose(maps);
    close(memory);
    return copies;
}

Test(login, no_password_of_the_file_stays_in_memory) {
    unsigned char complement[PASSWORD_BYTES];
    char path[] = "/tmp/simplecache-users-XXXXXX", problem[400];
    int descriptor = mkstemp(path);
    cr_assert(eq(sz, (size_t)write(descriptor, "anna:", 5), 5));
    for (int i = 0; i < PASSWORD_BYTES; i++) {
        char c = (char)('a' + i * 7 % 26);
        complement[i] = (unsigned char)~c;
        cr_assert(eq(sz, (size_t)write(descriptor, &c, 1), 1));
    }
    close(descriptor);
    struct logins *logins = logins_read(path, NULL, problem, sizeof(problem));
    cr_assert(eq(int, count_copies(complement), 0));
    unlink(path);
    logins_free(logins);
}

Test(login, bounds) {
    char problem[400];
    char *text = malloc(LOGIN_LINE_BYTES_MAX + 10 + 5000 * 16);
    memset(text, 'a', LOGIN_LINE_BYTES_MAX);
    strcpy(text + LOGIN_LINE_BYTES_MAX, ":x\n");
    cr_assert(eq(ptr, read_text(text, problem), NULL));
    cr_assert(ne(ptr, strstr(problem, "line 1: the line is too long"), NULL), "%s", problem);
    char *at = text;
    for (int i = 0; i <= LOGIN_USERS_MAX; i++) {
        at += sprintf(at, "u%d:p\n", i);
    }
    cr_assert(eq(ptr, read_text(text, problem), NULL));
    cr_assert(ne(ptr, strstr(problem, "too many users"), NULL), "%s", problem);
    free(text);
    cr_assert(eq(ptr, logins_read("/nonexistent/users", NULL, problem, sizeof(problem)), NULL));
    cr_assert(ne(ptr, strstr(problem, "can't read the users in /nonexistent/users"), NULL), "%s",
              problem);
}
