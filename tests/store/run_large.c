/* Random uploads and leases, between the other operations. */
#include "store/limits.h"

#include "run.h"

#define PART_MAX 16384u

/* A length near one at which the layout changes, or any; sometimes too large. */
static uint32_t upload_length(struct run *run, uint32_t max) {
    uint32_t extent = store_extent_length_max(run->store);
    uint32_t bounds[] = {store_inline_max(run->store, 250),
                         extent,
                         2 * extent,
                         (uint32_t)run->store->log.segment_bytes,
                         3 * (uint32_t)run->store->log.segment_bytes,
                         max};
    uint32_t bound = bounds[run_below(run, run_one_in(run, 20) ? 6 : 5)];
    if (run_one_in(run, 3)) {
        return bound - 2 + run_below(run, 4);
    }
    return 1 + run_below(run, run_one_in(run, 10) ? bound : 2 * extent);
}

/* Where nothing may be evicted, the item that is to be replaced may be gone already. */
static void upload_takes_over(struct run *run, uint32_t number, enum store_upload_end end) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = run_key(run, number);
    struct store_item shown;
    bool may = end == STORE_UPLOAD_SETS && run->store->config.no_eviction && item->large;
    if (may && item->present && store_peek(run->store, &key, run->now, &shown) != STORE_OK) {
        model_forget(item);
        run->taken_over++;
    }
}

static void upload_begins(struct run *run, struct run_upload *upload) {
    uint32_t number = run_below(run, run->evicts ? run->model->keys : 20);
    struct store_key key = run_key(run, number);
    struct model_item *item = &run->model->items[number];
    uint32_t max = store_value_length_max(run->store, key.length);
    uint32_t length = upload_length(run, max);
    uint64_t handle = 0;
    enum store_upload_end end = (enum store_upload_end)run_below(run, 3);
    bool may = end == STORE_UPLOAD_JOINS || !run_gives_back(run, item, length);
    enum store_status status = store_upload_begin(run->store, &key, length, end, run->now, &handle);
    CHECK(run, (status == STORE_TOO_LARGE) == (length > max));
    CHECK(run, (status == STORE_OK) == (handle != 0));
    CHECK(run, status != STORE_BUSY || run->store->uploads > 0 || run->store->leases > 0);
    upload_takes_over(run, number, end);
    if (run_is_refused(run, status, may) || status != STORE_OK) {
        return;
    }
    *upload = (struct run_upload){.handle = handle,
                                  .number = number,
                                  .value = malloc(length),
                                  .length = length,
                                  .end = end,
                                  .in_place = run_one_in(run, 2)};
    run_fill(run, upload->value, length);
}

static void upload_is_gone(struct run_upload *upload) {
    free(upload->value);
    *upload = (struct run_upload){0};
}

/* Gets a window, or writes part of the value into the last one. */
static enum store_status write_in_place(struct run *run, struct run_upload *upload, uint32_t part) {
    if (upload->window == 0) {
        upload->window = store_upload_window(run->store, upload->handle, run->now, &upload->where);
        CHECK(run, upload->window <= upload->length - upload->sent);
        return upload->window == 0 ? STORE_NO_MEMORY : STORE_OK;
    }
    if (part > upload->window) {
        part = upload->window;
    }
    memcpy(upload->where, upload->value + upload->sent, part);
    upload->where += part;
    upload->window -= part;
    upload->sent += part;
    return STORE_OK;
}

static enum store_status hand_over(struct run *run, struct run_upload *upload, uint32_t part) {
    const char *bytes = upload->value + upload->sent;
    upload->sent += part;
    return store_upload_add(run->store, upload->handle, bytes, part, run->now);
}

static void upload_goes_on(struct run *run, struct run_upload *upload) {
    uint32_t part = 1 + run_below(run, run_one_in(run, 4) ? 100 : PART_MAX);
    if (part > upload->length - upload->sent) {
        part = upload->length - upload->sent;
    }
    enum store_status status =
        upload->in_place ? write_in_place(run, upload, part) : hand_over(run, upload, part);
    if (run_is_refused(run, status, true)) {
        store_upload_cancel(run->store, upload->handle);
        upload_is_gone(upload);
        return;
    }
    CHECK(run, status == STORE_OK);
}

static void upload_ends(struct run *run, struct run_upload *upload) {
    struct model_item *item = &run->model->items[upload->number];
    struct store_key key = run_key(run, upload->number);
    struct store_write write = run_write(run, item);
    write.value_length = upload->length;
    bool joins = write.mode == STORE_APPEND || write.mode == STORE_PREPEND;
    if (upload->end == STORE_UPLOAD_SETS || (upload->end == STORE_UPLOAD_STORES && joins)) {
        write.mode = STORE_SET;
    }
    write.compare_cas &= upload->end != STORE_UPLOAD_SETS;
    uint64_t cas = 0;
    enum store_status status =
        store_upload_end(run->store, upload->handle, &key, &write, run->now, &cas);
    write.value = upload->value;
    run_check_write(run, item, &write, true, status, cas);
    upload_is_gone(upload);
    run->uploads_ended++;
}

void run_upload(struct run *run) {
    struct run_upload *upload = &run->uploads[run_below(run, RUN_UPLOADS)];
    model_begin(run->model, run->now);
    if (upload->handle == 0) {
        upload_begins(run, upload);
    } else if (run_one_in(run, 30)) {
        store_upload_cancel(run->store, upload->handle);
        upload_is_gone(upload);
    } else if (upload->sent < upload->length) {
        upload_goes_on(run, upload);
    } else {
        upload_ends(run, upload);
    }
}

void run_lease(struct run *run, const struct model_item *item, const struct store_item *shown) {
    struct run_lease *lease = &run->leases[run_below(run, RUN_LEASES)];
    if (shown->large == 0 || lease->large != 0 || !run_one_in(run, 2)) {
        return;
    }
    if (!store_lease(run->store, shown->large)) {
        CHECK(run, run->store->leases > 0);
        return;
    }
    *lease = (struct run_lease){shown->large, (uint32_t)(item - run->model->items),
                                malloc(item->value_length), item->value_length};
    memcpy(lease->value, item->value, lease->length);
}

static void lease_ends(struct run *run, struct run_lease *lease) {
    struct store_item leased = {.large = lease->large, .value_length = lease->length};
    CHECK(run, fixture_is(run->store, &leased, lease->value, lease->length));
    store_lease_end(run->store, lease->large);
    free(lease->value);
    *lease = (struct run_lease){0};
    run->leases_ended++;
}

void run_lease_end(struct run *run) {
    struct run_lease *lease = &run->leases[run_below(run, RUN_LEASES)];
    if (lease->large != 0) {
        lease_ends(run, lease);
    }
}

void run_large_ends(struct run *run) {
    for (uint32_t i = 0; i < RUN_LEASES; i++) {
        if (run->leases[i].large != 0) {
            lease_ends(run, &run->leases[i]);
        }
    }
    for (uint32_t i = 0; i < RUN_UPLOADS; i++) {
        if (run->uploads[i].handle != 0) {
            store_upload_cancel(run->store, run->uploads[i].handle);
            upload_is_gone(&run->uploads[i]);
        }
    }
    store_check(run->store);
    struct store_stats stats = fixture_stats(run->store);
    CHECK(run, stats.uploads == 0 && stats.leases == 0 && stats.pinned_bytes == 0);
}
