/* SPDX-License-Identifier: Apache-2.0
 *
 * ss_add, to be specialised: inlined where the geometry is a constant. Same arguments, same bytes.
 *
 * Loads up to four elements of each input before it stores as many.
 */
#ifndef SS_ADD_INLINE_H
#define SS_ADD_INLINE_H

#include "ss_add.h"
#include "ss_requantize.h"

#if SS_MVE
#include "ss_mve.h"
#endif

#define SS_ADD_HEADROOM 20 /* bits */

/* `value` times a factor of at most 1; |value| < 2^30. */
SS_INLINE int32_t ss_add_scale(int32_t value, int32_t multiplier, int32_t shift)
{
    return shift < 0 ? ss_requantize_small(value, multiplier, shift)
                     : ss_requantize(value, multiplier, shift);
}

SS_INLINE void ss_add_inline(const ss_add_geometry *geometry, const int8_t *input1,
                             const int8_t *input2, int8_t *output)
{
    const int32_t count = (int32_t)SS_READ_U32(&geometry->count);
    const int32_t multiplier1 = SS_READ_I32(&geometry->multiplier1);
    const int32_t multiplier2 = SS_READ_I32(&geometry->multiplier2);
    const int32_t multiplier_out = SS_READ_I32(&geometry->multiplier_out);
    const int32_t shift1 = SS_READ_I8(&geometry->shift1);
    const int32_t shift2 = SS_READ_I8(&geometry->shift2);
    const int32_t shift_out = SS_READ_I8(&geometry->shift_out);
    const int32_t zero_point1 = SS_READ_I8(&geometry->zero_point1);
    const int32_t zero_point2 = SS_READ_I8(&geometry->zero_point2);
    const int32_t zero_point_out = SS_READ_I8(&geometry->zero_point_out);
    const int32_t act_min = SS_READ_I8(&geometry->act_min);
    const int32_t act_max = SS_READ_I8(&geometry->act_max);

    int32_t i = 0;

#if SS_MVE
    for (; shift_out <= 0 && i + 4 <= count; i += 4) {
        const int32x4_t a = vsubq_n_s32(vldrbq_s32(input1 + i), zero_point1);
        const int32x4_t b = vsubq_n_s32(vldrbq_s32(input2 + i), zero_point2);
        const int32x4_t sum = vaddq_s32(
            ss_mve_scale_all(vshlq_n_s32(a, SS_ADD_HEADROOM), multiplier1, shift1),
            ss_mve_scale_all(vshlq_n_s32(b, SS_ADD_HEADROOM), multiplier2, shift2));

        vstrbq_s32(output + i, ss_mve_clamp(ss_mve_scale_all(sum, multiplier_out, shift_out),
                                            zero_point_out, act_min, act_max));
    }
#endif
    for (; i < count; i++) {
        const int32_t a = ((int32_t)input1[i] - zero_point1) * ((int32_t)1 << SS_ADD_HEADROOM);
        const int32_t b = ((int32_t)input2[i] - zero_point2) * ((int32_t)1 << SS_ADD_HEADROOM);
        const int32_t sum =
            ss_add_scale(a, multiplier1, shift1) + ss_add_scale(b, multiplier2, shift2);
        const int32_t scaled = ss_add_scale(sum, multiplier_out, shift_out);

        if (shift_out < 0) {
            output[i] = ss_clamp_small(scaled + zero_point_out, act_min, act_max);
        } else {
            output[i] = ss_clamp(scaled, zero_point_out, act_min, act_max);
        }
    }
}

#endif
