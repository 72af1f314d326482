/* GDSF: an item's worth is the worth of the last one dropped, when it was read, and its reads per
 * byte; the least worth is dropped first. A heap of the items that are held has that one on top. */
#include "bench/policy.h"

#include <stdio.h>
#include <stdlib.h>

struct gdsf {
    const struct policy_load *load;
    double *worth;    /* by number of item */
    uint32_t *reads;  /* likewise, since it came */
    uint32_t *places; /* likewise: where in the heap; 0: not held */
    uint32_t *heap; /* numbers, from 1; two at 2n and 2n + 1 are worth no less than the one at n */
    uint32_t held;
    double held_bytes;
    double inflation; /* the worth of the last one dropped */
};

static void *zeros(size_t count, size_t bytes) {
    void *array = calloc(count, bytes);
    if (array) {
        return array;
    }
    fprintf(stderr, "no memory for the simulation\n");
    exit(EXIT_FAILURE);
}

static void put(struct gdsf *gdsf, uint32_t place, uint32_t number) {
    gdsf->heap[place] = number;
    gdsf->places[number] = place;
}

static void rise(struct gdsf *gdsf, uint32_t place) {
    uint32_t number = gdsf->heap[place];
    while (place > 1 && gdsf->worth[number] < gdsf->worth[gdsf->heap[place / 2]]) {
        put(gdsf, place, gdsf->heap[place / 2]);
        place /= 2;
    }
    put(gdsf, place, number);
}

static void sink(struct gdsf *gdsf, uint32_t place) {
    uint32_t number = gdsf->heap[place];
    for (uint32_t next = 2 * place; next <= gdsf->held; next = 2 * place) {
        if (next < gdsf->held &&
            gdsf->worth[gdsf->heap[next + 1]] < gdsf->worth[gdsf->heap[next]]) {
            next++;
        }
        if (gdsf->worth[gdsf->heap[next]] >= gdsf->worth[number]) {
            break;
        }
        put(gdsf, place, gdsf->heap[next]);
        place = next;
    }
    put(gdsf, place, number);
}

static void drop(struct gdsf *gdsf) {
    uint32_t number = gdsf->heap[1];
    gdsf->inflation = gdsf->worth[number];
    gdsf->places[number] = 0;
    gdsf->held_bytes -= gdsf->load->item_bytes[number];
    uint32_t last = gdsf->heap[gdsf->held--];
    if (gdsf->held > 0) {
        put(gdsf, 1, last);
        sink(gdsf, 1);
    }
}

static void read_again(struct gdsf *gdsf, uint32_t number) {
    gdsf->reads[number]++;
    gdsf->worth[number] = gdsf->inflation + gdsf->reads[number] / gdsf->load->item_bytes[number];
}

static void add(struct gdsf *gdsf, uint32_t number) {
    gdsf->reads[number] = 0;
    read_again(gdsf, number);
    put(gdsf, ++gdsf->held, number);
    rise(gdsf, gdsf->held);
    gdsf->held_bytes += gdsf->load->item_bytes[number];
    while (gdsf->held_bytes > gdsf->load->capacity_bytes) {
        drop(gdsf);
    }
}

struct policy_hits policy_gdsf(const struct policy_load *load) {
    size_t count = load->items_count;
    struct policy_hits hits = {0};
    struct gdsf gdsf = {.load = load,
                        .worth = zeros(count, sizeof(*gdsf.worth)),
                        .reads = zeros(count, sizeof(*gdsf.reads)),
                        .places = zeros(count, sizeof(*gdsf.places)),
                        .heap = zeros(count + 2, sizeof(*gdsf.heap))};
    for (size_t i = 0; i < load->requests_count; i++) {
        uint32_t number = load->requests[i];
        if (gdsf.places[number] > 0) {
            hits.requests++;
            hits.value_bytes += load->value_bytes[number];
            read_again(&gdsf, number);
            sink(&gdsf, gdsf.places[number]);
        } else if (load->item_bytes[number] <= load->item_bytes_max) {
            add(&gdsf, number);
        }
    }
    free(gdsf.worth);
    free(gdsf.reads);
    free(gdsf.places);
    free(gdsf.heap);
    return hits;
}
