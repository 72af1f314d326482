#include "core/server/sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/server/sandbox_table.h"

/* The kernel's interface, which the C library has no functions for, and older headers lack. */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* as on every processor */
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define FILES_ASK_VERSION 1u
#define FILES_RULE_BENEATH 1

struct files_rights {
    uint64_t fs;
};

struct files_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* What each version can refuse. */
#define RIGHTS_FIRST ((uint64_t)(1 << 13) - 1)
#define RIGHT_REFER ((uint64_t)1 << 13)
#define RIGHT_TRUNCATE ((uint64_t)1 << 14)
#define RIGHT_IOCTL_DEVICE ((uint64_t)1 << 15)

/* Those that a file can have; others are a folder's. EXECUTE, WRITE_FILE, READ_FILE. */
#define RIGHTS_OF_FILES ((uint64_t)7 | RIGHT_TRUNCATE | RIGHT_IOCTL_DEVICE)

#define LINKS_MAX 40

/* What this kernel can refuse; 0 and errno where it has none of it. */
static uint64_t files_rights(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, FILES_ASK_VERSION);
    if (version < 1) {
        return 0;
    }
    return RIGHTS_FIRST | (version >= 2 ? RIGHT_REFER : 0) | (version >= 3 ? RIGHT_TRUNCATE : 0) |
           (version >= 5 ? RIGHT_IOCTL_DEVICE : 0);
}

static int files_begin(uint64_t rights) {
    const struct files_rights handled = {.fs = rights};
    long rules = rights ? syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0) : -1;
    return rules < 0 ? -errno : (int)rules;
}

int sandbox_files_enter(int rules) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_landlock_restrict_self, rules, 0) != 0) {
        return -errno;
    }
    return 0;
}

int sandbox_files_try(void) {
    int rules = files_begin(files_rights());
    return rules < 0 ? rules : sandbox_files_enter(rules);
}

/* Rules. */

struct files {
    int rules;
    uint64_t handled;
    int error; /* the first */
};

/* A name that leads nowhere, or where this user may not go, has no rule: nothing can be opened
 * there anyway. */
static void files_allow(struct files *files, const char *path, uint64_t rights) {
    struct stat about;
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0) {
        bool scarce = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        files->error = files->error ? files->error : scarce ? -errno : 0;
        return;
    }
    struct files_beneath rule = {.allowed = rights & files->handled, .parent = place};
    if (fstat(place, &about) == 0 && !S_ISDIR(about.st_mode)) {
        rule.allowed &= RIGHTS_OF_FILES;
    }
    if (rule.allowed &&
        syscall(SYS_landlock_add_rule, files->rules, FILES_RULE_BENEATH, &rule, 0) != 0 &&
        !files->error) {
        files->error = -errno;
    }
    close(place);
}

/* Puts the text at `at` of a path, over what is there. False: it is too long. */
static bool files_put(char path[PATH_MAX], size_t at, const char *text) {
    size_t bytes = strlen(text) + 1;
    if (at + bytes > PATH_MAX) {
        return false;
    }
    memcpy(path + at, text, bytes);
    return true;
}

/* Leaves the folder that the name lies in, "." where it has none. */
static void files_cut(char path[PATH_MAX]) {
    char *slash = strrchr(path, '/');
    if (!slash) {
        files_put(path, 0, ".");
    } else {
        slash[slash == path] = '\0';
    }
}

/* The name that a link stands for, seen from the link's folder. False: it is none, or too long. */
static bool files_follow(char path[PATH_MAX]) {
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length <= 0) {
        return false;
    }
    target[length] = '\0';
    if (*target == '/') {
        return files_put(path, 0, target);
    }
    files_cut(path);
    return files_put(path, strlen(path), "/") && files_put(path, strlen(path), target);
}

/* The folder of a file, and where that is a link those of all that it points to: by such links
 * files are replaced, too. One that lies in / is allowed without its neighbours. */
