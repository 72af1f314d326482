/* scheduler: decides what happens next in a simulation. */
#ifndef TESTS_SIM_SCHEDULER_H
#define TESTS_SIM_SCHEDULER_H

#include "world.h"

/* Runs the world to its end. */
void scheduler_run(struct world *world);

#endif
