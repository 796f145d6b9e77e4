/* SPDX-License-Identifier: Apache-2.0
 *
 * Accumulators of several pixels and channels at a time; for kernels that are specialised.
 */
#ifndef SS_OUTPUT_BLOCK_H
#define SS_OUTPUT_BLOCK_H

#include "ss_output.h"

#if SS_MVE
#include "ss_mve.h"
#endif

/* Sums at their beginning; `count` is a constant. */
SS_INLINE void ss_begin_block(int32_t *sums, int count)
{
    SS_UNROLL(8)
    for (int i = 0; i < count; i++) {
        sums[i] = 0;
    }
}

/* Writes `outputs` consecutive channels, from `channel` on, of `pixels` pixels; both are constants.
 *
 * sums      int32 [pixels][outputs], without the biases
 * output    the first of them; those of the next pixel are `stride` further on. A stride of 0, a
 *           constant: the largest of all pixels is written */
SS_INLINE void ss_finish_block(const ss_output *to, int32_t channel, const int32_t *sums,
                               int pixels, int outputs, int8_t *output, int32_t stride)
{
#if SS_MVE
    if (outputs == 4) {
        const int32x4_t biases = ss_mve_biases(&to->channels, channel);

        SS_UNROLL(2)
        for (int p = 0; p < pixels; p++) {
            const int32x4_t sum = vaddq_s32(vldrwq_s32(sums + p * outputs), biases);
            int32x4_t values = ss_mve_scale_channels(sum, &to->channels, channel, to->small);

            values = ss_mve_clamp(values, to->zero_point, to->act_min, to->act_max);
            if (to->keep || (p > 0 && stride == 0)) {
                values = vmaxq_s32(values, vldrbq_s32(output + p * stride));
            }
            vstrbq_s32(output + p * stride, values);
        }
        return;
    }
#endif
    SS_UNROLL(4)
    for (int o = 0; o < outputs; o++) {
        const int32_t bias = ss_bias(&to->channels, channel + o);
        const int32_t multiplier = ss_multiplier(&to->channels, channel + o);
        const int32_t shift = ss_shift(&to->channels, channel + o);

        SS_UNROLL(4)
        for (int p = 0; p < pixels; p++) {
            ss_write(to->keep || (p > 0 && stride == 0),
                     ss_finish(to, sums[p * outputs + o] + bias, multiplier, shift),
                     output + p * stride + o);
        }
    }
}

#endif
