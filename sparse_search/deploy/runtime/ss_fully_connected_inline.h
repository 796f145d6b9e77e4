/* SPDX-License-Identifier: Apache-2.0
 *
 * ss_fully_connected, to be specialised: inlined where the geometry is a constant. Same arguments,
 * same bytes; `small` is explained in ss_output.h.
 */
#ifndef SS_FULLY_CONNECTED_INLINE_H
#define SS_FULLY_CONNECTED_INLINE_H

#include "ss_dot.h"
#include "ss_fully_connected_geometry.h"

SS_INLINE void ss_fully_connected_inline(const ss_fully_connected_geometry *geometry,
                                         const int8_t *input, const int8_t *weights,
                                         ss_channels channels, int8_t *output, int small)
{
    const int32_t count = (int32_t)SS_READ_U32(&geometry->in_count);
    const int32_t outputs = SS_READ_U16(&geometry->out_count);
    const ss_output to =
        ss_output_of(channels, SS_READ_I8(&geometry->output_zero_point),
                     SS_READ_I8(&geometry->act_min), SS_READ_I8(&geometry->act_max), small);
    const ss_block block = {input, 0, weights, count, SS_READ_I8(&geometry->input_zero_point),
                            1,     count, 0,   0};

    ss_block_outputs(block, &to, outputs, 1, SS_ROWS, output, 0);
}

#endif
