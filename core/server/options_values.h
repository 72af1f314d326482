/* options_values: the functions that read the values of options into config; see option_parser. */
#ifndef CORE_SERVER_OPTIONS_VALUES_H
#define CORE_SERVER_OPTIONS_VALUES_H

#include "core/server/options.h"

/* Into the row's field: true or false into a bool, the value by reference into a const char *, a
 * number within the row's limits into a uint32_t, a port into an int32_t. */
option_parser options_set_switch, options_clear_switch, options_set_text, options_set_number,
    options_set_port;

/* For an option that asks for what is always done. */
option_parser options_accept;

/* Each for one option. */
option_parser options_set_mode, options_add_addresses, options_set_memory, options_set_item_bytes,
    options_set_binding, options_set_delimiter, options_count_verbose, options_set_ring_capacity,
    options_set_spin, options_set_io, options_set_hot_keys, options_enable_tls, options_set_cluster,
    options_add_etcd, options_set_drain, options_ask_sandbox, options_set_hits;

/* These print something and return CONFIG_DONE. */
option_parser options_show_version, options_show_license;

#endif
