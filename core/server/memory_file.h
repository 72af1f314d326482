/* memory_file: the file of -e, in which the stores of all shards lie, so that the next server finds
 * what is in them.
 *
 *   offset 0        4096      2 MiB, a multiple of it
 *   | header, slot 0 | slot 1 |  image of shard 0 | of shard 1 | ...
 *
 * store/image.h has the images. The header, of which the newer slot counts, says what the images
 * have in common and which time it was. One server uses a file at a time: it is locked by flock(2).
 * Items of a file that was made with other settings move while the server answers
 * (memory_file_move.h). What can't be used is renamed to FILE.aside, and the server starts empty.
 *
 * Thread: the main one, before the reactors run and after they have ended.
 */
#ifndef CORE_SERVER_MEMORY_FILE_H
#define CORE_SERVER_MEMORY_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct memory_file;
struct server;
struct store;

/* Opens the file of -e, or makes it, and all of its stores, each on a thread of its own. Sets the
 * server's seed, the begin of its ticks, memory_bytes_max and memory_file. Does nothing without -e.
 * False: it can't be used and no other one be made there; a line has said why. */
bool memory_file_open(struct server *server);

/* The store of a shard, which is the caller's from then on; NULL without -e. */
struct store *memory_file_take_store(struct memory_file *file, uint32_t shard);

/* While items move from a file for other settings: tells how far they are, and removes that file
 * when they have. Returns then, or when the server stops; at once where nothing moves. */
void memory_file_tend(struct memory_file *file, const _Atomic bool *stopping);

/* Writes when the server has ended, once the stores are closed, waits until a disk has it all, and
 * frees everything. The file may be NULL. */
void memory_file_close(struct memory_file *file);

#endif
