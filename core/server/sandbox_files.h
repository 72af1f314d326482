/* sandbox_files: what of the file system a thread may open, make and remove (Landlock).
 *
 * Folders are allowed, not files: the kernel goes by what stands at the name at the start, and
 * files are replaced by others. What is open already stays so.
 */
#ifndef CORE_SERVER_SANDBOX_FILES_H
#define CORE_SERVER_SANDBOX_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"

/* Rights of the kernel's first version (LANDLOCK_ACCESS_FS_) but TRUNCATE, which the third has. */
#define SANDBOX_READ ((uint64_t)(1 << 2 | 1 << 3)) /* READ_FILE, READ_DIR */
#define SANDBOX_REMOVE ((uint64_t)1 << 5)          /* REMOVE_FILE */
/* WRITE_FILE, MAKE_REG, TRUNCATE */
#define SANDBOX_WRITE ((uint64_t)(1 << 1 | 1 << 8 | 1 << 14))

/* 0 or -errno, where the kernel has it not, or refuses it: a thread that calls this may open no
 * file any more. */
int sandbox_files_try(void);

/* The rules for the places with these bits; logins: a file that configures SASL, or NULL, whose
 * values are names of files that belong to SANDBOX_LOGINS, where they begin with a /. A descriptor
 * for sandbox_files_enter(), to be closed, or -errno. Names that lead nowhere are left out. Thread:
 * the main one. */
int sandbox_files_create(const struct config *config, const char *logins, uint32_t places);

/* From now on, for the thread that calls and those that it starts. 0 or -errno. */
int sandbox_files_enter(int rules);

#endif
