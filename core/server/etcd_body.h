/* etcd_body: what is sent to etcd 3.4 through its JSON gateway. Each returns a text in JSON, which
 * the caller frees, or NULL without memory. Thread: any. */
#ifndef CORE_SERVER_ETCD_BODY_H
#define CORE_SERVER_ETCD_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/nodes.h"

/* The keys of a cluster: PREFIX is "simplecache/NAME/", the list is at PREFIX "list", a member at
 * PREFIX "node/HOST|ADDRESS|PORT". */
#define ETCD_PREFIX_BYTES 96

/* /v3/auth/authenticate */
char *etcd_body_login(const char *user, const char *password);
/* /v3/lease/grant */
char *etcd_body_grant(uint64_t ttl_s);
/* /v3/lease/keepalive, /v3/lease/revoke */
char *etcd_body_lease(uint64_t lease);
/* /v3/kv/range: all keys that begin with the prefix */
char *etcd_body_range(const char *prefix);
/* /v3/watch: their changes from a revision on */
char *etcd_body_watch(const char *prefix, uint64_t revision);

/* /v3/kv/txn. When the list is still of `list_revision` (0: there is none) it is replaced. A member
 * that joins or leaves is written or deleted in any case. */
struct etcd_transaction {
    const char *prefix;
    uint64_t list_revision;
    const struct nodes *list; /* NULL: the list stays */
    const char *joins;        /* a member to be written, under the lease; NULL: none */
    const char *leaves;       /* a member to be deleted; NULL: none */
    uint64_t lease;
};
char *etcd_body_transaction(const struct etcd_transaction *transaction);

#endif
