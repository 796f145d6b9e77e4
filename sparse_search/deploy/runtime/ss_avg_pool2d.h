/* SPDX-License-Identifier: Apache-2.0
 *
 * Average pooling: the mean of each window, padding left out of sum and count, rounded to nearest
 * with ties away from zero (in int8, before the zero point is taken off).
 *
 * geometry    see ss_pool_geometry.h
 * input       int8 [in_h][in_w][channels]
 * output      int8 [out_h][out_w][channels], scale and zero point of the input; may lie
 *             over input that is no longer needed, see the order in ss_window.h
 *
 * Needs no scratch memory, cannot fail.
 */
#ifndef SS_AVG_POOL2D_H
#define SS_AVG_POOL2D_H

#include "ss_pool_geometry.h"

void ss_avg_pool2d(const ss_pool_geometry *geometry, const int8_t *input, int8_t *output);

#endif
