/* SPDX-License-Identifier: Apache-2.0
 *
 * ss_conv2d_pooled, to be specialised: inlined where the geometry is a constant, so that the
 * compiler resolves every dimension. Same arguments, same bytes; `small` is explained in
 * ss_output.h.
 *
 * Writes one pixel of the pooled map after the other, all its channels before the next.
 */
#ifndef SS_CONV2D_POOLED_INLINE_H
#define SS_CONV2D_POOLED_INLINE_H

#include "ss_conv_shape.h"
#include "ss_dot.h"

SS_INLINE void ss_conv2d_pooled_inline(const ss_pooled_conv_geometry *geometry,
                                       const int8_t *input, const int8_t *weights,
                                       ss_channels channels, int8_t *output, int small)
{
    const ss_conv_shape shape = ss_conv_shape_read(&geometry->conv);
    const int32_t p_h = SS_READ_U8(&geometry->p_h), p_w = SS_READ_U8(&geometry->p_w);
    /* From one window of the pooling to the next, in the input. */
    const int32_t step_h = p_h * shape.s_h, step_w = p_w * shape.s_w;
    ss_output to = ss_conv_output(&geometry->conv, channels, small);
    ss_block block;

    block.input_stride = shape.s_w * shape.in_c;
    block.weights_stride = shape.k_h * shape.kernel_row;
    block.zero_point = SS_READ_I8(&geometry->conv.input_zero_point);
    block.input_row = shape.input_row;
    block.weights_row = shape.kernel_row;
    for (int32_t pixel = 0; pixel < shape.out_h * shape.out_w; pixel++) {
        const int32_t first_y = pixel / shape.out_w * step_h - shape.pad_top;
        const int32_t first_x = pixel % shape.out_w * step_w - shape.pad_left;

        to.keep = 0;
        for (int32_t in_y = first_y; in_y < first_y + step_h; in_y += shape.s_h) {
            const ss_taps rows = ss_clip(in_y, shape.k_h, shape.in_h);
            const int8_t *const input_row = input + (in_y + rows.first) * shape.input_row;
            const int8_t *const window_weights = weights + rows.first * shape.kernel_row;

            block.rows = rows.end - rows.first;
            for (int32_t in_x = first_x; in_x < first_x + step_w;) {
                const int32_t last_x = in_x + (SS_PIXELS - 1) * shape.s_w;

                if (in_x >= 0 && last_x < first_x + step_w && last_x + shape.k_w <= shape.in_w) {
                    block.input = input_row + in_x * shape.in_c;
                    block.weights = window_weights;
                    block.run = shape.kernel_row;
                    ss_block_outputs(block, &to, shape.out_c, SS_PIXELS, SS_OUTPUTS, output, 0);
                    in_x += SS_PIXELS * shape.s_w;
                } else {
                    const ss_taps columns = ss_clip(in_x, shape.k_w, shape.in_w);

                    block.input = input_row + (in_x + columns.first) * shape.in_c;
                    block.weights = window_weights + columns.first * shape.in_c;
                    block.run = (columns.end - columns.first) * shape.in_c;
                    ss_block_outputs(block, &to, shape.out_c, 1, SS_OUTPUTS, output, 0);
                    in_x += shape.s_w;
                }
                to.keep = 1;
            }
        }
        output += shape.out_c;
    }
}

#endif
