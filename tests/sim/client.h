/* client: a simulated client. It connects, has some commands under way at a time, sends and reads
 * its bytes in fragments, and holds each answer against the model of its keys.
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "command.h"
#include "model.h"
#include "sockets.h"
#include "world.h"

#define CLIENT_COMMANDS_MAX 256 /* under way */
#define CLIENT_KEY_BYTES 256

struct bytes {
    char *bytes;
    size_t length;
    size_t capacity;
    size_t done; /* from the front, sent or read */
};

/* How a connection comes to its end, unless something ends it before. */
enum ending {
    ENDING_CLOSE,      /* once all is answered */
    ENDING_HALF_CLOSE, /* once all is sent: what is owed still comes */
    ENDING_QUIT,       /* the same, by command */
};

enum client_state {
    CLIENT_AWAY, /* connects at wake_ns */
    CLIENT_TALKS,
    CLIENT_DONE,
};

struct client {
    struct world *world;
    uint32_t id;
    enum client_state state;
    uint64_t wake_ns;
    uint32_t connections_left;

    /* Of the connection. */
    struct socket *socket;
    struct secure *secure; /* NULL: its bytes travel as they are */
    struct model model;
    uint32_t incarnation; /* part of its keys, which are new with each connection */
    bool binary;
    bool logged_in;
    bool key_is_long;
    enum ending ending;
    bool said_quit;
    bool was_quiet; /* the command finished last, so it may not have run yet */
    bool ended;     /* its sending side */
    uint32_t commands_left;
    uint32_t opaque;
    uint64_t stalls_until; /* a step */
    uint64_t pauses_until_ns;
    uint64_t last_sent_ns;
    struct bytes out;
    struct bytes in;
    struct command commands[CLIENT_COMMANDS_MAX];
    uint32_t first;
    uint32_t count;
};

struct client *client_create(struct world *world, uint32_t id);
void client_destroy(struct client *client);

/* Does something, if it can: true when it has. */
bool client_step(struct client *client);
/* When it will do something by itself; UINT64_MAX: never. */
uint64_t client_deadline_ns(const struct client *client);
/* What it waits for, in words. */
void client_describe(const struct client *client, char *text, size_t bytes);

/* For those that make and check commands. */
void bytes_add(struct bytes *bytes, const char *more, size_t length);
__attribute__((format(printf, 2, 3))) void bytes_print(struct bytes *bytes, const char *format,
                                                       ...);
uint32_t client_key(const struct client *client, uint32_t number, char key[CLIENT_KEY_BYTES]);

/* Whether a command behind the first one that is under way is about a key. */
bool client_has_later(const struct client *client, uint32_t key);

/* make.c: a random command. */
void command_make(struct client *client, struct command *command);
int64_t make_exptime(const struct client *client, bool negative);

/* make_admin.c: one whose answer is always the same; one of statistics or dumps; one that changes
 * the server. */
void make_fixed(struct client *client, struct command *command);
void make_lines(struct client *client, struct command *command);
void make_administration(struct client *client, struct command *command);

/* make_meta.c: what is chosen for a meta command; its kind and value are. */
void make_meta(struct client *client, struct command *command);

/* How far an answer has been read. */
struct reading {
    const char *bytes;
    size_t length; /* that are there */
    size_t used;
};

/* text.c, meta.c, binary.c: puts a command into client->out; and reads its answer. True when the
 * command has all of it; false when more is to come, with what was used up already. */
void text_write(struct client *client, struct command *command);
bool text_read(struct client *client, struct command *command, struct reading *reading);
void meta_write(struct client *client, struct command *command);
bool meta_read(struct client *client, struct command *command, struct reading *reading);
void binary_write(struct client *client, struct command *command);
bool binary_read(struct client *client, struct command *command, struct reading *reading);

/* scan.c: a line of a dump; and its end: whether all that it must tell of was there, once. */
void scan_note(const struct client *client, struct command *command, const char *line,
               size_t length);
void scan_check(const struct client *client, const struct command *command);

/* A whole line at the front of what is left, without its end; NULL: not yet. */
const char *reading_line(const struct client *client, const struct reading *reading,
                         size_t *length);
/* An answer that is the same in text and meta: an error. ANSWER_SILENT: it is none. */
enum answer reading_error(const char *line, size_t length);

#endif
