/* SPDX-License-Identifier: Apache-2.0
 *
 * ss_depthwise_conv2d, to be specialised: inlined where the geometry is a constant. Same arguments,
 * same bytes; `small` is explained in ss_output.h.
 *
 * Writes one output pixel after the other, all its channels before the next.
 */
#ifndef SS_DEPTHWISE_CONV2D_INLINE_H
#define SS_DEPTHWISE_CONV2D_INLINE_H

#include "ss_conv_shape.h"
#include "ss_output_block.h"

#if SS_DSP
#include "ss_dsp.h"
#endif

/* The window of a pixel: `rows` times `columns` taps, from its first one on. */
typedef struct {
    const int8_t *input;
    const int8_t *weights;
    int32_t rows, columns;
    int32_t zero_point;
} ss_depthwise_window;

SS_INLINE void ss_depthwise_channel(const ss_conv_shape *shape, ss_depthwise_window window,
                                    const ss_output *to, int32_t channel, int8_t *output)
{
    int32_t sum = 0;

    for (; window.rows > 0; window.rows--) {
        SS_UNROLL(5)
        for (int32_t x = 0; x < window.columns; x++) {
            const int32_t at = x * shape->in_c + channel;

            sum += (int32_t)SS_READ_I8(window.weights + at) *
                   ((int32_t)window.input[at] - window.zero_point);
        }
        window.input += shape->input_row;
        window.weights += shape->kernel_row;
    }
    ss_finish_block(to, channel, &sum, 1, 1, output + channel, 0);
}

#if SS_DSP
/* Four channels, two in each of two words. */
SS_INLINE void ss_depthwise_word(const ss_conv_shape *shape, ss_depthwise_window window,
                                 const ss_output *to, int32_t channel, int8_t *output)
{
    const int32_t addend = ss_both(-window.zero_point);
    int32_t sums[4] = {0, 0, 0, 0};

    for (; window.rows > 0; window.rows--) {
        SS_UNROLL(5)
        for (int32_t x = 0; x < window.columns; x++) {
            const int32_t at = x * shape->in_c + channel;
            const int32_t elements = ss_load4(window.input + at);
            const int32_t weights = ss_load4(window.weights + at);
            const int32_t even = ss_even_plus(elements, addend), even_weights = ss_even(weights);
            const int32_t odd = ss_odd_plus(elements, addend), odd_weights = ss_odd(weights);

            sums[0] = ss_add_low_product(even, even_weights, sums[0]);
            sums[1] = ss_add_low_product(odd, odd_weights, sums[1]);
            sums[2] = ss_add_high_product(even, even_weights, sums[2]);
            sums[3] = ss_add_high_product(odd, odd_weights, sums[3]);
        }
        window.input += shape->input_row;
        window.weights += shape->kernel_row;
    }
    ss_finish_block(to, channel, sums, 1, 4, output + channel, 0);
}
#endif

#if SS_MVE
/* Four channels. */
SS_INLINE void ss_depthwise_vector(const ss_conv_shape *shape, ss_depthwise_window window,
                                   const ss_output *to, int32_t channel, int8_t *output)
{
    int32x4_t sums = ss_mve_biases(&to->channels, channel);

    for (; window.rows > 0; window.rows--) {
        SS_UNROLL(5)
        for (int32_t x = 0; x < window.columns; x++) {
            const int32_t at = x * shape->in_c + channel;
            const int32x4_t elements = vldrbq_s32(window.input + at);
            const int32x4_t weights = vldrbq_s32(window.weights + at);

            sums = vaddq_s32(sums, vmulq_s32(vsubq_n_s32(elements, window.zero_point), weights));
        }
        window.input += shape->input_row;
        window.weights += shape->kernel_row;
    }
    sums = ss_mve_scale_channels(sums, &to->channels, channel, to->small);
    vstrbq_s32(output + channel, ss_mve_clamp(sums, to->zero_point, to->act_min, to->act_max));
}
#endif

/* All channels of a pixel. */
SS_INLINE void ss_depthwise_pixel(const ss_conv_shape *shape, ss_depthwise_window window,
                                  const ss_output *to, int8_t *output)
{
    int32_t channel = 0;

#if SS_MVE
    for (; channel + 4 <= shape->in_c; channel += 4) {
        ss_depthwise_vector(shape, window, to, channel, output);
    }
#elif SS_DSP
    for (; channel + 4 <= shape->in_c; channel += 4) {
        ss_depthwise_word(shape, window, to, channel, output);
    }
#endif
    for (; channel < shape->in_c; channel++) {
        ss_depthwise_channel(shape, window, to, channel, output);
    }
}

SS_INLINE void ss_depthwise_conv2d_inline(const ss_conv_geometry *geometry, const int8_t *input,
                                          const int8_t *weights, ss_channels channels,
                                          int8_t *output, int small)
{
    const ss_conv_shape shape = ss_conv_shape_of(geometry);
    const ss_output to = ss_conv_output(geometry, channels, small);
    ss_depthwise_window window;

    window.zero_point = SS_READ_I8(&geometry->input_zero_point);
    for (int32_t out_y = 0; out_y < shape.out_h; out_y++) {
        const int32_t in_y = out_y * shape.s_h - shape.pad_top;
        const ss_taps rows = ss_clip(in_y, shape.k_h, shape.in_h);
        const int8_t *const input_row = input + (in_y + rows.first) * shape.input_row;
        const int8_t *const window_weights = weights + rows.first * shape.kernel_row;

        window.rows = rows.end - rows.first;
        for (int32_t out_x = 0; out_x < shape.out_w; out_x++) {
            const int32_t in_x = out_x * shape.s_w - shape.pad_left;
            const ss_taps columns = ss_clip(in_x, shape.k_w, shape.in_w);

            window.input = input_row + (in_x + columns.first) * shape.in_c;
            window.weights = window_weights + columns.first * shape.in_c;
            window.columns = columns.end - columns.first;
            if (window.columns == shape.k_w) {
                window.columns = shape.k_w;
                ss_depthwise_pixel(&shape, window, &to, output);
            } else {
                ss_depthwise_pixel(&shape, window, &to, output);
            }
            output += shape.out_c;
        }
    }
}

#endif
