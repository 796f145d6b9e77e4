/* SPDX-License-Identifier: Apache-2.0
 *
 * Outputs from four accumulators at a time, with the vector extension.
 */
#ifndef SS_MVE_H
#define SS_MVE_H

#include <arm_mve.h>

#include "ss_channels.h"

/* Four accumulators times multiplier * 2^(shift - 31), rounded as in ss_requantize.h; `small` is
 * the constant 1 where all shifts are to the right. */
SS_INLINE int32x4_t ss_mve_scale(int32x4_t sums, int32x4_t multiplier, int32x4_t shift, int small)
{
    const int32x4_t left = vmaxq_s32(shift, vdupq_n_s32(0));
    const int32x4_t right = small ? shift : vminq_s32(shift, vdupq_n_s32(0));
    const int32x4_t high = vqrdmulhq_s32(small ? sums : vshlq_s32(sums, left), multiplier);
    /* -1 where the number is negative and is shifted: ties go away from zero. */
    const int32x4_t away = vshrq_n_s32(small ? high : vandq_s32(high, right), 31);

    return vrshlq_s32(vaddq_s32(high, away), right);
}

/* The same with one multiplier and one shift, which is constant and at most 0. */
SS_INLINE int32x4_t ss_mve_scale_all(int32x4_t sums, int32_t multiplier, int32_t shift)
{
    const int32x4_t high = vqrdmulhq_n_s32(sums, multiplier);

    return shift == 0 ? high : vrshlq_n_s32(vaddq_s32(high, vshrq_n_s32(high, 31)), shift);
}

/* The biases of four channels, from `channel` on. */
SS_INLINE int32x4_t ss_mve_biases(const ss_channels *channels, int32_t channel)
{
    int32x4_t left;

    if (!channels->narrow) {
        return vldrwq_s32(channels->bias + channel);
    }
    left = vsubq_s32(vdupq_n_s32(-SS_BIAS_FRACTION), vldrbq_s32(channels->shift + channel));
    return vshlq_s32(vldrhq_s32(channels->short_bias + channel), vmaxq_s32(left, vdupq_n_s32(0)));
}

/* Accumulators of four channels, from `channel` on, each multiplied and shifted in its way. */
SS_INLINE int32x4_t ss_mve_scale_channels(int32x4_t sums, const ss_channels *channels,
                                          int32_t channel, int small)
{
    const int32x4_t multiplier = channels->narrow ? vdupq_n_s32(*channels->multiplier)
                                                  : vldrwq_s32(channels->multiplier + channel);

    return ss_mve_scale(sums, multiplier, vldrbq_s32(channels->shift + channel), small);
}

/* Adds the zero point and clamps. */
SS_INLINE int32x4_t ss_mve_clamp(int32x4_t values, int32_t zero_point, int32_t act_min,
                                 int32_t act_max)
{
    values = vqaddq_n_s32(values, zero_point);
    return vminq_s32(vmaxq_s32(values, vdupq_n_s32(act_min)), vdupq_n_s32(act_max));
}

#endif
