/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pixels a convolution computes, in which order, and where each goes. Included by the bodies
 * of kernels after
 *
 *     ss_conv_job    what the kernel works with; `shape` and `to` are members
 *     ss_conv_row    computes pixels first .. end - 1 of row out_y: all channels of one, then the
 *                    next; where SS_POOLED all go to the same place, else side by side; returns
 *                    where the next one goes
 */
#ifndef SS_CONV_WALK_H
#define SS_CONV_WALK_H

#if SS_POOLED

/* Window after window of the pooling; what a later one reads does not lie before what this one
 * reads first. */
SS_INLINE void ss_conv_walk(ss_conv_job *job, SS_CONV_PARAMETER, int8_t *output)
{
    const int32_t p_h = SS_READ_U8(&geometry->p_h), p_w = SS_READ_U8(&geometry->p_w);

    for (int32_t y = 0; y < job->shape.out_h; y++) {
        for (int32_t x = 0; x < job->shape.out_w; x++) {
            job->to.keep = 0;
            for (int32_t row = y * p_h; row < (y + 1) * p_h; row++) {
                (void)ss_conv_row(job, row, x * p_w, (x + 1) * p_w, output);
            }
            output += job->shape.out_c;
        }
    }
}

#else

SS_INLINE void ss_conv_walk(ss_conv_job *job, SS_CONV_PARAMETER, int8_t *output)
{
    (void)geometry;
    for (int32_t y = 0; y < job->shape.out_h; y++) {
        output = ss_conv_row(job, y, 0, job->shape.out_w, output);
    }
}

#endif

#endif
