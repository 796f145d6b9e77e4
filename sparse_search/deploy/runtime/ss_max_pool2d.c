/* SPDX-License-Identifier: Apache-2.0 */
#include "ss_max_pool2d.h"

#include "ss_window.h"

void ss_max_pool2d(const ss_pool_geometry *geometry, const int8_t *input, int8_t *output)
{
    const int32_t in_h = SS_READ_U16(&geometry->in_h);
    const int32_t in_w = SS_READ_U16(&geometry->in_w);
    const int32_t channels = SS_READ_U16(&geometry->channels);
    const int32_t out_h = SS_READ_U16(&geometry->out_h);
    const int32_t out_w = SS_READ_U16(&geometry->out_w);
    const int32_t k_h = SS_READ_U8(&geometry->k_h);
    const int32_t k_w = SS_READ_U8(&geometry->k_w);
    const int32_t s_h = SS_READ_U8(&geometry->s_h);
    const int32_t s_w = SS_READ_U8(&geometry->s_w);
    const int32_t pad_top = SS_READ_U8(&geometry->pad_top);
    const int32_t pad_left = SS_READ_U8(&geometry->pad_left);
    const int32_t input_row = in_w * channels;

    for (int32_t out_y = 0; out_y < out_h; out_y++) {
        const int32_t in_y = out_y * s_h - pad_top;
        const ss_taps rows = ss_clip(in_y, k_h, in_h);

        for (int32_t out_x = 0; out_x < out_w; out_x++) {
            const int32_t in_x = out_x * s_w - pad_left;
            const ss_taps columns = ss_clip(in_x, k_w, in_w);
            const int32_t run = (columns.end - columns.first) * channels;
            const int8_t *const window =
                input + (in_y + rows.first) * input_row + (in_x + columns.first) * channels;

            for (int32_t channel = 0; channel < channels; channel++) {
                const int8_t *elements = window + channel;
                int8_t largest = INT8_MIN;

                for (int32_t row = rows.first; row < rows.end; row++) {
                    for (int32_t i = 0; i < run; i += channels) {
                        largest = elements[i] > largest ? elements[i] : largest;
                    }
                    elements += input_row;
                }
                *output++ = largest;
            }
        }
    }
}
