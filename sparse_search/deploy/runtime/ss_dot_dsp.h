/* SPDX-License-Identifier: Apache-2.0
 *
 * Four products at a time, with the DSP extension.
 */
#ifndef SS_DOT_DSP_H
#define SS_DOT_DSP_H

#include "ss_block.h"
#include "ss_dsp.h"

/* Adds the products of elements at .. at + 3 of every input with those of every row of weights. */
SS_INLINE void ss_dot_word(const ss_block *block, int32_t at, int pixels, int outputs,
                           int32_t *sums)
{
    const int32_t addend = ss_both(-block->zero_point);
    int32_t even[4], odd[4];

    SS_UNROLL(4)
    for (int p = 0; p < pixels; p++) {
        const int32_t word = ss_load4(block->input + p * block->input_stride + at);

        even[p] = ss_even_plus(word, addend);
        odd[p] = ss_odd_plus(word, addend);
    }
    SS_UNROLL(4)
    for (int o = 0; o < outputs; o++) {
        const int32_t word = ss_load4(block->weights + o * block->weights_stride + at);
        const int32_t even_weights = ss_even(word), odd_weights = ss_odd(word);

        SS_UNROLL(4)
        for (int p = 0; p < pixels; p++) {
            const int32_t sum = ss_add_products(even_weights, even[p], sums[p * outputs + o]);

            sums[p * outputs + o] = ss_add_products(odd_weights, odd[p], sum);
        }
    }
}

#endif
