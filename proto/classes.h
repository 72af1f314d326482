/* classes: memcached's slab classes in commands. Here all items are of class 1. */
#ifndef PROTO_CLASSES_H
#define PROTO_CLASSES_H

#include "proto/request.h"

/* The class of every item, as text and as a number. */
#define CLASS_OF_ITEMS_TEXT "1"
#define CLASS_OF_ITEMS 1

/* memcached's greatest class. */
#define CLASS_MAX 63

/* Which items a crawler command means by request->key: all, hash, or a list like 1,2,3. */
enum classes {
    CLASSES_ALL,   /* class 1 is among them */
    CLASSES_OTHER, /* classes without items only */
    CLASSES_BAD,   /* malformed */
};
enum classes classes_of(const struct request *request);

#endif
