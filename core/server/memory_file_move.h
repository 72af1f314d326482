/* memory_file_move: moves the items of one memory file to another, which was made for other
 * settings. Known to memory_file alone. Thread: the main one, before the reactors run. */
#ifndef CORE_SERVER_MEMORY_FILE_MOVE_H
#define CORE_SERVER_MEMORY_FILE_MOVE_H

#include <stdbool.h>

struct memory_file;

/* Moves all items, the least wanted first, so that what does not fit into the new stores is what is
 * asked for least; tells the log and systemd each second how far it is. A key that the new stores
 * have already is left as it is there. Both files have the same seed and time; the old one may have
 * no stores any more. It may be killed,
 * and called again. False when SIGTERM or SIGINT waits to be taken, which the caller has blocked:
 * the rest is still in the old file. */
bool memory_file_move(struct memory_file *from, struct memory_file *to);

#endif
