/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution, one output channel per input channel, every weight stored.
 *
 *     output[y][x][c] = clamp(zero_point_out + M[c] * (bias[c]
 *                             + sum over k_y, k_x of weight * (input - zero_point_in)))
 *
 * geometry    see ss_conv_geometry.h; out_c = in_c
 * input       int8 [in_h][in_w][in_c]
 * weights     int8 [k_h][k_w][in_c], -127 .. 127, zero point 0
 * bias        int32 [in_c], at the scale input scale * weight scale of the channel
 * multiplier  int32 [in_c] } M[c] = multiplier * 2^(shift - 31), see ss_requantize.h
 * shift       int8 [in_c]  }
 * output      int8 [out_h][out_w][in_c]; may lie over input that is no longer needed,
 *             see the order in ss_window.h
 *
 * The accumulator is int32; the exporter proves that no channel can overflow it.
 * Needs no scratch memory, cannot fail.
 */
#ifndef SS_DEPTHWISE_CONV2D_H
#define SS_DEPTHWISE_CONV2D_H

#include "ss_conv_geometry.h"

void ss_depthwise_conv2d(const ss_conv_geometry *geometry, const int8_t *input,
                         const int8_t *weights, const int32_t *bias, const int32_t *multiplier,
                         const int8_t *shift, int8_t *output);

#endif
