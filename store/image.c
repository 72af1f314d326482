#include "store/image.h"

#include "store/create.h"
#include "store/file_pages.h"
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/pages.h"
#include "store/place.h"
#include "store/recover.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t image_round_up(uint64_t bytes) {
    return (bytes + STORE_IMAGE_ALIGN - 1) / STORE_IMAGE_ALIGN * STORE_IMAGE_ALIGN;
}

static struct image_layout image_layout_of(const struct store_config *config) {
    struct segment_log log;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    segment_log_lay_out(&log, config->memory_bytes, config->memory_bytes_max, page_bytes);
    uint64_t log_offset =
        image_round_up(page_bytes + segment_headers_bytes(&log, log.segments_max));
    return (struct image_layout){
        .page_bytes = page_bytes,
        .image_bytes = log_offset + image_round_up(segment_reserved_bytes(&log)),
        .log_offset = log_offset,
        .memory_bytes = config->memory_bytes,
        .memory_bytes_max = config->memory_bytes_max,
        .item_bytes_max = config->item_bytes_max,
        .seed = config->seed,
        .hash_probe =
            config->hash ? config->hash(IMAGE_PROBE, sizeof(IMAGE_PROBE) - 1, config->seed) : 0,
        .segment_bytes = (uint32_t)log.segment_bytes,
        .block_segments = log.block_segments,
        .segments_max = log.segments_max,
        .no_eviction = config->no_eviction,
        .shard = config->shard,
        .shards = config->shards,
    };
}

uint64_t store_image_bytes(const struct store_config *config) {
    return store_config_is_valid(config) ? image_layout_of(config).image_bytes : 0;
}

static uint64_t image_layout_sum(const struct image_header *header) {
    return image_sum(IMAGE_VERSION, &header->layout, sizeof(header->layout));
}

/* Of what an image that was closed must not have lost: of the segments' headers, too, which only a
 * mapped one has. */
static uint64_t image_end_sum(const struct image_header *header) {
    const char *segments = (const char *)header + header->layout.page_bytes;
    uint64_t sum = image_sum(header->layout_sum, &header->state, sizeof(header->state));
    if (header->version == IMAGE_VERSION_PREFIXES) {
        sum = image_sum(sum, header->prefixes, sizeof(header->prefixes));
        sum =
            image_sum(sum, (const char *)header + header->layout.log_offset, IMAGE_PREFIXES_BYTES);
    }
    if (header->transfer_void != 0 || header->unused != 0) { /* which older images have not */
        sum = image_sum(sum, &header->transfer_void,
                        sizeof(*header) - offsetof(struct image_header, transfer_void));
    }
    return image_sum(sum, segments, ((uint64_t)header->state.touched + 1) * sizeof(struct segment));
}

/* Of all that lies in segments in use; up to a whole word, which a segment ends with. */
static uint64_t image_log_sum(const struct image_header *header) {
    const struct image_layout *layout = &header->layout;
    const struct segment *segments = (const void *)((const char *)header + layout->page_bytes);
    const char *log = (const char *)header + layout->log_offset;
    uint64_t sum = header->layout_sum;
    for (uint32_t number = layout->block_segments; number <= header->state.touched; number++) {
        const struct segment *segment = &segments[number];
        if (segment_in_use(segment) && segment->used_bytes <= layout->segment_bytes) {
            sum = image_sum(sum, log + (uint64_t)number * layout->segment_bytes,
                            ((uint64_t)segment->used_bytes + 7) / 8 * 8);
        }
    }
    return sum;
}

static struct store_config image_config(const struct image_header *header) {
    const struct image_layout *layout = &header->layout;
    return (struct store_config){
        .seed = layout->seed,
        .memory_bytes = layout->memory_bytes,
        .memory_bytes_max = layout->memory_bytes_max,
        .item_bytes_max = layout->item_bytes_max,
        .no_eviction = layout->no_eviction,
        .shard = layout->shard,
        .shards = layout->shards,
        .no_cas = header->state.no_cas,
    };
}

/* Whether a layout with the right sum is one that this program would make of its configuration. */
static bool image_layout_is_ours(const struct image_header *header) {
    struct store_config config = image_config(header);
    const struct image_layout *theirs = &header->layout;
    struct image_layout ours = image_layout_of(&config);
    return ours.page_bytes == theirs->page_bytes && ours.image_bytes == theirs->image_bytes &&
           ours.log_offset == theirs->log_offset && ours.segment_bytes == theirs->segment_bytes &&
           ours.block_segments == theirs->block_segments &&
           ours.segments_max == theirs->segments_max;
}

