/* metrics_files: the certificate and the key as HTTP takes them: whole files, NUL-terminated.
 *
 * Thread: any.
 */
#ifndef CORE_SERVER_METRICS_FILES_H
#define CORE_SERVER_METRICS_FILES_H

/* NULL when it can't be read, or is larger than a megabyte. To be ended by metrics_files_free(). */
char *metrics_files_read(const char *path);

/* Wipes and frees one; accepts NULL. */
void metrics_files_free(char *file);

#endif
