/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of weight * (input - zero_point) for a block of pixels and outputs at once, so that what is
 * loaded is used more than once. For kernels that are specialised.
 *
 *     SS_PIXELS     pixels of a block that suit the core
 *     SS_OUTPUTS    outputs of such a block
 *     SS_ROWS       outputs of a block of one pixel
 */
#ifndef SS_DOT_H
#define SS_DOT_H

#include "ss_output.h"

#if SS_DSP
#include "ss_dsp.h"
#endif

#if SS_MVE
#define SS_PIXELS 2
#define SS_OUTPUTS 4
#define SS_ROWS 4
#elif SS_SHORT_MULTIPLY
#define SS_PIXELS 1
#define SS_OUTPUTS 2
#define SS_ROWS 2
#else
#define SS_PIXELS 2
#define SS_OUTPUTS 2
#define SS_ROWS 4
#endif

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

#if SS_DSP
/* The same for elements at .. at + 3. */
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

/* Adds a row of the window to sums [pixels][outputs]; pixels and outputs are constants. */
SS_INLINE void ss_dot_row(ss_block *block, int pixels, int outputs, int32_t *sums)
{
    int32_t at = 0;

#if SS_DSP
    if (SS_IS_CONSTANT(block->run)) {
        for (; at + 16 <= block->run; at += 16) {
            SS_UNROLL(4)
            for (int32_t word = 0; word < 16; word += 4) {
                SS_HIDE(block->input);
                ss_dot_word(block, at + word, pixels, outputs, sums);
            }
        }
    }
    for (; at + 4 <= block->run; at += 4) {
        SS_HIDE(block->input);
        ss_dot_word(block, at, pixels, outputs, sums);
    }
#endif
    if (SS_IS_CONSTANT(block->run)) {
        SS_UNROLL(4)
        for (; at < block->run; at++) {
            ss_dot_element(block, at, pixels, outputs, sums);
        }
    }
    for (; at < block->run; at++) {
        ss_dot_element(block, at, pixels, outputs, sums);
    }
}

#if SS_MVE
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

/* Adds the window to sums [pixels][outputs]; pixels and outputs are constants, 4 at most. */
SS_INLINE void ss_dot_window(ss_block block, int pixels, int outputs, int32_t *sums)
{
#if SS_MVE
    if (pixels * outputs <= 4) {
        ss_dot_vectors(block, pixels, outputs, outputs, sums);
    } else {
        ss_dot_vectors(block, 2, 2, outputs, sums);
        block.weights += 2 * block.weights_stride;
        ss_dot_vectors(block, 2, 2, outputs, sums + 2);
    }
#else
    for (; block.rows > 0; block.rows--) {
        ss_dot_row(&block, pixels, outputs, sums);
        block.input += block.input_row;
        block.weights += block.weights_row;
    }
#endif
}

/* Writes all `channels` outputs of `pixels` neighbouring pixels that see the same window, so many
 * `outputs` at a time; pixels and outputs are constants. */
SS_INLINE void ss_block_outputs(ss_block block, const ss_output *to, int32_t channels, int pixels,
                                int outputs, int8_t *output)
{
    int32_t sums[8];
    int32_t channel = 0;

    for (; channel + outputs <= channels; channel += outputs) {
        ss_begin_block(to, channel, sums, pixels, outputs);
        ss_dot_window(block, pixels, outputs, sums);
        ss_finish_block(to, channel, sums, pixels, outputs, output + channel, channels);
        block.weights += outputs * block.weights_stride;
    }
    if (channels % outputs != 0) {
        for (; channel < channels; channel++) {
            ss_begin_block(to, channel, sums, pixels, 1);
            ss_dot_window(block, pixels, 1, sums);
            ss_finish_block(to, channel, sums, pixels, 1, output + channel, channels);
            block.weights += block.weights_stride;
        }
    }
}

#endif
