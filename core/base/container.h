/* container: from a member of a struct to the struct. */
#ifndef CORE_BASE_CONTAINER_H
#define CORE_BASE_CONTAINER_H

#include <stddef.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
