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

#include "ss_target.h"

#if SS_SHORT_MULTIPLY
/* value * multiplier / 2^31, rounded to nearest, ties up; multiplier >= 0. From four products of 16
 * by 16 bits: a 64-bit product would be a call of the compiler's library. */
static inline int32_t ss_multiply_high(int32_t value, int32_t multiplier)
{
    const int32_t value_high = value >> 16, multiplier_high = multiplier >> 16;
    const int32_t value_low = value & 0xFFFF;
    const uint32_t multiplier_low = (uint32_t)multiplier & 0xFFFFu;
    /* Both in units of 2^16, each within int32. */
    const int32_t first = value_high * (int32_t)multiplier_low;
    const int32_t second = value_low * multiplier_high +
                           (int32_t)(((uint32_t)value_low * multiplier_low) >> 16);

    return 2 * value_high * multiplier_high + (first >> 15) + (second >> 15) +
           (((first & 0x7FFF) + (second & 0x7FFF) + 0x4000) >> 15);
}
#else
static inline int32_t ss_multiply_high(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + ((int64_t)1 << 30)) >> 31);
}
#endif

/* value * M, rounded to nearest: first at bit 31 (ties up), then at the right shift (ties away
 * from zero). Returns an int32 that has neither zero point nor clamp. */
static inline int32_t ss_requantize(int32_t value, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int32_t scaled = value * (int32_t)((uint32_t)1 << left);
    const int32_t high = ss_multiply_high(scaled, multiplier);
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

/* The same in fewer instructions, for factors below a half.
 *
 * value       -2^30 + 1 .. 2^30 - 1
 * shift       -31 .. -1 */
SS_INLINE int32_t ss_requantize_small(int32_t value, int32_t multiplier, int32_t shift)
{
#if SS_DSP
    int32_t high;

    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(2 * value), "r"(multiplier));
#elif SS_SHORT_MULTIPLY
    int32_t high = ss_multiply_high(value, multiplier);
#else
    const int64_t product = (int64_t)(2 * value) * multiplier;
    /* Bit 31 of the product is what rounds. */
    int32_t high = (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
    /* (high + 2^(-shift - 1) - (high < 0)) >> -shift, with a shift by -shift - 1 = ~shift first. */
    high += high >> 31;
    return ((high >> ~shift) + 1) >> 1;
}

/* `value`, clamped. */
SS_INLINE int8_t ss_clamp_small(int32_t value, int32_t act_min, int32_t act_max)
{
#ifdef __ARM_FEATURE_SAT
    if (act_min == INT8_MIN && act_max == INT8_MAX) {
        __asm__("ssat %0, #8, %0" : "+r"(value));
        return (int8_t)value;
    }
#endif
    value = value < act_min ? act_min : value;
    return (int8_t)(value > act_max ? act_max : value);
}

#endif
