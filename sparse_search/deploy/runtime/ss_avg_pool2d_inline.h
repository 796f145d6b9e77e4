/* SPDX-License-Identifier: Apache-2.0
 *
 * ss_avg_pool2d, to be specialised: inlined where the geometry is a constant. Same arguments, same
 * bytes.
 *
 * Writes one output pixel after the other, all its channels before the next.
 */
#ifndef SS_AVG_POOL2D_INLINE_H
#define SS_AVG_POOL2D_INLINE_H

#include "ss_pool_shape.h"

#if SS_MVE
#include "ss_mve.h"
#elif SS_DSP
#include "ss_dsp.h"
#endif

/* Windows of so many elements at most are averaged several channels at a time. */
#if SS_DSP
#define SS_AVG_POOL_ELEMENTS 255 /* their sum fits 16 bits */
#elif SS_MVE
#define SS_AVG_POOL_ELEMENTS 5000 /* below which multiplying by the reciprocal is exact */
#endif

/* sum / count, to nearest, ties away from zero. */
SS_INLINE int8_t ss_mean(int32_t sum, int32_t count)
{
    sum = sum > 0 ? sum + count / 2 : sum - count / 2;
    return (int8_t)(sum / count);
}

SS_INLINE void ss_avg_pool_channel(const ss_pool_shape *shape, ss_pool_window window,
                                   int32_t channel, int8_t *output)
{
    const int32_t count = window.rows * window.columns;
    int32_t sum = 0;

    for (; window.rows > 0; window.rows--) {
        for (int32_t x = 0; x < window.columns; x++) {
            sum += window.input[x * shape->channels + channel];
        }
        window.input += shape->input_row;
    }
    output[channel] = ss_mean(sum, count);
}

#if SS_DSP
/* Four channels, two sums of 16 bits in each of two words. */
SS_INLINE void ss_avg_pool_word(const ss_pool_shape *shape, ss_pool_window window, int32_t channel,
                                int8_t *output)
{
    const int32_t count = window.rows * window.columns;
    int32_t even = 0, odd = 0;

    for (; window.rows > 0; window.rows--) {
        for (int32_t x = 0; x < window.columns; x++) {
            const int32_t elements = ss_load4(window.input + x * shape->channels + channel);

            even = ss_even_plus(elements, even);
            odd = ss_odd_plus(elements, odd);
        }
        window.input += shape->input_row;
    }
    output[channel] = ss_mean((int16_t)even, count);
    output[channel + 1] = ss_mean((int16_t)odd, count);
    output[channel + 2] = ss_mean(even >> 16, count);
    output[channel + 3] = ss_mean(odd >> 16, count);
}
#elif SS_MVE
/* The channels from `channel` on, four at most. */
SS_INLINE void ss_avg_pool_vector(const ss_pool_shape *shape, ss_pool_window window,
                                  int32_t channel, int8_t *output)
{
    const mve_pred16_t some = vctp32q((uint32_t)(shape->channels - channel));
    const uint32_t count = (uint32_t)(window.rows * window.columns);
    int32x4_t sums = vdupq_n_s32(0);
    int32x4_t means;

    for (; window.rows > 0; window.rows--) {
        for (int32_t x = 0; x < window.columns; x++) {
            const int8_t *const elements = window.input + x * shape->channels + channel;

            sums = vaddq_s32(sums, vldrbq_z_s32(elements, some));
        }
        window.input += shape->input_row;
    }
    means = sums;
    if (count > 1u) {
        /* floor(n / count) = n * ceil(2^32 / count) / 2^32, as n * count < 2^32. */
        const uint32x4_t rounded =
            vaddq_n_u32(vreinterpretq_u32_s32(vabsq_s32(sums)), count / 2u);
        const uint32_t reciprocal = UINT32_MAX / count + 1u;

        means = vreinterpretq_s32_u32(vmulhq_u32(rounded, vdupq_n_u32(reciprocal)));
        means = vnegq_m_s32(means, means, vcmpltq_n_s32(sums, 0));
    }
    vstrbq_p_s32(output + channel, means, some);
}
#endif

SS_INLINE void ss_avg_pool2d_inline(const ss_pool_geometry *geometry, const int8_t *input,
                                    int8_t *output)
{
    const ss_pool_shape shape = ss_pool_shape_of(geometry);

    for (int32_t out_y = 0; out_y < shape.out_h; out_y++) {
        for (int32_t out_x = 0; out_x < shape.out_w; out_x++) {
            const ss_pool_window window = ss_pool_window_at(&shape, input, out_y, out_x);
            int32_t channel = 0;

#if SS_MVE
            for (; shape.k_h * shape.k_w <= SS_AVG_POOL_ELEMENTS && channel < shape.channels;
                 channel += 4) {
                ss_avg_pool_vector(&shape, window, channel, output);
            }
#elif SS_DSP
            for (; shape.k_h * shape.k_w <= SS_AVG_POOL_ELEMENTS && channel + 4 <= shape.channels;
                 channel += 4) {
                ss_avg_pool_word(&shape, window, channel, output);
            }
#endif
            for (; channel < shape.channels; channel++) {
                ss_avg_pool_channel(&shape, window, channel, output);
            }
            output += shape.channels;
        }
    }
}

#endif
