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
 * output    the first of them; those of the next pixel are `stride` further on */
SS_INLINE void ss_finish_block(const ss_output *to, int32_t channel, const int32_t *sums,
                               int pixels, int outputs, int8_t *output, int32_t stride)
{
#if SS_MVE
    if (outputs == 4) {
        const int32x4_t biases = ss_mve_biases(&to->channels, channel);

        SS_UNROLL(2)
        for (int p = 0; p < pixels; p++) {
            const int32x4_t values =
                ss_mve_scale_channels(vaddq_s32(vldrwq_s32(sums + p * outputs), biases),
                                      &to->channels, channel, to->small);

            vstrbq_s32(output + p * stride,
                       ss_mve_clamp(values, to->zero_point, to->act_min, to->act_max));
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
            output[p * stride + o] = ss_finish(to, sums[p * outputs + o] + bias, multiplier, shift);
        }
    }
}

#endif
