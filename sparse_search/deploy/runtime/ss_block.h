/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of pixels and outputs that are summed at once, so that what is loaded is used more than
 * once. For kernels that are specialised.
 */
#ifndef SS_BLOCK_H
#define SS_BLOCK_H

#include "ss_target.h"

/* Where the elements of a block are, row by row.
 *
 * input          of pixel 0; that of pixel p is input_stride * p further on
 * weights        of output 0; those of output o are weights_stride * o further on
 * rows           of the window
 * run            elements of a row, side by side in the input and in the weights
 * input_row      from a row to the next
 * weights_row    the same in the weights */
typedef struct {
    const int8_t *input;
    int32_t input_stride;
    const int8_t *weights;
    int32_t weights_stride;
    int32_t zero_point;
    int32_t rows, run;
    int32_t input_row, weights_row;
} ss_block;

/* Adds the products of element `at` of every input with that of every row of weights. */
SS_INLINE void ss_dot_element(const ss_block *block, int32_t at, int pixels, int outputs,
                              int32_t *sums)
{
    int32_t elements[4];

    SS_UNROLL(4)
    for (int p = 0; p < pixels; p++) {
        elements[p] = (int32_t)block->input[p * block->input_stride + at] - block->zero_point;
    }
    SS_UNROLL(4)
    for (int o = 0; o < outputs; o++) {
        const int32_t weight = SS_READ_I8(block->weights + o * block->weights_stride + at);

        SS_UNROLL(4)
        for (int p = 0; p < pixels; p++) {
            sums[p * outputs + o] += weight * elements[p];
        }
    }
}

#endif
