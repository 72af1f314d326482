/* The pipeline's part of a scan (core/shard/scan.h): asks shard after shard for chunks. */
#ifndef CORE_PIPELINE_SCAN_H
#define CORE_PIPELINE_SCAN_H

#include "core/pipeline/pipeline.h"

/* Runs the request of a slot, which is a scan, a step further. True once it is answered; until then
 * the request is run again. */
bool pipeline_run_scan(struct pipeline *pipeline, struct shard *shard,
                       const struct batch_slot *slot);

#endif
