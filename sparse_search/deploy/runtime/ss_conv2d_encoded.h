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
        ss_write(to->keep, ss_finish(to, sums[0] + bias, multiplier, shift), output + channel);
        if (pixels == 2) {
            ss_write(SS_POOLED, ss_finish(to, sums[1] + bias, multiplier, shift),
                     output + (SS_POOLED ? 0 : channels) + channel);
        }
    }
}

typedef struct {
    ss_conv_shape shape;
    ss_output to;
    const int8_t *input;
    int32_t zero_point;
    ss_cursor begin;
} ss_conv_job;

/* See ss_conv_walk.h. */
SS_INLINE int8_t *ss_conv_row(ss_conv_job *job, int32_t out_y, int32_t first, int32_t end,
                              int8_t *output)
{
    const ss_conv_shape shape = job->shape;
    const int32_t in_y = out_y * shape.s_h - shape.pad_top;
    const ss_taps rows = ss_clip(in_y, shape.k_h, shape.in_h);

    for (int32_t out_x = first; out_x < end; out_x++) {
        const int32_t in_x = out_x * shape.s_w - shape.pad_left;
        const ss_taps columns = ss_clip(in_x, shape.k_w, shape.in_w);
        ss_cursor cursor = job->begin;
        ss_encoded_window window =
            ss_encoded_window_at(&shape, job->input, in_y, rows, in_x, columns);

        window.inputs.zero_point = job->zero_point;
        /* A neighbour sees the same taps if neither window leaves the input. */
        if (SS_PAIRS && columns.first == 0 && in_x + shape.s_w + shape.k_w <= shape.in_w &&
            out_x + 1 < end) {
            ss_encoded_pixels(&cursor, window, &job->to, shape.out_c, 2, output);
            output += SS_POOLED ? 0 : shape.out_c;
            out_x++;
        } else {
            ss_encoded_pixels(&cursor, window, &job->to, shape.out_c, 1, output);
        }
        output += SS_POOLED ? 0 : shape.out_c;
        job->to.keep = SS_POOLED;
    }
    return output;
}

#include "ss_conv_walk.h"

void SS_KERNEL(SS_CONV_PARAMETER, const int8_t *input, SS_POSITIONS_PARAMETER SS_VALUES_PARAMETERS,
               SS_CHANNELS_PARAMETERS, int8_t *output)
{
    const ss_cursor begin = SS_CURSOR_BEGIN;
    ss_conv_job job;

    job.shape = ss_conv_shape_read(SS_CONV);
    job.to = ss_conv_output(SS_CONV, SS_CHANNELS, SS_ANY_FACTORS);
    job.input = input;
    job.zero_point = SS_READ_I8(&SS_CONV->input_zero_point);
    job.begin = begin;
    ss_conv_walk(&job, geometry, output);
}
