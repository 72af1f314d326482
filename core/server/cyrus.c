#include "core/server/cyrus.h"

#include <assert.h>
#include <limits.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mesh/message.h"

/* As in memcached: the service, and the name of the file. */
#define CYRUS_APPLICATION "memcached"
#define CYRUS_FILE CYRUS_APPLICATION ".conf"

/* Where the file is looked for without SASL_CONF_PATH. */
#define CYRUS_FOLDERS "/etc/sasl:/etc/sasl2"

/* What is offered where the file does not say. */
static const char cyrus_all[] = "SCRAM-SHA-512 SCRAM-SHA-384 SCRAM-SHA-256 SCRAM-SHA-224 "
                                "SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN";
static const char cyrus_plain[] = "PLAIN LOGIN";

struct cyrus {
    char host[HOST_NAME_MAX + 1];
    char folders[PATH_MAX]; /* where the file is looked for, with colons between */
    char file[PATH_MAX];    /* the one that is read, or "" */
    const char *mech_list;  /* for want of one in the file; NULL: the file has one */
    char *mechanisms;
    char *problem;     /* SASL_PROBLEM_BYTES for the first error of the login under way */
    bool system_fails; /* and it is not of the login, but of the system */
    sasl_callback_t callbacks[3];
};

/* What libsasl2 calls. */

static int cyrus_log(void *context, int level, const char *message) {
    struct cyrus *cyrus = context;
    if (!cyrus->problem || (level != SASL_LOG_ERR && level != SASL_LOG_FAIL)) {
        return SASL_OK;
    }
    cyrus->system_fails |= level == SASL_LOG_ERR;
    if (!cyrus->problem[0]) {
        snprintf(cyrus->problem, SASL_PROBLEM_BYTES, "%s", message ? message : "an error");
    }
    return SASL_OK;
}

/* Options that go before those of the file. */
static int cyrus_option(void *context, const char *plugin, const char *option, const char **result,
                        unsigned *length) {
    const struct cyrus *cyrus = context;
    (void)plugin;
    if (!cyrus->mech_list || strcmp(option, "mech_list") != 0) {
        return SASL_FAIL;
    }
    *result = cyrus->mech_list;
    if (length) {
        *length = (unsigned)strlen(cyrus->mech_list);
    }
    return SASL_OK;
}

static void cyrus_fill_callbacks(struct cyrus *cyrus) {
    cyrus->callbacks[0] =
        (sasl_callback_t){SASL_CB_LOG, (int (*)(void))(void (*)(void))cyrus_log, cyrus};
    cyrus->callbacks[1] =
        (sasl_callback_t){SASL_CB_GETOPT, (int (*)(void))(void (*)(void))cyrus_option, cyrus};
    cyrus->callbacks[2] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
}

/* The file. */

