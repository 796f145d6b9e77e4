/* SPDX-License-Identifier: Apache-2.0
 *
 * From the int32 accumulator to the int8 output: scale, round twice, add the zero point, clamp.
 * Bit for bit what CMSIS-NN computes by default (arm_nn_requantize with double rounding).
 *
 *     real factor M = multiplier * 2^(shift - 31)
 *
 * multiplier  0, or 2^30 .. 2^31 - 1
 * shift       -31 .. 30; a positive shift is to the left
 * value       value * 2^max(shift, 0) must fit int32: the exporter proves it for every channel
 */
#ifndef SS_REQUANTIZE_H
#define SS_REQUANTIZE_H

#include "ss_platform.h"

/* value * M, rounded to nearest: first at bit 31 (ties up), then at the right shift (ties away
 * from zero). Returns an int32 that has neither zero point nor clamp. */
static inline int32_t ss_requantize(int32_t value, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int32_t scaled = value * (int32_t)((uint32_t)1 << left);
    const int64_t product = (int64_t)scaled * multiplier + ((int64_t)1 << 30);
    const int32_t high = (int32_t)(product >> 31);
    const int32_t mask = (int32_t)(((uint32_t)1 << right) - 1u);
    const int32_t remainder = high & mask;
    const int32_t threshold = (mask >> 1) + (high < 0 ? 1 : 0);

    return (high >> right) + (remainder > threshold ? 1 : 0);
}

/* `value` plus the output zero point, clamped to act_min .. act_max (both in int8). Clamps before
 * it adds: the sum itself need not fit int32. */
static inline int8_t ss_clamp(int32_t value, int32_t zero_point, int32_t act_min, int32_t act_max)
{
    if (value < act_min - zero_point) {
        return (int8_t)act_min;
    }
    if (value > act_max - zero_point) {
        return (int8_t)act_max;
    }
    return (int8_t)(value + zero_point);
}

#endif
