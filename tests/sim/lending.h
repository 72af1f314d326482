/* lending: who has each shard, and pauses of reactors that have one. */
#ifndef TESTS_SIM_LENDING_H
#define TESTS_SIM_LENDING_H

#include "world.h"

/* The reactor that runs may be stopped here, for as long as others need for thousands of steps. */
void lending_pause(struct world *world);

#endif
