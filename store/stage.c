#include "store/stage.h"

#include <assert.h>
#include <stdlib.h>

enum store_status stage_begin(struct store *store, uint32_t value_length) {
    struct store_stage *stage = &store->stage;
    if (stage->bytes) {
        return STORE_BUSY;
    }
    *stage = (struct store_stage){.bytes = malloc(value_length), .value_length = value_length};
    if (!stage->bytes) {
        return STORE_NO_MEMORY;
    }
    store->uploads++;
    return STORE_OK;
}

void stage_end(struct store *store) {
    assert(store->stage.bytes);
    free(store->stage.bytes);
    store->stage = (struct store_stage){0};
    store->uploads--;
}

void stage_add(struct store *store, const char *bytes, uint32_t length) {
    struct store_stage *stage = &store->stage;
    assert(length <= stage->value_length - stage->received);
    memcpy(stage->bytes + stage->received, bytes, length);
    stage->received += length;
}

uint32_t stage_window(struct store *store, char **where) {
    struct store_stage *stage = &store->stage;
    uint32_t length = stage->value_length - stage->received;
    assert(length > 0);
    *where = stage->bytes + stage->received;
    stage->received = stage->value_length;
    return length;
}
