/* SPDX-License-Identifier: Apache-2.0
 *
 * The convolution that stores every weight, written once: the body of SS_KERNEL,
 * whose arguments are those of ss_conv2d. SS_NARROW says in which form the channels are, SS_POOLED
 * whether the output is pooled.
 */
#include "ss_conv_shape.h"

typedef struct {
    ss_conv_shape shape;
    ss_output to;
    const int8_t *input, *weights;
    int32_t zero_point;
} ss_conv_job;

/* As a function of its own it leaves the loop over weights more registers, which pays inside the
 * loops over windows of a pooling: a Cortex-M4 takes a fifth fewer instructions. */
#if SS_POOLED
#define SS_CONV_ROW SS_NEVER_INLINE
#else
#define SS_CONV_ROW SS_INLINE
#endif

/* See ss_conv_walk.h. */
SS_CONV_ROW int8_t *ss_conv_row(ss_conv_job *job, int32_t out_y, int32_t first, int32_t end,
                                int8_t *output)
{
    const ss_conv_shape *const shape = &job->shape;
    const int32_t in_y = out_y * shape->s_h - shape->pad_top;
    const ss_taps rows = ss_clip(in_y, shape->k_h, shape->in_h);

    for (int32_t out_x = first; out_x < end; out_x++) {
        const int32_t in_x = out_x * shape->s_w - shape->pad_left;
        const ss_taps columns = ss_clip(in_x, shape->k_w, shape->in_w);
        /* The taps of one kernel row lie side by side, in the input and in the weights. */
        const int32_t run = (columns.end - columns.first) * shape->in_c;
        const int8_t *const window = job->input + (in_y + rows.first) * shape->input_row +
                                     (in_x + columns.first) * shape->in_c;
        const int8_t *channel_weights =
            job->weights + rows.first * shape->kernel_row + columns.first * shape->in_c;

        for (int32_t channel = 0; channel < shape->out_c; channel++) {
            const int8_t *elements = window;
            const int8_t *taps = channel_weights;
            int32_t sum = 0;

            for (int32_t row = rows.first; row < rows.end; row++) {
                for (int32_t i = 0; i < run; i++) {
                    sum += (int32_t)SS_READ_I8(taps + i) * ((int32_t)elements[i] - job->zero_point);
                }
                elements += shape->input_row;
                taps += shape->kernel_row;
            }
            sum += ss_bias(&job->to.channels, channel);
            ss_write(job->to.keep,
                     ss_finish(&job->to, sum, ss_multiplier(&job->to.channels, channel),
                               ss_shift(&job->to.channels, channel)),
                     output++);
            channel_weights += shape->k_h * shape->kernel_row;
        }
        output -= SS_POOLED ? shape->out_c : 0;
        job->to.keep = SS_POOLED;
    }
    return output;
}

#include "ss_conv_walk.h"

void SS_KERNEL(SS_CONV_PARAMETER, const int8_t *input, const int8_t *weights,
               SS_CHANNELS_PARAMETERS, int8_t *output)
{
    ss_conv_job job;

    job.shape = ss_conv_shape_read(SS_CONV);
    job.to = ss_conv_output(SS_CONV, SS_CHANNELS, SS_ANY_FACTORS);
    job.input = input;
    job.weights = weights;
    job.zero_point = SS_READ_I8(&SS_CONV->input_zero_point);
    ss_conv_walk(&job, geometry, output);
}
