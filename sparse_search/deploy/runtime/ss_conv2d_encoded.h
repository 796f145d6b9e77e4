/* SPDX-License-Identifier: Apache-2.0
 *
 * The convolution over encoded weights, written once: the body of SS_KERNEL, which computes what
 * ss_conv2d computes. Included after a header of values and one of positions (see ss_cursor.h);
 * a row is the weights [k_h][k_w][in_c] of one output channel.
 */
#include "ss_conv_shape.h"

/* What the window of a pixel, or of two neighbours, sees.
 *
 * inputs     its first element
 * rows, run  rows, and elements of a row
 * before     weights of a channel before those of the first row, which are not needed
 * between    such weights between two rows
 * after      such weights after the last row */
typedef struct {
    ss_inputs inputs;
    int32_t rows, run;
    int32_t input_row;
    int32_t before, between, after;
} ss_encoded_window;

SS_INLINE ss_encoded_window ss_encoded_window_at(const ss_conv_shape *shape, const int8_t *input,
                                                 int32_t in_y, ss_taps rows, int32_t in_x,
                                                 ss_taps columns)
{
    ss_encoded_window window;

    window.input_row = shape->input_row;
    window.inputs.element =
        input + (in_y + rows.first) * shape->input_row + (in_x + columns.first) * shape->in_c;
    window.inputs.stride = shape->s_w * shape->in_c;
    window.inputs.pixels = 1;
    window.rows = rows.end - rows.first;
    window.run = (columns.end - columns.first) * shape->in_c;
    window.before = rows.first * shape->kernel_row + columns.first * shape->in_c;
    window.between = shape->kernel_row - window.run;
    window.after =
        (shape->k_h - rows.end) * shape->kernel_row + (shape->k_w - columns.end) * shape->in_c;
    return window;
}

/* Sums of one channel. */
SS_INLINE void ss_encoded_channel(ss_cursor *cursor, ss_encoded_window window, int32_t *sums)
{
    int32_t outside = window.before;

    ss_begin_row(cursor);
    for (int32_t row = 0; row < window.rows; row++) {
        ss_skip(cursor, (uint32_t)outside);
        ss_dot(cursor, window.inputs, (uint32_t)window.run, sums);
        window.inputs.element += window.input_row;
        outside = window.between;
    }
    ss_skip(cursor, (uint32_t)window.after);
}

/* All outputs of one pixel, or of two; `pixels` is a constant. */
SS_INLINE void ss_encoded_pixels(ss_cursor *cursor, ss_encoded_window window, const ss_output *to,
                                 int32_t channels, int pixels, int8_t *output)
{
    window.inputs.pixels = pixels;
    ss_begin(cursor);
    for (int32_t channel = 0; channel < channels; channel++) {
        int32_t sums[2] = {0, 0};
        int32_t bias, multiplier, shift;

        ss_encoded_channel(cursor, window, sums);
        bias = ss_bias(&to->channels, channel);
        multiplier = ss_multiplier(&to->channels, channel);
        shift = ss_shift(&to->channels, channel);
        output[channel] = ss_finish(to, sums[0] + bias, multiplier, shift);
        if (pixels == 2) {
            output[channels + channel] = ss_finish(to, sums[1] + bias, multiplier, shift);
        }
    }
}

void SS_KERNEL(const ss_conv_geometry *geometry, const int8_t *input,
               SS_POSITIONS_PARAMETER SS_VALUES_PARAMETERS, SS_CHANNELS_PARAMETERS, int8_t *output)
{
    const ss_conv_shape shape = ss_conv_shape_read(geometry);
    const ss_output to = ss_conv_output(geometry, SS_CHANNELS, SS_ANY_FACTORS);

    for (int32_t out_y = 0; out_y < shape.out_h; out_y++) {
        const int32_t in_y = out_y * shape.s_h - shape.pad_top;
        const ss_taps rows = ss_clip(in_y, shape.k_h, shape.in_h);

        for (int32_t out_x = 0; out_x < shape.out_w; out_x++) {
            const int32_t in_x = out_x * shape.s_w - shape.pad_left;
            const ss_taps columns = ss_clip(in_x, shape.k_w, shape.in_w);
            ss_cursor cursor = SS_CURSOR_BEGIN;
            ss_encoded_window window =
                ss_encoded_window_at(&shape, input, in_y, rows, in_x, columns);

            window.inputs.zero_point = SS_READ_I8(&geometry->input_zero_point);
            /* A neighbour sees the same taps if neither window leaves the input. */
            if (SS_PAIRS && columns.first == 0 && in_x + shape.s_w + shape.k_w <= shape.in_w &&
                out_x + 1 < shape.out_w) {
                ss_encoded_pixels(&cursor, window, &to, shape.out_c, 2, output);
                output += shape.out_c;
                out_x++;
            } else {
                ss_encoded_pixels(&cursor, window, &to, shape.out_c, 1, output);
            }
            output += shape.out_c;
        }
    }
}
