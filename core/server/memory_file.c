#include "core/server/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/memory_file_move.h"
#include "core/server/memory_file_stores.h"
#include "core/server/server.h"
#include "store/transfer.h"

/* cache_memlimit may raise -m to so many times what it was when the file was made: the file is as
 * long as that, though most of it is a hole. So may a later server's -m, and lower it as far. */
#define FILE_GROWTH 4u

/* Behind the name of a file that can't be used, and of one whose items are being moved to one for
 * other settings. */
#define FILE_ASIDE ".aside"
#define FILE_MOVING ".moving"

/* Names and locks. */

#define FILE_OPEN_FLAGS (O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* What FILE means if it is a symbolic link: renamed and removed is the file, never the link. The
 * file is made if it isn't there. NULL: it is no link, or one that leads nowhere. */
static char *file_behind_link(const char *name) {
    struct stat about;
    if (lstat(name, &about) != 0 || !S_ISLNK(about.st_mode)) {
        return NULL;
    }
    int fd = open(name, FILE_OPEN_FLAGS, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return realpath(name, NULL);
}

static struct memory_file *file_create(struct server *server, const char *suffix) {
    const struct config *config = server->config;
    char *behind = file_behind_link(config->memory_file);
    const char *name = behind ? behind : config->memory_file;
    size_t bytes = strlen(name) + strlen(suffix) + 1;
    struct memory_file *file = calloc(1, sizeof(*file));
    char *path = malloc(bytes);
    if (path) {
        snprintf(path, bytes, "%s%s", name, suffix);
    }
    free(behind);
    if (!file || !path) {
        log_line("-e %s: no memory", config->memory_file);
        free(file);
        free(path);
        return NULL;
    }
    *file = (struct memory_file){.path = path,
                                 .fd = -1,
                                 .config = config,
                                 .clock = &clock_system,
                                 .progress = &server->file_facts};
    return file;
}

/* False where the name is another file's by now, or none's. */
static bool file_has_name(const struct memory_file *file) {
    struct stat opened, named;
    return fstat(file->fd, &opened) == 0 && stat(file->path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static bool file_lock(struct memory_file *file) {
    struct stat about;
    if (fstat(file->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        log_line("-e %s: this is no regular file", file->path);
        return false;
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    if (errno == EWOULDBLOCK) {
        log_line("-e %s: another server uses it", file->path);
        return false;
    }
    return memory_file_fail(file, "lock it", errno);
}

/* Opens and locks it; it may be renamed at that moment by a server that had it before. */
static bool file_open(struct memory_file *file) {
    for (;;) {
        file->fd = open(file->path, FILE_OPEN_FLAGS, 0600);
        if (file->fd < 0) {
            return memory_file_fail(file, "open it", errno);
        }
        if (!file_lock(file)) {
            return false;
        }
        if (file_has_name(file)) {
            break;
        }
        close(file->fd);
    }
    if (fchmod(file->fd, 0600) != 0) {
        log_line("-e %s: its permissions stay as they are: %s", file->path, strerror(errno));
    }
    return true;
}

static bool file_rename_aside(struct memory_file *file, const char *reason) {
    size_t bytes = strlen(file->path) + sizeof(FILE_ASIDE);
    char *aside = malloc(bytes);
    if (!aside) {
        return memory_file_fail(file, "rename it", ENOMEM);
    }
    snprintf(aside, bytes, "%s" FILE_ASIDE, file->path);
    bool renamed = rename(file->path, aside) == 0;
    if (renamed) {
        log_line("-e %s: %s: it is kept as %s, and the server starts without", file->path, reason,
                 aside);
    } else {
        log_line("-e %s: %s, and it can't be renamed to %s: %s", file->path, reason, aside,
                 strerror(errno));
    }
    free(aside);
    return renamed;
}

/* Goes on with another file of its name: an empty one. What can't be renamed, as a mount point
 * can't, is emptied; but not what is none of ours. */
static bool file_put_aside(struct memory_file *file, const char *reason) {
    struct memory_file_header header;
    if (!file_rename_aside(file, reason)) {
        if (memory_file_header_read(file->fd, &header) == MEMORY_FILE_FOREIGN) {
            return false;
        }
        log_line("-e %s: it is emptied, and the server starts without", file->path);
        return ftruncate(file->fd, 0) == 0 || memory_file_fail(file, "empty it", errno);
    }
    close(file->fd);
    file->fd = -1;
    return file_open(file);
}

/* What is in it. */

static struct memory_file_layout file_wanted_layout(const struct server *server) {
    const struct config *config = server->config;
    uint64_t most = FILE_GROWTH * config->memory_bytes;
    return (struct memory_file_layout){
        .memory_bytes = config->memory_bytes,
        .memory_bytes_max = server->memory_bytes_max < most ? server->memory_bytes_max : most,
        .item_bytes_max = config->item_bytes_max,
        .seed = server->seed,
        .cores = config->cores,
        .no_eviction = config->no_eviction,
    };
}

/* A new file with nothing in it, in place of what this one holds. `before`: whose seed and time it
 * goes on with, or NULL. */
static bool file_begin(struct memory_file *file, const struct server *server,
                       const struct memory_file_header *before) {
    struct memory_file_layout *layout = &file->header.layout;
    memset(&file->header, 0, sizeof(file->header));
    *layout = file_wanted_layout(server);
    if (before) {
        layout->seed = before->layout.seed;
        file->header.time = before->time;
    } else {
        memory_file_time_begin(&file->header.time, file->clock);
    }
    struct store_config store_config = memory_file_store_config(file, layout);
    layout->image_bytes = store_image_bytes(&store_config);
    if (ftruncate(file->fd, 0) != 0 || ftruncate(file->fd, (off_t)memory_file_bytes(layout)) != 0) {
        return memory_file_fail(file, "make it as long as it has to be", errno);
    }
    int error = memory_file_header_write(file->fd, &file->header);
    return error == 0 || memory_file_fail(file, "write to it", -error);
}

/* Whether the images can be used as they are with this command line. */
static bool file_has_wanted_settings(const struct memory_file *file) {
    const struct memory_file_layout *layout = &file->header.layout;
    const struct config *config = file->config;
    return layout->cores == config->cores && layout->item_bytes_max == config->item_bytes_max &&
           layout->no_eviction == config->no_eviction &&
           config->memory_bytes <= layout->memory_bytes_max &&
           config->memory_bytes >= layout->memory_bytes / FILE_GROWTH;
}

/* Goes on with the file's time; false when there is nothing in it to be used. */
static bool file_go_on(struct memory_file *file, bool whole) {
    struct memory_file_time *time = &file->header.time;
    time->end_boot_ns = whole ? time->end_boot_ns : 0;
    file->ended = time->end_boot_ns != 0;
    if (memory_file_time_go_on(time, file->clock)) {
        return true;
    }
    log_line("-e %s: the machine went down while it was in use: what was in it is lost",
             file->path);
    return false;
}

/* Why the file can't be used, or NULL. *fresh: there is nothing in it to be used. */
static const char *file_check(struct memory_file *file, bool *fresh) {
    bool whole;
    *fresh = false;
    switch (memory_file_header_read(file->fd, &file->header)) {
    case MEMORY_FILE_GOOD:
        break;
    case MEMORY_FILE_EMPTY:
        *fresh = true;
        return NULL;
    case MEMORY_FILE_FOREIGN:
        return "this is no memory file of simplecache";
    case MEMORY_FILE_OTHER:
        return "it is of another version";
    case MEMORY_FILE_DAMAGED:
        return "its header is damaged";
    }
    const char *reason = memory_file_check_images(file, &whole);
    if (!reason) {
        *fresh = !file_go_on(file, whole);
    }
    return reason;
}

/* A server was ended between the two renames that begin a move, or the new file of a move can't be
 * used: there is the old file alone. */
static bool file_undo_rename(struct memory_file *file, struct server *server) {
    struct memory_file *moving = file_create(server, FILE_MOVING);
    struct stat about;
    bool undone = moving;
    bool empty = fstat(file->fd, &about) == 0 && about.st_size == 0;
    if (moving && empty && rename(moving->path, file->path) == 0) {
        close(file->fd);
        file->fd = -1;
        undone = file_open(file);
    }
    memory_file_free(moving);
    return undone;
}

/* Notes in the header that a server uses the file; of a fresh one all of it. A disk that says that
 * the last server has ended must not keep anything that comes from this one. */
static bool file_mark(struct memory_file *file, const struct server *server, bool fresh) {
    if (fresh) {
        return file_begin(file, server, NULL);
    }
    int error = memory_file_header_write(file->fd, &file->header);
    if (error == 0 && file->ended && fdatasync(file->fd) != 0) {
        error = -errno;
    }
    return error == 0 || memory_file_fail(file, "write to it", -error);
}

/* Reads what there is, or makes a new file, and opens the stores in it. *fresh: it was empty. */
static bool file_load(struct memory_file *file, struct server *server, bool *fresh) {
    char damage[MEMORY_FILE_REASON_BYTES];
    bool broken = false;
    for (;;) {
        const char *reason = broken ? damage : file_check(file, fresh);
        if (reason) {
            broken = false;
            if (!file_put_aside(file, reason) || !file_undo_rename(file, server)) {
                return false;
            }
            continue;
        }
        if (!file_mark(file, server, *fresh)) {
            return false;
        }
        switch (memory_file_open_stores(file, damage)) {
        case MEMORY_FILE_OPENED:
            return true;
        case MEMORY_FILE_FAILED:
            return false;
        case MEMORY_FILE_BROKEN:
            broken = true;
        }
    }
}

/* Other settings. While items move there are two files: FILE for the new settings, and FILE.moving
 * with what is still to be moved. */

/* Ends the use of a file: notes that it is whole, if its stores were closed, and waits until a disk
 * has it all. */
static void file_end(struct memory_file *file) {
    bool whole;
    memory_file_close_stores(file);
    if (file->fd >= 0 && !memory_file_check_images(file, &whole) && whole) {
        memory_file_time_end(&file->header.time, file->clock);
        /* First what it is about: on a disk each takes its time. */
        if (fdatasync(file->fd) != 0 || memory_file_header_write(file->fd, &file->header) != 0 ||
            fdatasync(file->fd) != 0) {
            log_line("-e %s: its end can't be written: %s", file->path, strerror(errno));
        }
    }
    memory_file_free(file);
}

/* A server was ended while it moved items: goes on with the rest of them. */
static bool file_go_on_moving(struct memory_file *file, struct server *server) {
    struct memory_file *from = file_create(server, FILE_MOVING);
    bool fresh;
    if (!from) {
        return false;
    }
    if (access(from->path, F_OK) != 0) {
        memory_file_free(from);
        return true;
    }
    bool loaded = file_open(from) && file_load(from, server, &fresh);
    if (loaded && from->header.layout.seed == file->header.layout.seed) {
        if (memory_file_move_begin(from, file)) {
            return true;
        }
        file_end(from);
        return false;
    }
    memory_file_drop_stores(from);
    /* What the machine has lost, or a file that has nothing to do with the other. */
    bool removed = loaded && (fresh ? unlink(from->path) == 0
                                    : file_rename_aside(from, "it does not belong to FILE"));
    memory_file_free(from);
    return removed;
}

/* The new file of a move. Where there is no room for it beside the old one, that goes. */
static bool file_begin_new(struct memory_file *to, struct memory_file *from,
                           const struct server *server) {
    char damage[MEMORY_FILE_REASON_BYTES];
    if (!file_open(to)) {
        return false;
    }
    if (file_begin(to, server, &from->header) &&
        memory_file_open_stores(to, damage) == MEMORY_FILE_OPENED) {
        return true;
    }
    log_line("-e %s: there is no room to move items to other settings: the server starts empty",
             to->path);
    memory_file_drop_stores(from);
    return ftruncate(from->fd, 0) == 0 && file_begin(to, server, &from->header) &&
           memory_file_open_stores(to, damage) == MEMORY_FILE_OPENED;
}

/* FILE can't be renamed, as a mount point can't, so there is no name for a second one: the server
 * starts empty. Returns the file, or NULL. */
static struct memory_file *file_start_over(struct memory_file *file, const struct server *server) {
    const struct memory_file_header before = file->header;
    char damage[MEMORY_FILE_REASON_BYTES];
    log_line("-e %s: so no item can be moved to other settings: the server starts empty",
             file->path);
    memory_file_drop_stores(file);
    if (file_begin(file, server, &before) &&
        memory_file_open_stores(file, damage) == MEMORY_FILE_OPENED) {
        return file;
    }
    memory_file_free(file);
    return NULL;
}

/* Begins to move everything to a new file, for the settings that are wanted now, and returns that,
 * or NULL. The old one belongs to it, or is gone. */
static struct memory_file *file_change_settings(struct memory_file *from, struct server *server) {
    struct memory_file *to = file_create(server, "");
    struct memory_file *moving = file_create(server, FILE_MOVING);
    bool begun = to && moving && rename(from->path, moving->path) == 0;
    if (to && moving && !begun) {
        memory_file_fail(from, "rename it to FILE" FILE_MOVING, errno);
        memory_file_free(moving);
        memory_file_free(to);
        return file_start_over(from, server);
    }
    if (begun) {
        char *path = from->path;
        from->path = moving->path;
        moving->path = path;
        begun = file_begin_new(to, from, server);
    }
    memory_file_free(moving);
    if (begun && memory_file_move_begin(from, to)) {
        return to;
    }
    file_end(from);
    if (to) {
        file_end(to);
    }
    return NULL;
}

/* Ends a file, and one from which items were moving there. */
static void file_end_both(struct memory_file *file) {
    struct memory_file *from = file->from;
    store_transfer_end(file->transfer);
    file_end(file);
    if (from) {
        file_end(from);
    }
}

/* The file may hold a part of what was to be moved to its settings, and these may be others by now:
 * then the first move is finished before the next one begins. */
static struct memory_file *file_follow_settings(struct memory_file *file, struct server *server) {
    if (!file_go_on_moving(file, server)) {
        file_end(file);
        return NULL;
    }
    if (file_has_wanted_settings(file)) {
        return file;
    }
    if (!memory_file_move_all(file)) {
        log_line("-e %s: told to end; the next start goes on with the rest", file->path);
        file_end_both(file);
        return NULL;
    }
    return file_change_settings(file, server);
}

bool memory_file_open(struct server *server) {
    if (!server->config->memory_file) {
        return true;
    }
    struct memory_file *file = file_create(server, "");
    bool fresh;
    if (!file || !file_open(file) || !file_undo_rename(file, server) ||
        !file_load(file, server, &fresh)) {
        memory_file_free(file);
        return false;
    }
    file = file_follow_settings(file, server);
    if (!file) {
        return false;
    }
    server->memory_file = file;
    server->seed = file->header.layout.seed;
    server->memory_bytes_max = file->header.layout.memory_bytes_max;
    server->facts.start_boot_ns = file->header.time.begin_boot_ns;
    server->facts.file = &server->file_facts;
    return true;
}

struct store *memory_file_take_store(struct memory_file *file, uint32_t shard) {
    if (!file) {
        return NULL;
    }
    struct store *store = file->parts[shard].store;
    file->parts[shard].store = NULL;
    return store;
}

/* Between two looks at a move. */
#define FILE_LOOK_US 20000

void memory_file_tend(struct memory_file *file, const _Atomic bool *stopping) {
    while (file && file->transfer && !atomic_load(stopping)) {
        usleep(FILE_LOOK_US);
        memory_file_move_look(file);
    }
}

void memory_file_close(struct memory_file *file) {
    if (file && file->transfer && store_transfer_is_done(file->transfer)) {
        memory_file_move_look(file);
    }
    if (file) {
        file_end_both(file);
    }
}
