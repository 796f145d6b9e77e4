/* SPDX-License-Identifier: Apache-2.0
 *
 * ss_conv2d, to be specialised: inlined where the geometry is a constant, so that the compiler
 * resolves every dimension. Same arguments, same bytes; `small` is explained in ss_output.h.
 *
 * Writes blocks of 1 or 2 output pixels of a row, all channels of a block before the next block.
 */
#ifndef SS_CONV2D_INLINE_H
#define SS_CONV2D_INLINE_H

#include "ss_conv_shape.h"
#include "ss_dot.h"

SS_INLINE void ss_conv2d_inline(const ss_conv_geometry *geometry, const int8_t *input,
                                const int8_t *weights, ss_channels channels,
                                int8_t *output, int small)
{
    const ss_conv_shape shape = ss_conv_shape_of(geometry);
    const ss_output to = ss_conv_output(geometry, channels, small);
    ss_block block;

    block.input_stride = shape.s_w * shape.in_c;
    block.weights_stride = shape.k_h * shape.kernel_row;
    block.zero_point = SS_READ_I8(&geometry->input_zero_point);
    block.input_row = shape.input_row;
    block.weights_row = shape.kernel_row;
    for (int32_t out_y = 0; out_y < shape.out_h; out_y++) {
        const int32_t in_y = out_y * shape.s_h - shape.pad_top;
        const ss_taps rows = ss_clip(in_y, shape.k_h, shape.in_h);
        const int8_t *const input_row = input + (in_y + rows.first) * shape.input_row;
        const int8_t *const window_weights = weights + rows.first * shape.kernel_row;

        block.rows = rows.end - rows.first;
        for (int32_t out_x = 0; out_x < shape.out_w;) {
            const int32_t in_x = out_x * shape.s_w - shape.pad_left;

            if (out_x >= shape.full_begin && out_x + SS_PIXELS <= shape.full_end) {
                block.input = input_row + in_x * shape.in_c;
                block.weights = window_weights;
                block.run = shape.kernel_row;
                ss_block_outputs(block, &to, shape.out_c, SS_PIXELS, SS_OUTPUTS, output,
                                 shape.out_c);
                output += SS_PIXELS * shape.out_c;
                out_x += SS_PIXELS;
            } else {
                const ss_taps columns = ss_clip(in_x, shape.k_w, shape.in_w);

                block.input = input_row + (in_x + columns.first) * shape.in_c;
                block.weights = window_weights + columns.first * shape.in_c;
                block.run = (columns.end - columns.first) * shape.in_c;
                ss_block_outputs(block, &to, shape.out_c, 1, SS_OUTPUTS, output, shape.out_c);
                output += shape.out_c;
                out_x++;
            }
        }
    }
}

#endif
