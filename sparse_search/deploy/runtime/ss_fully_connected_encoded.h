/* SPDX-License-Identifier: Apache-2.0
 *
 * The fully connected operator over encoded weights, written once: the body of SS_KERNEL, which
 * computes what ss_fully_connected computes. Included after a header of values and one of positions
 * (see ss_cursor.h); a row is the weights [in_count] of one output.
 */
#include "ss_channels.h"
#include "ss_fully_connected_geometry.h"
#include "ss_requantize.h"

void SS_KERNEL(const ss_fully_connected_geometry *geometry, const int8_t *input,
               SS_POSITIONS_PARAMETER SS_VALUES_PARAMETERS, SS_CHANNELS_PARAMETERS, int8_t *output)
{
    const uint32_t in_count = SS_READ_U32(&geometry->in_count);
    const int32_t out_count = SS_READ_U16(&geometry->out_count);
    const int32_t zero_point = SS_READ_I8(&geometry->input_zero_point);
    const int32_t output_zero_point = SS_READ_I8(&geometry->output_zero_point);
    const int32_t act_min = SS_READ_I8(&geometry->act_min);
    const int32_t act_max = SS_READ_I8(&geometry->act_max);
    const ss_channels channels = SS_CHANNELS;
    const ss_inputs inputs = {input, 0, zero_point, 1};
    ss_cursor cursor = SS_CURSOR_BEGIN;

    ss_begin(&cursor);
    for (int32_t out = 0; out < out_count; out++) {
        int32_t sum = 0;

        ss_begin_row(&cursor);
        ss_dot(&cursor, inputs, in_count, &sum);
        sum += ss_bias(&channels, out);
        sum = ss_requantize(sum, ss_multiplier(&channels, out), ss_shift(&channels, out));
        output[out] = ss_clamp(sum, output_zero_point, act_min, act_max);
    }
}
