/* tls_tickets: the same keys wherever the secret, the policy and the time are the same; a key is
 * good for two periods, and ahead of its time for one. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "core/net/tls_tickets.h"

#define FIRST_S ((int64_t)1796000000)

/* A clock that a test moves. */
struct moved_clock {
    struct clock clock;
    int64_t unix_s;
};

static int64_t moved_unix_ns(const struct clock *clock) {
    return ((const struct moved_clock *)clock)->unix_s * 1000000000;
}

static struct moved_clock clock_at(int64_t unix_s) {
    return (struct moved_clock){.clock.unix_ns = moved_unix_ns, .unix_s = unix_s};
}

static const char file[] = "thirty-two bytes and a few more, for a file of keys";
static const uint8_t policy[TLS_POLICY_BYTES] = {1};
static const uint8_t other_policy[TLS_POLICY_BYTES] = {2};

static struct tls_tickets tickets_of(const struct moved_clock *clock, const char *bytes,
                                     const uint8_t its_policy[TLS_POLICY_BYTES]) {
    struct tls_secret secret;
    struct tls_tickets tickets;
    cr_assert(tls_secret_read(&secret, &clock->clock, bytes, strlen(bytes)));
    cr_assert(tls_tickets_init(&tickets, &secret, &clock->clock, its_policy));
    return tickets;
}

/* The number among the keys of one that encrypts with the current key of the other; -1: none. */
static int found(const struct tls_tickets *tickets, const struct tls_tickets *other) {
    for (int i = 0; i < 3; i++) {
        if (memcmp(&tickets->keys[i], &other->keys[1], sizeof(tickets->keys[i])) == 0) {
            return i;
        }
    }
    return -1;
}

Test(tls_tickets, period_by_period) {
    const struct moved_clock first = clock_at(FIRST_S);
    const struct tls_tickets made = tickets_of(&first, file, policy);
    static const int wanted[] = {-1, 2, 1, 0, -1, -1}; /* two periods before, … three after */
    for (int i = 0; i < 6; i++) {
        const struct moved_clock then = clock_at(FIRST_S + (i - 2) * TLS_TICKET_PERIOD_S);
        const struct tls_tickets later = tickets_of(&then, file, policy);
        cr_assert(eq(int, found(&later, &made), wanted[i]), "%d", i);
    }
    cr_assert(lt(int, TLS_TICKET_LIFE_S, TLS_TICKET_PERIOD_S)); /* so none outlives its key */
}

Test(tls_tickets, another_file_or_policy_has_other_keys) {
    const struct moved_clock clock = clock_at(FIRST_S);
    const struct tls_tickets made = tickets_of(&clock, file, policy);
    const struct tls_tickets same = tickets_of(&clock, file, policy);
    const struct tls_tickets other = tickets_of(&clock, file, other_policy);
    const struct tls_tickets another = tickets_of(&clock, file + 1, policy);
    cr_assert(eq(int, found(&same, &made), 1));
    cr_assert(eq(int, found(&other, &made), -1));
    cr_assert(eq(int, found(&another, &made), -1));
    for (int i = 0; i < 3; i++) {
        cr_assert(memcmp(same.keys[i].name, other.keys[i].name, TLS_TICKET_NAME_BYTES) != 0);
        cr_assert(memcmp(same.keys[i].mac_key, same.keys[i].cipher_key, 32) != 0);
    }
}

/* A secret that goes on is that of the later time; what was before it can't be told from it. */
Test(tls_tickets, a_secret_goes_on) {
    const struct moved_clock first = clock_at(FIRST_S);
    const struct moved_clock later = clock_at(FIRST_S + 5 * TLS_TICKET_PERIOD_S);
    struct tls_secret secret, wanted;
    cr_assert(tls_secret_read(&secret, &first.clock, file, sizeof(file)));
    const struct tls_secret before = secret;
    cr_assert(tls_secret_advance(&secret, &later.clock));
    cr_assert(tls_secret_read(&wanted, &later.clock, file, sizeof(file)));
    cr_assert(memcmp(&secret, &wanted, sizeof(secret)) == 0);
    cr_assert(memcmp(secret.previous, before.current, TLS_SECRET_BYTES) != 0);
    cr_assert(tls_secret_advance(&secret, &first.clock)); /* a clock that was set back */
    cr_assert(memcmp(&secret, &wanted, sizeof(secret)) == 0);
}

Test(tls_tickets, no_two_secrets_are_the_same) {
    const struct moved_clock clock = clock_at(FIRST_S);
    struct tls_secret one, other;
    cr_assert(tls_secret_make(&one, &clock.clock) && tls_secret_make(&other, &clock.clock));
    cr_assert(memcmp(one.current, other.current, TLS_SECRET_BYTES) != 0);
    cr_assert(memcmp(one.previous, one.current, TLS_SECRET_BYTES) != 0);
}
