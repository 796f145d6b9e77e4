/* SPDX-License-Identifier: Apache-2.0
 *
 * Fully connected operator with every weight stored, quantized per output.
 *
 *     output[o] = clamp(zero_point_out + M[o] * (bias[o]
 *                       + sum over i of weight[o][i] * (input[i] - zero_point_in)))
 *
 * geometry    see ss_fully_connected_geometry.h
 * input       int8 [in_count]; a feature map is read in [height][width][channels] order
 * weights     int8 [out_count][in_count], -127 .. 127, zero point 0
 * bias        int32 [out_count], at the scale input scale * weight scale of the output
 * multiplier  int32 [out_count] } M[o] = multiplier * 2^(shift - 31), see ss_requantize.h
 * shift       int8 [out_count]  }
 * output      int8 [out_count]; must not overlap the input
 *
 * The accumulator is int32; the exporter proves that no output can overflow it.
 * Needs no scratch memory, cannot fail.
 */
#ifndef SS_FULLY_CONNECTED_H
#define SS_FULLY_CONNECTED_H

#include "ss_fully_connected_geometry.h"

void ss_fully_connected(const ss_fully_connected_geometry *geometry, const int8_t *input,
                        const int8_t *weights, const int32_t *bias, const int32_t *multiplier,
                        const int8_t *shift, int8_t *output);

#endif
