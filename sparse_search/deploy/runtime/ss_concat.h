/* SPDX-License-Identifier: Apache-2.0
 *
 * One input of a concatenation, brought to the scale of the output.
 *
 * A concatenation is one call for each input; `output` points to where this input begins. A
 * feature map is read in [height][width][channels] order.
 *
 *     output = clamp(output_zero_point + requantize(input - input_zero_point, multiplier, shift))
 *
 * with multiplier and shift as in ss_requantize.h, M = input scale / output scale. Where scale and
 * zero point of input and output are equal, this copies.
 *
 * geometry    12 bytes on every platform
 * input       int8 [count]
 * output      int8 [count]; must not overlap the input
 *
 * Needs no scratch memory, cannot fail.
 */
#ifndef SS_CONCAT_H
#define SS_CONCAT_H

#include "ss_platform.h"

typedef struct {
    uint32_t count;     /* elements of the input, 1 .. 2^31 - 1 */
    int32_t multiplier; /* 2^30 .. 2^31 - 1 */
    int8_t shift;       /* -31 .. 23; a positive shift is to the left */
    int8_t input_zero_point, output_zero_point;
    uint8_t reserved;
} ss_concat_geometry;

SS_STATIC_ASSERT(ss_concat_geometry_is_12_bytes, sizeof(ss_concat_geometry) == 12);

void ss_concat(const ss_concat_geometry *geometry, const int8_t *input, int8_t *output);

#endif
