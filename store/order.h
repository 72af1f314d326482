/* order: the order of stores that a killed process leaves behind. Private to the store.
 *
 * What a thread has stored is in the page when the process is killed, in the order of the program:
 * no fence is needed, which would be for other processors. Only the compiler may exchange stores.
 */
#ifndef STORE_ORDER_H
#define STORE_ORDER_H

#include <stdatomic.h>

/* All stores before the call come before those behind it. No instruction. */
static inline void store_order(void) {
    atomic_signal_fence(memory_order_seq_cst);
}

#endif
