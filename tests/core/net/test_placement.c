/* Which reactor a new connection goes to. */
#include "core/net/placement.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/net.h"

#define REACTORS 3
#define CAPACITY 4

struct site {
    struct net net;
    struct mesh *mesh;
    struct net_peer peers[REACTORS];
    struct placement placement;
};

static struct site *site_create(void) {
    struct site *site = aligned_alloc(CACHE_LINE_BYTES, sizeof(*site));
    cr_assert(not(zero(ptr, site)));
    memset(site, 0, sizeof(*site));
    cr_assert(zero(int, mesh_create(&site->mesh, REACTORS, CAPACITY)));
    cr_assert(zero(int, message_pool_init(&site->net.shard.messages, SHARD_MESSAGES_MAX)));
    site->net.peers = site->peers;
    site->net.shard.count = REACTORS;
    site->net.shard.port = mesh_port(site->mesh, 0);
    return site;
}

static void site_destroy(struct site *site) {
    message_pool_finish(&site->net.shard.messages);
    mesh_destroy(site->mesh);
    free(site);
}

static void expect(struct site *site, uint32_t reactor) {
    cr_assert(eq(u32, placement_take(&site->placement, &site->net), reactor));
}

Test(placement, spreads_evenly) {
    struct site *site = site_create();
    for (uint32_t i = 0; i < 4 * REACTORS; i++) {
        cr_assert(eq(u64, placement_open(&site->placement, &site->net), i));
        expect(site, i % REACTORS);
    }
    site_destroy(site);
}

Test(placement, fills_what_has_ended) {
    struct site *site = site_create();
    for (uint32_t i = 0; i < 2 * REACTORS; i++) {
        expect(site, i % REACTORS);
    }
    atomic_fetch_add(&site->peers[1].connections_ended, 2);
    cr_assert(eq(u64, placement_open(&site->placement, &site->net), 2 * REACTORS - 2));
    expect(site, 1);
    expect(site, 1);
    expect(site, 0);
    site_destroy(site);
}

/* One that has moved counts where it is now, and once among all. */
Test(placement, follows_those_that_move) {
    struct site *site = site_create();
    for (uint32_t i = 0; i < 2 * REACTORS; i++) {
        expect(site, i % REACTORS);
    }
    atomic_fetch_add(&site->peers[1].connections_left, 2);
    atomic_fetch_add(&site->peers[2].connections_came, 2);
    cr_assert(eq(u64, placement_open(&site->placement, &site->net), 2 * REACTORS));
    expect(site, 1);
    expect(site, 1);
    atomic_fetch_add(&site->peers[2].connections_ended, 3);
    cr_assert(eq(u64, placement_open(&site->placement, &site->net), 2 * REACTORS + 2 - 3));
    expect(site, 2);
    expect(site, 0);
    site_destroy(site);
}

/* It has ended where it came to, and its coming isn't counted yet. */
Test(placement, bears_numbers_that_are_a_moment_old) {
    struct site *site = site_create();
    atomic_fetch_add(&site->peers[2].connections_ended, 1);
    expect(site, 2);
    expect(site, 0);
    site_destroy(site);
}

/* Where no message can be sent none is handed over. */
Test(placement, passes_over_a_reactor_without_credit) {
    struct site *site = site_create();
    for (int i = 0; i < CAPACITY; i++) {
        mesh_send_request(site->net.shard.port, 1, message_take(&site->net.shard.messages));
    }
    expect(site, 0);
    expect(site, 2);
    expect(site, 0);
    expect(site, 2);
    site_destroy(site);
}

Test(placement, keeps_what_it_has_no_message_for) {
    struct site *site = site_create();
    site->net.shard.messages.out = SHARD_MESSAGES_MAX;
    expect(site, 0);
    expect(site, 0);
    site_destroy(site);
}
