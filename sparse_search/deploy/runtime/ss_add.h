/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise sum of two tensors of one shape and of different scales.
 *
 * Each input is brought to a common scale, 2^20 times finer than twice the coarser of the two:
 *
 *     a = requantize((input1 - zero_point1) * 2^20, multiplier1, shift1)
 *     b = requantize((input2 - zero_point2) * 2^20, multiplier2, shift2)
 *     output = clamp(zero_point_out + requantize(a + b, multiplier_out, shift_out))
 *
 * with multiplier and shift as in ss_requantize.h, shift1 and shift2 at most 0:
 * M1 = s1 / (2 max(s1, s2)), M2 = s2 / (2 max(s1, s2)), M_out = 2 max(s1, s2) / (2^20 s_out).
 *
 * geometry    24 bytes on every platform
 * input1      int8 [count]
 * input2      int8 [count]
 * output      int8 [count]; may begin where an input begins, or before: up to four elements are
 *             loaded before as many are stored
 *
 * Needs no scratch memory, cannot fail.
 */
#ifndef SS_ADD_H
#define SS_ADD_H

#include "ss_platform.h"

typedef struct {
    uint32_t count; /* elements, 1 .. 2^31 - 1 */
    int32_t multiplier1, multiplier2, multiplier_out;
    int8_t shift1, shift2, shift_out;
    int8_t zero_point1, zero_point2, zero_point_out;
    int8_t act_min, act_max; /* clamp of the output, after its zero point is added */
} ss_add_geometry;

SS_STATIC_ASSERT(ss_add_geometry_is_24_bytes, sizeof(ss_add_geometry) == 24);

void ss_add(const ss_add_geometry *geometry, const int8_t *input1, const int8_t *input2,
            int8_t *output);

#endif
