/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of weight * (input - zero_point) over windows, and the outputs that they become.
 *
 *     SS_PIXELS     pixels of a block that suit the core
 *     SS_OUTPUTS    outputs of such a block
 *     SS_ROWS       outputs of a block of one pixel
 */
#ifndef SS_DOT_H
#define SS_DOT_H

#include "ss_block.h"
#include "ss_output_block.h"

#if SS_DSP
#include "ss_dot_dsp.h"
#elif SS_MVE
#include "ss_dot_mve.h"
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
 * `outputs` at a time; pixels and outputs are constants. What `stride` is says ss_finish_block. */
SS_INLINE void ss_block_outputs(ss_block block, const ss_output *to, int32_t channels, int pixels,
                                int outputs, int8_t *output, int32_t stride)
{
    int32_t sums[8];
    int32_t channel = 0;

    for (; channel + outputs <= channels; channel += outputs) {
        ss_begin_block(sums, pixels * outputs);
        ss_dot_window(block, pixels, outputs, sums);
        ss_finish_block(to, channel, sums, pixels, outputs, output + channel, stride);
        block.weights += outputs * block.weights_stride;
    }
    if (channels % outputs != 0) {
        for (; channel < channels; channel++) {
            ss_begin_block(sums, pixels);
            ss_dot_window(block, pixels, 1, sums);
            ss_finish_block(to, channel, sums, pixels, 1, output + channel, stride);
            block.weights += block.weights_stride;
        }
    }
}

#endif
