/* SPDX-License-Identifier: Apache-2.0
 *
 * The convolution over encoded weights, written once: the body of SS_KERNEL, which computes what
 * ss_conv2d computes. Included after a header of values and one of positions (see ss_cursor.h);
 * a row is the weights [k_h][k_w][in_c] of one output channel.
 */
#include "ss_conv_geometry.h"
#include "ss_requantize.h"
#include "ss_window.h"

void SS_KERNEL(const ss_conv_geometry *geometry, const int8_t *input,
               SS_POSITIONS_PARAMETER SS_VALUES_PARAMETERS, const int32_t *bias,
               const int32_t *multiplier, const int8_t *shift, int8_t *output)
{
    const int32_t in_h = SS_READ_U16(&geometry->in_h);
    const int32_t in_w = SS_READ_U16(&geometry->in_w);
    const int32_t in_c = SS_READ_U16(&geometry->in_c);
    const int32_t out_h = SS_READ_U16(&geometry->out_h);
    const int32_t out_w = SS_READ_U16(&geometry->out_w);
    const int32_t out_c = SS_READ_U16(&geometry->out_c);
    const int32_t k_h = SS_READ_U8(&geometry->k_h);
    const int32_t k_w = SS_READ_U8(&geometry->k_w);
    const int32_t s_h = SS_READ_U8(&geometry->s_h);
    const int32_t s_w = SS_READ_U8(&geometry->s_w);
    const int32_t pad_top = SS_READ_U8(&geometry->pad_top);
    const int32_t pad_left = SS_READ_U8(&geometry->pad_left);
    const int32_t zero_point = SS_READ_I8(&geometry->input_zero_point);
    const int32_t output_zero_point = SS_READ_I8(&geometry->output_zero_point);
    const int32_t act_min = SS_READ_I8(&geometry->act_min);
    const int32_t act_max = SS_READ_I8(&geometry->act_max);
    const int32_t input_row = in_w * in_c;
    const int32_t kernel_row = k_w * in_c;

    for (int32_t out_y = 0; out_y < out_h; out_y++) {
        const int32_t in_y = out_y * s_h - pad_top;
        const ss_taps rows = ss_clip(in_y, k_h, in_h);

        for (int32_t out_x = 0; out_x < out_w; out_x++) {
            const int32_t in_x = out_x * s_w - pad_left;
            const ss_taps columns = ss_clip(in_x, k_w, in_w);
            const int32_t run = (columns.end - columns.first) * in_c;
            /* Weights between two runs, before the first one and after the last one. */
            const int32_t between = kernel_row - run;
            const int32_t before = rows.first * kernel_row + columns.first * in_c;
            const int32_t after = (k_h - rows.end) * kernel_row + (k_w - columns.end) * in_c;
            const int8_t *const window =
                input + (in_y + rows.first) * input_row + (in_x + columns.first) * in_c;
            ss_cursor cursor = SS_CURSOR_BEGIN;

            ss_begin(&cursor);
            for (int32_t channel = 0; channel < out_c; channel++) {
                const int8_t *elements = window;
                int32_t outside = before;
                int32_t sum = SS_READ_I32(bias + channel);

                ss_begin_row(&cursor);
                for (int32_t row = rows.first; row < rows.end; row++) {
                    ss_skip(&cursor, (uint32_t)outside);
                    sum += ss_dot(&cursor, elements, (uint32_t)run, zero_point);
                    elements += input_row;
                    outside = between;
                }
                ss_skip(&cursor, (uint32_t)after);
                sum = ss_requantize(sum, SS_READ_I32(multiplier + channel),
                                    SS_READ_I8(shift + channel));
                *output++ = ss_clamp(sum, output_zero_point, act_min, act_max);
            }
        }
    }
}
