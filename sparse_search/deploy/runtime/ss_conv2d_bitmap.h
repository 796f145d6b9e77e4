/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution with only the nonzero weights stored. Computes what ss_conv2d computes (see
 * ss_conv2d.h for the formula and the other arguments).
 *
 * bitmap      uint8 [ceil(out_c * k_h * k_w * in_c / 8)] } see ss_bitmap.h; the flattened array is
 * values      int8 [nonzero weights]                     } [out_c][k_h][k_w][in_c]
 *
 * Needs no scratch memory, cannot fail.
 */
#ifndef SS_CONV2D_BITMAP_H
#define SS_CONV2D_BITMAP_H

#include "ss_conv_geometry.h"

void ss_conv2d_bitmap(const ss_conv_geometry *geometry, const int8_t *input, const uint8_t *bitmap,
                      const int8_t *values, const int32_t *bias, const int32_t *multiplier,
                      const int8_t *shift, int8_t *output);

#endif
