/* SPDX-License-Identifier: Apache-2.0
 *
 * ss_max_pool2d, to be specialised: inlined where the geometry is a constant. Same arguments, same
 * bytes.
 *
 * Writes one output pixel after the other, all its channels before the next.
 */
#ifndef SS_MAX_POOL2D_INLINE_H
#define SS_MAX_POOL2D_INLINE_H

#include "ss_pool_shape.h"

#if SS_MVE
#include "ss_mve.h"
#elif SS_DSP
#include "ss_dsp.h"
#endif

SS_INLINE void ss_max_pool_channel(const ss_pool_shape *shape, ss_pool_window window,
                                   int32_t channel, int8_t *output)
{
    int8_t largest = INT8_MIN;

    for (; window.rows > 0; window.rows--) {
        for (int32_t x = 0; x < window.columns; x++) {
            const int8_t element = window.input[x * shape->channels + channel];

            largest = element > largest ? element : largest;
        }
        window.input += shape->input_row;
    }
    output[channel] = largest;
}

#if SS_DSP
/* Four channels. */
SS_INLINE void ss_max_pool_word(const ss_pool_shape *shape, ss_pool_window window, int32_t channel,
                                int8_t *output)
{
    int32_t largest = ss_load4(window.input + channel);

    for (; window.rows > 0; window.rows--) {
        for (int32_t x = 0; x < window.columns; x++) {
            largest = ss_max4(largest, ss_load4(window.input + x * shape->channels + channel));
        }
        window.input += shape->input_row;
    }
    __builtin_memcpy(output + channel, &largest, 4);
}
#elif SS_MVE
/* The channels from `channel` on, sixteen at most. */
SS_INLINE void ss_max_pool_vector(const ss_pool_shape *shape, ss_pool_window window,
                                  int32_t channel, int8_t *output)
{
    const mve_pred16_t some = vctp8q((uint32_t)(shape->channels - channel));
    int8x16_t largest = vdupq_n_s8(INT8_MIN);

    for (; window.rows > 0; window.rows--) {
        for (int32_t x = 0; x < window.columns; x++) {
            const int8_t *const elements = window.input + x * shape->channels + channel;

            largest = vmaxq_s8(largest, vldrbq_z_s8(elements, some));
        }
        window.input += shape->input_row;
    }
    vstrbq_p_s8(output + channel, largest, some);
}
#endif

SS_INLINE void ss_max_pool2d_inline(const ss_pool_geometry *geometry, const int8_t *input,
                                    int8_t *output)
{
    const ss_pool_shape shape = ss_pool_shape_of(geometry);

    for (int32_t out_y = 0; out_y < shape.out_h; out_y++) {
        for (int32_t out_x = 0; out_x < shape.out_w; out_x++) {
            const ss_pool_window window = ss_pool_window_at(&shape, input, out_y, out_x);
            int32_t channel = 0;

#if SS_MVE
            for (; channel < shape.channels; channel += 16) {
                ss_max_pool_vector(&shape, window, channel, output);
            }
#elif SS_DSP
            for (; channel + 4 <= shape.channels; channel += 4) {
                ss_max_pool_word(&shape, window, channel, output);
            }
#endif
            for (; channel < shape.channels; channel++) {
                ss_max_pool_channel(&shape, window, channel, output);
            }
            output += shape.channels;
        }
    }
}

#endif
