/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape and quantization of a convolution or depthwise convolution: 22 bytes on every platform.
 *
 * Activations are [height][width][channels]; real = scale * (q - zero_point).
 * Tap (k_y, k_x) of output (y, x) reads input (y * s_h - pad_top + k_y, x * s_w - pad_left + k_x);
 * taps outside the input contribute nothing. Every window sees at least one input element.
 */
#ifndef SS_CONV_GEOMETRY_H
#define SS_CONV_GEOMETRY_H

#include "ss_platform.h"

typedef struct {
    uint16_t in_h, in_w, in_c;    /* 1 .. 65535 */
    uint16_t out_h, out_w, out_c; /* 1 .. 65535 */
    uint8_t k_h, k_w;             /* kernel, 1 .. 255 */
    uint8_t s_h, s_w;             /* stride, 1 .. 255 */
    uint8_t pad_top, pad_left;    /* 0 .. k - 1 */
    int8_t input_zero_point, output_zero_point;
    int8_t act_min, act_max; /* clamp of the output, after its zero point is added */
} ss_conv_geometry;

SS_STATIC_ASSERT(ss_conv_geometry_is_22_bytes, sizeof(ss_conv_geometry) == 22);

#endif