static void files_allow_folder(struct files *files, const char *file, uint64_t rights) {
    char path[PATH_MAX] = "", folder[PATH_MAX];
    bool follows = files_put(path, 0, file);
    for (int links = 0; links < LINKS_MAX && follows; links++) {
        memcpy(folder, path, sizeof(folder));
        files_cut(folder);
        files_allow(files, strcmp(folder, "/") == 0 ? path : folder, rights);
        follows = files_follow(path);
    }
}

/* The same for each folder on the way that is a link: what it points to may be replaced by a
 * neighbour of that. Only for reading: this is much. */
static void files_allow_ways(struct files *files, const char *file, uint64_t rights) {
    char way[PATH_MAX], target[PATH_MAX];
    if (!files_put(way, 0, file)) {
        return;
    }
    for (char *slash = strchr(way + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        files_put(target, 0, way);
        for (int links = 0; links < LINKS_MAX && files_follow(target); links++) {
            files_allow_folder(files, target, rights);
        }
        *slash = '/';
    }
}

/* Core files go where the process is, or where the kernel was told. */
static void files_allow_core(struct files *files, uint64_t rights) {
    char pattern[PATH_MAX] = "";
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
    if (file && !fgets(pattern, sizeof(pattern), file)) {
        *pattern = '\0';
    }
    if (file) {
        fclose(file);
    }
    if (*pattern == '/') {
        files_cut(pattern);
        files_allow(files, pattern, rights);
    } else if (*pattern != '|') {
        files_allow(files, ".", rights);
    }
}

/* Lines of OPTION: VALUE. */
static void files_allow_named(struct files *files, const char *logins, uint64_t rights) {
    char *line = NULL;
    size_t bytes = 0;
    FILE *file = fopen(logins, "re");
    while (file && getline(&line, &bytes, file) > 0) {
        char *value = line + strcspn(line, ":");
        value += strspn(value, ": \t");
        value[strcspn(value, "\r\n")] = '\0';
        if (*value == '/') {
            files_allow_folder(files, value, rights);
        }
    }
    free(line);
    if (file) {
        fclose(file);
    }
}

/* A list with colons between; what is none of files leads nowhere. */
static void files_allow_variable(struct files *files, const char *name, uint64_t rights) {
    const char *value = getenv(name);
    char *names = value ? strdup(value) : NULL, *rest = names;
    for (char *path; (path = strsep(&rest, ":"));) {
        if (*path == '/') {
            files_allow(files, path, rights);
        }
    }
    free(names);
}

static void files_allow_place(struct files *files, const struct config *config,
                              const struct sandbox_paths *place) {
    for (size_t i = 0; i < SANDBOX_FIELDS_MAX && place->fields[i]; i++) {
        const char *file = *(const char *const *)((const char *)config + place->fields[i]);
        if (file) {
            files_allow_folder(files, file, place->rights);
        }
        if (file && place->rights == SANDBOX_READ) {
            files_allow_ways(files, file, place->rights);
        }
    }
    for (size_t i = 0; i < SANDBOX_PATHS_MAX && place->paths[i]; i++) {
        const char *path = place->paths[i];
        if (*path == '$') {
            files_allow_variable(files, path + 1, place->rights);
        } else {
            files_allow(files, path, place->rights);
        }
    }
}

int sandbox_files_create(const struct config *config, const char *logins, uint32_t places) {
    struct files files = {.handled = files_rights()};
    files.rules = files_begin(files.handled);
    if (files.rules < 0) {
        return files.rules;
    }
    for (uint32_t i = 0; i < SANDBOX_PLACES; i++) {
        if (places & SANDBOX_BIT(i)) {
            files_allow_place(&files, config, &sandbox_places[i]);
        }
    }
    if ((places & SANDBOX_BIT(SANDBOX_LOGINS)) && logins) {
        files_allow_named(&files, logins, sandbox_places[SANDBOX_LOGINS].rights);
    }
    if ((places & SANDBOX_BIT(SANDBOX_CORE)) && config->core_dumps) {
        files_allow_core(&files, sandbox_places[SANDBOX_CORE].rights);
    }
    if (files.error) {
        close(files.rules);
        return files.error;
    }
    return files.rules;
}
