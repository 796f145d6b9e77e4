/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape and quantization of a convolution that pools its output: 24 bytes on every platform.
 *
 *     output[y][x][o] = max over a < p_h, b < p_w of conv[y * p_h + a][x * p_w + b][o]
 *
 * conv        see ss_conv_geometry.h, but that out_h and out_w are those of the pooled map; outputs
 *             of the convolution in no window are not computed
 * p_h, p_w    window of the pooling and its stride, 1 .. 255; 1 for none
 */
#ifndef SS_POOLED_CONV_GEOMETRY_H
#define SS_POOLED_CONV_GEOMETRY_H

#include "ss_conv_geometry.h"

typedef struct {
    ss_conv_geometry conv;
    uint8_t p_h, p_w;
} ss_pooled_conv_geometry;

SS_STATIC_ASSERT(ss_pooled_conv_geometry_is_24_bytes, sizeof(ss_pooled_conv_geometry) == 24);

#endif
