/* SPDX-License-Identifier: Apache-2.0
 *
 * The depthwise convolution that stores every weight, written once: the body of SS_KERNEL,
 * whose arguments are those of ss_depthwise_conv2d. SS_NARROW says in which form the channels are.
 */
#include "ss_conv_shape.h"

void SS_KERNEL(const ss_conv_geometry *geometry, const int8_t *input, const int8_t *weights,
               SS_CHANNELS_PARAMETERS, int8_t *output)
{
    const ss_conv_shape shape = ss_conv_shape_read(geometry);
    const ss_output to = ss_conv_output(geometry, SS_CHANNELS, SS_ANY_FACTORS);
    const int32_t zero_point = SS_READ_I8(&geometry->input_zero_point);
    const int32_t channels = shape.in_c;

    for (int32_t out_y = 0; out_y < shape.out_h; out_y++) {
        const int32_t in_y = out_y * shape.s_h - shape.pad_top;
        const ss_taps rows = ss_clip(in_y, shape.k_h, shape.in_h);

        for (int32_t out_x = 0; out_x < shape.out_w; out_x++) {
            const int32_t in_x = out_x * shape.s_w - shape.pad_left;
            const ss_taps columns = ss_clip(in_x, shape.k_w, shape.in_w);
            const int32_t run = (columns.end - columns.first) * channels;
            const int8_t *const window = input + (in_y + rows.first) * shape.input_row +
                                         (in_x + columns.first) * channels;
            const int8_t *const window_weights =
                weights + rows.first * shape.kernel_row + columns.first * channels;

            for (int32_t channel = 0; channel < channels; channel++) {
                const int8_t *elements = window + channel;
                const int8_t *taps = window_weights + channel;
                int32_t sum = 0;

                for (int32_t row = rows.first; row < rows.end; row++) {
                    for (int32_t i = 0; i < run; i += channels) {
                        sum += (int32_t)SS_READ_I8(taps + i) * ((int32_t)elements[i] - zero_point);
                    }
                    elements += shape.input_row;
                    taps += shape.kernel_row;
                }
                sum += ss_bias(&to.channels, channel);
                *output++ = ss_finish(&to, sum, ss_multiplier(&to.channels, channel),
                                      ss_shift(&to.channels, channel));
            }
        }
    }
}
