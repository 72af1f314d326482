/* memory_file_move: the items of a file that was made with other settings move to the one for those
 * of today, while the server answers (store/transfer.h). Known to memory_file alone. Thread: the
 * main one.
 *
 * Until all have moved there are two files: FILE, and FILE.moving with what is still to be moved. A
 * server that is killed leaves both, and the next one goes on.
 */
#ifndef CORE_SERVER_MEMORY_FILE_MOVE_H
#define CORE_SERVER_MEMORY_FILE_MOVE_H

#include <stdbool.h>

struct memory_file;

/* Begins: from now on the stores of `to` have the items of `from`, which belongs to it from then
 * on. Both have the same seed and time; `from` has no stores any more where there was no room for
 * two. False: there is no memory for it, a line has said so. */
bool memory_file_move_begin(struct memory_file *from, struct memory_file *to);

/* Moves all at once, before the stores are taken. False when SIGTERM or SIGINT waits to be taken,
 * which the caller has blocked: the rest is still in the old file. */
bool memory_file_move_all(struct memory_file *file);

/* Now and then while reactors move items: tells the log and systemd once a second how far they are;
 * when all have moved ends the old file, which is gone then. */
void memory_file_move_look(struct memory_file *file);

#endif
