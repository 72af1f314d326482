#include "core/server/metrics_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)

char *metrics_files_read(const char *path) {
    FILE *stream = fopen(path, "re");
    char *file = stream ? calloc(1, FILE_BYTES_MAX + 1) : NULL;
    if (!stream) {
        return NULL;
    }
    if (file) {
        setvbuf(stream, NULL, _IONBF, 0);
        size_t length = fread(file, 1, FILE_BYTES_MAX + 1, stream);
        if (ferror(stream) || length > FILE_BYTES_MAX) {
            file[FILE_BYTES_MAX] = '\0';
            metrics_files_free(file);
            file = NULL;
        }
    }
    fclose(stream);
    return file;
}

void metrics_files_free(char *file) {
    if (file) {
        explicit_bzero(file, strlen(file));
        free(file);
    }
}
