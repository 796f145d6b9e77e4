/* SPDX-License-Identifier: Apache-2.0 */
#include "ss_avg_pool2d.h"

#include "ss_pool_shape.h"

void ss_avg_pool2d(const ss_pool_geometry *geometry, const int8_t *input, int8_t *output)
{
    const ss_pool_shape shape = ss_pool_shape_of(geometry);
    const int32_t channels = shape.channels;

    for (int32_t out_y = 0; out_y < shape.out_h; out_y++) {
        const int32_t in_y = out_y * shape.s_h - shape.pad_top;
        const ss_taps rows = ss_clip(in_y, shape.k_h, shape.in_h);

        for (int32_t out_x = 0; out_x < shape.out_w; out_x++) {
            const int32_t in_x = out_x * shape.s_w - shape.pad_left;
            const ss_taps columns = ss_clip(in_x, shape.k_w, shape.in_w);
            const int32_t run = (columns.end - columns.first) * channels;
            const int8_t *const window =
                input + (in_y + rows.first) * shape.input_row + (in_x + columns.first) * channels;
            const int32_t count = (rows.end - rows.first) * (columns.end - columns.first);

            for (int32_t channel = 0; channel < channels; channel++) {
                const int8_t *elements = window + channel;
                int32_t sum = 0;

                for (int32_t row = rows.first; row < rows.end; row++) {
                    for (int32_t i = 0; i < run; i += channels) {
                        sum += elements[i];
                    }
                    elements += shape.input_row;
                }
                sum = sum > 0 ? sum + count / 2 : sum - count / 2;
                *output++ = (int8_t)(sum / count);
            }
        }
    }
}
