/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape and quantization of a fully connected operator: 12 bytes on every platform.
 */
#ifndef SS_FULLY_CONNECTED_GEOMETRY_H
#define SS_FULLY_CONNECTED_GEOMETRY_H

#include "ss_platform.h"

typedef struct {
    uint32_t in_count;  /* inputs, in [height][width][channels] order; 1 .. 2^31 - 1 */
    uint16_t out_count; /* 1 .. 65535 */
    int8_t input_zero_point, output_zero_point;
    int8_t act_min, act_max; /* clamp of the output, after its zero point is added */
    uint8_t reserved[2];     /* zero */
} ss_fully_connected_geometry;

SS_STATIC_ASSERT(ss_fully_connected_geometry_is_12_bytes,
                 sizeof(ss_fully_connected_geometry) == 12);

#endif
