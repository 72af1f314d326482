#include "print.h"

#include "image_fixture.h"

static uint64_t print_sum(const struct store *store, const struct store_item *item) {
    uint64_t sum = fixture_mix(item->client_flags + 1) ^ fixture_mix(item->cas + 2) ^
                   fixture_mix(item->expires + 3) ^ fixture_mix(item->value_length + 4);
    sum += item->state & (STORE_STALE | STORE_TOKEN_SENT | STORE_BINARY_KEY);
    for (uint32_t at = 0; at < item->value_length;) {
        const char *bytes = item->value;
        uint32_t part = item->value_length;
        if (item->large != 0) {
            part = store_lease_read(store, item->large, at, &bytes);
        }
        sum = image_sum(sum, bytes, part);
        for (uint32_t i = part / 8 * 8; i < part; i++) {
            sum = (sum ^ (unsigned char)bytes[i]) * 0x100000001b3u;
        }
        at += part;
    }
    return sum | 1;
}

/* What is dead stays, for those who move it. Sums of values depend on how they are split, so all of
 * it is put in one piece first where it is large. */
struct print print_of(struct run *run, struct store *store, uint32_t number) {
    struct store_key key = run_key(run, number);
    struct store_item item;
    uint32_t length;
    if (store_look(store, &key, run->now, &length) != STORE_PRESENT ||
        store_peek(store, &key, run->now, &item) != STORE_OK) {
        return (struct print){0};
    }
    char *whole = NULL;
    if (item.large != 0) {
        whole = malloc(item.value_length);
        for (uint32_t at = 0; at < item.value_length;) {
            const char *bytes;
            uint32_t part = store_lease_read(store, item.large, at, &bytes);
            memcpy(whole + at, bytes, part);
            at += part;
        }
        item.value = whole;
        item.large = 0;
    }
    struct print print = {print_sum(store, &item), item.value_length == 0};
    free(whole);
    return print;
}

void print_all(struct run *run, struct store *store, struct print *prints) {
    char key_bytes[sizeof(run->key_bytes)];
    memcpy(key_bytes, run->key_bytes, sizeof(key_bytes));
    for (uint32_t i = 0; i < run->model->keys; i++) {
        prints[i] = print_of(run, store, i);
    }
    memcpy(run->key_bytes, key_bytes, sizeof(key_bytes));
}

/* Copies the image as a process that ends now would leave it, holes as holes. */
void print_copy_image(const struct store_image *from, const struct store_image *to) {
    static char part[1 << 16];
    cr_assert(eq(int, ftruncate(to->fd, 0), 0));
    cr_assert(eq(int, ftruncate(to->fd, (off_t)to->bytes), 0));
    off_t at = lseek(from->fd, 0, SEEK_DATA);
    while (at >= 0) {
        off_t end = lseek(from->fd, at, SEEK_HOLE);
        while (at < end) {
            size_t wanted = (size_t)(end - at) < sizeof(part) ? (size_t)(end - at) : sizeof(part);
            ssize_t length = pread(from->fd, part, wanted, at);
            cr_assert(length > 0);
            cr_assert(eq(long, pwrite(to->fd, part, (size_t)length, at), length));
            at += length;
        }
        at = lseek(from->fd, at, SEEK_DATA);
    }
}
