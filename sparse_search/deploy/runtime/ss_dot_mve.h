/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen products at a time, with the vector extension.
 *
 * Weights are multiplied with the input as it is; the zero point times the sum of the weights comes
 * off at the end.
 */
#ifndef SS_DOT_MVE_H
#define SS_DOT_MVE_H

#include "ss_block.h"
#include "ss_mve.h"

/* Adds elements at .. at + 15, or where `whole` is the constant 0 the first ones that `some` names,
 * to sums [pixels][outputs] and to the sums of the weights [outputs]. */
SS_INLINE void ss_dot_vector(const ss_block *block, int32_t at, int whole, mve_pred16_t some,
                             int pixels, int outputs, int32_t *sums, int32_t *weight_sums)
{
    int8x16_t elements[2];

    SS_UNROLL(2)
    for (int p = 0; p < pixels; p++) {
        const int8_t *const input = block->input + p * block->input_stride + at;

        elements[p] = whole ? vldrbq_s8(input) : vldrbq_z_s8(input, some);
    }
    SS_UNROLL(4)
    for (int o = 0; o < outputs; o++) {
        const int8_t *const row = block->weights + o * block->weights_stride + at;
        const int8x16_t weights = whole ? vldrbq_s8(row) : vldrbq_z_s8(row, some);

        weight_sums[o] = vaddvaq_s8(weight_sums[o], weights);
        SS_UNROLL(2)
        for (int p = 0; p < pixels; p++) {
            sums[p * outputs + o] = vmladavaq_s8(sums[p * outputs + o], weights, elements[p]);
        }
    }
}

/* Adds the window to sums [pixels][stride], `outputs` of each pixel; pixels * outputs is at most 4,
 * since there are eight registers that can be added to. */
SS_INLINE void ss_dot_vectors(ss_block block, int pixels, int outputs, int stride, int32_t *sums)
{
    int32_t products[4], weight_sums[4] = {0, 0, 0, 0};
    const mve_pred16_t some = vctp8q((uint32_t)block.run & 15u);

    SS_UNROLL(4)
    for (int i = 0; i < pixels * outputs; i++) {
        products[i] = sums[i / outputs * stride + i % outputs];
    }
    for (; block.rows > 0; block.rows--) {
        int32_t at = 0;

        for (; at + 16 <= block.run; at += 16) {
            ss_dot_vector(&block, at, 1, some, pixels, outputs, products, weight_sums);
        }
        if (at < block.run) {
            ss_dot_vector(&block, at, 0, some, pixels, outputs, products, weight_sums);
        }
        block.input += block.input_row;
        block.weights += block.weights_row;
    }
    SS_UNROLL(4)
    for (int i = 0; i < pixels * outputs; i++) {
        sums[i / outputs * stride + i % outputs] =
            products[i] - block.zero_point * weight_sums[i % outputs];
    }
}

#endif