static bool cyrus_is_file(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* Whoever names the file itself means its folder, though libsasl2 would read nothing. */
static void cyrus_take_folders(struct cyrus *cyrus) {
    const char *folders = getenv("SASL_CONF_PATH");
    snprintf(cyrus->folders, sizeof(cyrus->folders), "%s",
             folders && *folders ? folders : CYRUS_FOLDERS);
    char *slash = strrchr(cyrus->folders, '/');
    if (slash && strcmp(slash + 1, CYRUS_FILE) == 0 && cyrus_is_file(cyrus->folders)) {
        *slash = '\0';
    }
}

static bool cyrus_find_file(struct cyrus *cyrus) {
    char folders[PATH_MAX], *rest = folders;
    memcpy(folders, cyrus->folders, sizeof(folders));
    for (char *folder; (folder = strsep(&rest, ":"));) {
        int length = snprintf(cyrus->file, sizeof(cyrus->file), "%s/" CYRUS_FILE, folder);
        if (length > 0 && (size_t)length < sizeof(cyrus->file) && cyrus_is_file(cyrus->file)) {
            return true;
        }
    }
    cyrus->file[0] = '\0';
    return false;
}

/* The value of an option's line, or NULL. As libsasl2 reads it: letters of either case, blanks
 * around, and a # at the begin for what is none. */
static const char *cyrus_value(char *line, const char *option) {
    size_t length = strlen(option);
    line += strspn(line, " \t");
    if (strncasecmp(line, option, length) != 0 || line[length] != ':') {
        return NULL;
    }
    char *value = line + length + 1;
    value += strspn(value, " \t");
    value[strcspn(value, "\r\n")] = '\0';
    return value;
}

/* False when the file can't be read, which libsasl2 would not say. */
static bool cyrus_read_file(struct cyrus *cyrus) {
    char *line = NULL;
    size_t bytes = 0;
    bool lists = false, others = false;
    FILE *file = fopen(cyrus->file, "re");
    if (!file) {
        return false;
    }
    while (getline(&line, &bytes, file) > 0) {
        const char *methods = cyrus_value(line, "pwcheck_method");
        lists |= !methods && cyrus_value(line, "mech_list");
        others |= methods && !strstr(methods, "auxprop");
    }
    free(line);
    fclose(file);
    cyrus->mech_list = lists ? NULL : others ? cyrus_plain : cyrus_all;
    return true;
}

/* Begin and end. */

static void cyrus_fail(char line[CYRUS_LINE_BYTES], const char *what, int result,
                       const char *problem) {
    snprintf(line, CYRUS_LINE_BYTES, "-S: the system's SASL %s: %s%s%s", what,
             sasl_errstring(result, NULL, NULL), *problem ? ": " : "", problem);
}

static bool cyrus_list(struct cyrus *cyrus, char line[CYRUS_LINE_BYTES]) {
    sasl_conn_t *conversation = NULL;
    const char *list = NULL;
    int result =
        sasl_server_new(CYRUS_APPLICATION, NULL, cyrus->host, NULL, NULL, NULL, 0, &conversation);
    if (result == SASL_OK) {
        result = sasl_listmech(conversation, NULL, "", " ", "", &list, NULL, NULL);
    }
    if (result == SASL_OK && list && *list) {
        cyrus->mechanisms = strdup(list);
    } else {
        cyrus_fail(line, "lists no mechanism (Debian's are in libsasl2-modules)",
                   result == SASL_OK ? SASL_NOMECH : result, cyrus->problem);
    }
    if (conversation) {
        sasl_dispose(&conversation);
    }
    return cyrus->mechanisms;
}

static bool cyrus_start(struct cyrus *cyrus, char line[CYRUS_LINE_BYTES]) {
    if (cyrus_find_file(cyrus)) {
        if (!cyrus_read_file(cyrus)) {
            snprintf(line, CYRUS_LINE_BYTES, "-S: %.200s can't be read", cyrus->file);
            return false;
        }
    } else {
        cyrus->mech_list = cyrus_all;
    }
    sasl_set_path(SASL_PATH_TYPE_CONFIG, cyrus->folders);
    int result = sasl_server_init(cyrus->callbacks, CYRUS_APPLICATION);
    if (result != SASL_OK) {
        cyrus_fail(line, "does not start", result, cyrus->problem);
        return false;
    }
    if (!cyrus_list(cyrus, line)) {
        sasl_done();
        return false;
    }
    snprintf(line, CYRUS_LINE_BYTES, "logins by SASL: %.160s%s%.160s; it offers %s",
             *cyrus->file ? "" : "no " CYRUS_FILE " in ", *cyrus->file ? "configured by " : "",
             *cyrus->file ? cyrus->file : cyrus->folders, cyrus->mechanisms);
    return true;
}

struct cyrus *cyrus_create(char line[CYRUS_LINE_BYTES]) {
    char problem[SASL_PROBLEM_BYTES] = "";
    struct cyrus *cyrus = calloc(1, sizeof(*cyrus));
    if (!cyrus) {
        snprintf(line, CYRUS_LINE_BYTES, "-S: no memory for SASL");
        return NULL;
    }
    gethostname(cyrus->host, sizeof(cyrus->host) - 1);
    cyrus_fill_callbacks(cyrus);
    cyrus_take_folders(cyrus);
    cyrus->problem = problem;
    bool started = cyrus_start(cyrus, line);
    cyrus->problem = NULL;
    if (!started) {
        free(cyrus);
        return NULL;
    }
    return cyrus;
}

void cyrus_destroy(struct cyrus *cyrus) {
    if (cyrus) {
        sasl_done();
        free(cyrus->mechanisms);
    }
    free(cyrus);
}

const char *cyrus_file(const struct cyrus *cyrus) {
    return *cyrus->file ? cyrus->file : NULL;
}

const char *cyrus_mechanisms(const struct cyrus *cyrus) {
    return cyrus->mechanisms;
}

/* Logins. */

void cyrus_end(struct sasl_login *login) {
    sasl_conn_t *conversation = login->conversation;
    if (conversation) {
        sasl_dispose(&conversation);
    }
    login->conversation = NULL;
}

static bool cyrus_keep_challenge(struct sasl_login *login, const char *bytes, unsigned length) {
    if (length == 0) {
        return true;
    }
    login->challenge = length <= MESSAGE_VALUE_BYTES_MAX ? malloc(length) : NULL;
    if (!login->challenge) {
        return false;
    }
    memcpy(login->challenge, bytes, length);
    login->challenge_length = length;
    return true;
}

static enum sasl_outcome cyrus_outcome(struct sasl_login *login, int result, const char *challenge,
                                       unsigned length) {
    if (result == SASL_OK) {
        return SASL_OUTCOME_ACCEPTED;
    }
    return result == SASL_CONTINUE && cyrus_keep_challenge(login, challenge, length)
               ? SASL_OUTCOME_CONTINUES
               : SASL_OUTCOME_REFUSED;
}

static int cyrus_begin(const struct cyrus *cyrus, struct sasl_login *login, const char **challenge,
                       unsigned *length) {
    sasl_conn_t *conversation = NULL;
    cyrus_end(login);
    int result =
        sasl_server_new(CYRUS_APPLICATION, NULL, cyrus->host, NULL, NULL, NULL, 0, &conversation);
    login->conversation = conversation;
    if (result != SASL_OK) {
        return result;
    }
    return sasl_server_start(login->conversation, login->mechanism, login->secret,
                             login->secret_length, challenge, length);
}

static int cyrus_do(const struct cyrus *cyrus, struct sasl_login *login, const char **challenge,
                    unsigned *length) {
    switch ((enum sasl_task)login->task) {
    case SASL_TASK_BEGIN:
        return cyrus_begin(cyrus, login, challenge, length);
    case SASL_TASK_STEP:
        return sasl_server_step(login->conversation, login->secret, login->secret_length, challenge,
                                length);
    case SASL_TASK_END:
        break;
    }
    return SASL_FAIL;
}

/* Whether SASL could not tell, as opposed to a login that is wrong. */
static bool cyrus_is_failure(int result) {
    switch (result) {
    case SASL_FAIL:
    case SASL_NOMEM:
    case SASL_BUFOVER:
    case SASL_TRYAGAIN:
    case SASL_NOTINIT:
    case SASL_UNAVAIL:
    case SASL_CONFIGERR:
        return true;
    default:
        return false;
    }
}

/* Keeps an error of the system's; what is wrong with a login is counted and logged elsewhere. */
static void cyrus_note_problem(struct cyrus *cyrus, int result) {
    if (!cyrus->system_fails && !cyrus_is_failure(result)) {
        cyrus->problem[0] = '\0';
    } else if (!cyrus->problem[0]) {
        snprintf(cyrus->problem, SASL_PROBLEM_BYTES, "%s", sasl_errstring(result, NULL, NULL));
    }
}

void cyrus_run(struct cyrus *cyrus, struct sasl_login *login) {
    const char *challenge = NULL;
    unsigned length = 0;
    cyrus->problem = login->problem;
    cyrus->system_fails = false;
    int result = cyrus_do(cyrus, login, &challenge, &length);
    cyrus_note_problem(cyrus, result);
    cyrus->problem = NULL;
    login->outcome = (uint8_t)cyrus_outcome(login, result, challenge, length);
    bool may_go_on = login->task == SASL_TASK_STEP || login->outcome == SASL_OUTCOME_CONTINUES;
    if (!may_go_on || login->outcome == SASL_OUTCOME_ACCEPTED) {
        cyrus_end(login);
    }
}