static bool image_config_is_valid(const struct image_header *header) {
    struct store_config config = image_config(header);
    const struct image_layout *layout = &header->layout;
    return config.memory_bytes >= STORE_MEMORY_BYTES_MIN &&
           config.memory_bytes <= config.memory_bytes_max &&
           config.memory_bytes_max <= STORE_MEMORY_BYTES_MAX && config.item_bytes_max > 0 &&
           layout->no_eviction <= 1 && config.shards > 0 && config.shards <= UINT16_MAX &&
           config.shard < config.shards;
}

static bool image_state_is_valid(const struct image_header *header) {
    const struct image_state *state = &header->state;
    const struct image_layout *layout = &header->layout;
    return state->touched <= layout->segments_max &&
           (state->touched + 1) % layout->block_segments == 0 && state->no_cas <= 1 &&
           header->transfer_void <= 1 && state->flush_sequence < SEGMENT_SEQUENCE_END &&
           state->bound_bytes >= STORE_MEMORY_BYTES_MIN &&
           state->bound_bytes <= layout->memory_bytes_max;
}

static bool image_prefixes_are_valid(const struct image_header *header) {
    for (uint32_t i = 0; header->version != IMAGE_VERSION && i < IMAGE_PREFIX_SLOTS; i++) {
        const struct image_prefix *prefix = &header->prefixes[i];
        bool is_rule = prefix->length <= ITEM_KEY_LENGTH_MAX &&
                       prefix->sequence < SEGMENT_SEQUENCE_END &&
                       (prefix->sequence != 0 || prefix->at != 0);
        if (prefix->length != 0 && !is_rule) {
            return false;
        }
    }
    return true;
}

static bool image_file_is_long_enough(const struct store_image *image, uint64_t bytes) {
    struct stat stat;
    return image->bytes >= bytes && fstat(image->fd, &stat) == 0 &&
           (uint64_t)stat.st_size >= image->offset + bytes;
}

static enum store_image_kind image_read_header(const struct store_image *image,
                                               struct image_header *header) {
    ssize_t length = pread(image->fd, header, sizeof(*header), (off_t)image->offset);
    if (length != (ssize_t)sizeof(*header)) {
        return STORE_IMAGE_FOREIGN;
    }
    if (header->magic != IMAGE_MAGIC) {
        /* One that was never finished has no magic yet; another one has lost it. */
        bool lost = header->magic != 0 && header->layout_sum == image_layout_sum(header);
        return lost ? STORE_IMAGE_DAMAGED : STORE_IMAGE_FOREIGN;
    }
    if (header->version != IMAGE_VERSION && header->version != IMAGE_VERSION_PREFIXES) {
        return STORE_IMAGE_OTHER;
    }
    if (header->layout_sum != image_layout_sum(header) || !image_config_is_valid(header) ||
        !image_state_is_valid(header) || !image_prefixes_are_valid(header)) {
        return STORE_IMAGE_DAMAGED;
    }
    if (!image_layout_is_ours(header)) {
        return STORE_IMAGE_OTHER;
    }
    return image_file_is_long_enough(image, header->layout.image_bytes) ? STORE_IMAGE_GOOD
                                                                        : STORE_IMAGE_DAMAGED;
}

enum store_image_kind store_image_read(const struct store_image *image,
                                       struct store_image_info *info) {
    struct image_header header;
    enum store_image_kind kind = image_read_header(image, &header);
    if (kind == STORE_IMAGE_GOOD) {
        *info = (struct store_image_info){.config = image_config(&header),
                                          .clean = header.clean,
                                          .items = header.state.items,
                                          .cas_max = header.state.cas_max * header.layout.shards +
                                                     header.layout.shard,
                                          .flush_at = header.state.flush_at};
    }
    return kind;
}

static bool image_range_is_valid(const struct store_image *image, uint64_t bytes) {
    return image->offset % STORE_IMAGE_ALIGN == 0 && image->bytes % STORE_IMAGE_ALIGN == 0 &&
           image_file_is_long_enough(image, bytes);
}

/* The pages of the texts of rules, so that there always is room for them. */
static int image_reserve_prefixes(const struct store_image *file,
                                  const struct image_layout *layout) {
    return file_pages_reserve(file->fd, file->offset + layout->log_offset, IMAGE_PREFIXES_BYTES);
}

/* Discards what was in the range, and writes a header that has no magic yet. */
static int image_begin(const struct store_image *file, const struct image_layout *layout,
                       struct image_header *header) {
    int error = file_pages_punch(file->fd, file->offset, layout->image_bytes);
    if (error == 0) {
        size_t touched = layout->block_segments * sizeof(struct segment);
        error =
            file_pages_reserve(file->fd, file->offset,
                               layout->page_bytes + pages_round_up(touched, layout->page_bytes));
    }
    if (error == 0) {
        error = image_reserve_prefixes(file, layout);
    }
    if (error == 0) {
        *header = (struct image_header){.version = IMAGE_VERSION, .layout = *layout};
        header->layout_sum = image_layout_sum(header);
    }
    return error;
}

