/* SPDX-License-Identifier: Apache-2.0
 *
 * Fully connected operator with only the nonzero weights stored. Computes what ss_fully_connected
 * computes (see ss_fully_connected.h for the formula and the other arguments).
 *
 * bitmap      uint8 [ceil(out_count * in_count / 8)] } see ss_bitmap.h; the flattened array is
 * values      int8 [nonzero weights]                 } [out_count][in_count]
 *
 * Needs no scratch memory, cannot fail.
 */
#ifndef SS_FULLY_CONNECTED_BITMAP_H
#define SS_FULLY_CONNECTED_BITMAP_H

#include "ss_fully_connected_geometry.h"

void ss_fully_connected_bitmap(const ss_fully_connected_geometry *geometry, const int8_t *input,
                               const uint8_t *bitmap, const int8_t *values, const int32_t *bias,
                               const int32_t *multiplier, const int8_t *shift, int8_t *output);

#endif