/* From now on the store keeps the header as the image needs it. */
static void image_attach(struct store *store, struct image_header *header) {
    header->state.touched = store->log.touched;
    header->state.bound_bytes = store->wanted_bytes;
    header->state.no_cas = store->config.no_cas;
    store->image = header;
    store_cas_reserve(store);
    store_order();
    header->magic = IMAGE_MAGIC;
}

int store_image_create(struct store **result, const struct store_config *config,
                       const struct store_image *file) {
    assert(result && config && file);
    if (!store_config_is_valid(config)) {
        return -EINVAL;
    }
    struct image_layout layout = image_layout_of(config);
    if (!image_range_is_valid(file, layout.image_bytes)) {
        return -EINVAL;
    }
    struct image_header *header = file_pages_map(file->fd, file->offset, layout.image_bytes);
    if (!header) {
        return -ENOMEM;
    }
    int error = image_begin(file, &layout, header);
    if (error == 0) {
        error = store_build(result, config, file, header);
    }
    if (error != 0) {
        pages_free(header, layout.image_bytes);
        return error;
    }
    image_attach(*result, header);
    return 0;
}

/* The bytes up to the end of the segments' headers that were ever used, in whole pages. */
static uint64_t image_headers_bytes(const struct image_header *header) {
    size_t segments = ((size_t)header->state.touched + 1) * sizeof(struct segment);
    size_t page_bytes = header->layout.page_bytes;
    return page_bytes + pages_round_up(segments, page_bytes);
}

/* Whether the image was made with this configuration, in all that items depend on. */
static bool image_is_of(const struct image_header *header, const struct store_config *config) {
    struct image_layout layout = image_layout_of(config);
    return memcmp(&layout, &header->layout, sizeof(layout)) == 0;
}

/* What the header knows of the whole store. */
static void image_restore(struct store *store, struct image_header *header) {
    const struct image_state *state = &header->state;
    store->cas_counter = state->cas_max;
    store->flush_sequence = state->flush_sequence;
    store->flush_at = state->flush_at;
    store->flushed_at = state->flushed_at;
    store->bound_bytes = store->wanted_bytes = state->bound_bytes;
    prefixes_restore(&store->prefixes, header);
    store_flush_restored(store);
}

/* Fills the store, which is empty yet, from the mapped image. */
static int image_fill(struct store *store, struct image_header *header,
                      struct store_recovery *recovery) {
    if (header->clean > 1 || (header->clean && header->end_sum != image_end_sum(header))) {
        recovery->damage = "the sum of its state is wrong";
        return -EBADMSG;
    }
    if (header->clean && header->log_sum != image_log_sum(header)) {
        recovery->damage = "the sum of its items is wrong";
        return -EBADMSG;
    }
    image_restore(store, header);
    int error = store_recover(store, header, recovery);
    if (error == 0) {
        image_attach(store, header);
        store_flush_recovered(store);
    }
    return error;
}

int store_image_open(struct store **result, const struct store_config *config,
                     const struct store_image *file, struct store_recovery *recovery) {
    assert(result && config && file && recovery);
    struct image_header copy;
    *recovery = (struct store_recovery){0};
    if (!store_config_is_valid(config) || image_read_header(file, &copy) != STORE_IMAGE_GOOD ||
        !image_is_of(&copy, config) || !image_range_is_valid(file, copy.layout.image_bytes)) {
        return -EINVAL;
    }
    struct image_header *header = file_pages_map(file->fd, file->offset, copy.layout.image_bytes);
    if (!header) {
        return -ENOMEM;
    }
    /* A file that was copied may have holes where there were zeros. */
    int error = file_pages_reserve(file->fd, file->offset, image_headers_bytes(&copy));
    if (error == 0) {
        error = image_reserve_prefixes(file, &copy.layout);
    }
    if (error == 0) {
        error = store_build(result, config, file, header);
    }
    if (error == 0) {
        error = image_fill(*result, header, recovery);
        if (error != 0) {
            store_destroy(*result);
            *result = NULL;
        }
    }
    if (error != 0) {
        pages_free(header, copy.layout.image_bytes);
    }
    return error;
}

void store_image_close(struct store *store) {
    struct image_header *header = store->image;
    assert(header);
    header->state.items = store->index.entries;
    header->state.cas_max = store->cas_counter;
    header->end_sum = image_end_sum(header);
    header->log_sum = image_log_sum(header);
    store_order();
    header->clean = 1;
    store_destroy(store);
}

void store_raise_cas(struct store *store, uint64_t cas) {
    uint64_t counter = cas / store->config.shards + 1;
    uint64_t end = ((uint64_t)1 << ITEM_CAS_BITS) / store->config.shards;
    if (counter > store->cas_counter && counter < end) {
        store->cas_counter = counter;
        store_cas_reserve(store);
    }
}
