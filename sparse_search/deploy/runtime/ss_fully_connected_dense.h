/* SPDX-License-Identifier: Apache-2.0
 *
 * The fully connected operator that stores every weight, written once: the body of SS_KERNEL,
 * whose arguments are those of ss_fully_connected. SS_NARROW says in which form the channels are.
 */
#include "ss_channels.h"
#include "ss_fully_connected_geometry.h"
#include "ss_requantize.h"

void SS_KERNEL(const ss_fully_connected_geometry *geometry, const int8_t *input,
               const int8_t *weights, SS_CHANNELS_PARAMETERS, int8_t *output)
{
    const uint32_t in_count = SS_READ_U32(&geometry->in_count);
    const int32_t out_count = SS_READ_U16(&geometry->out_count);
    const int32_t zero_point = SS_READ_I8(&geometry->input_zero_point);
    const int32_t output_zero_point = SS_READ_I8(&geometry->output_zero_point);
    const int32_t act_min = SS_READ_I8(&geometry->act_min);
    const int32_t act_max = SS_READ_I8(&geometry->act_max);
    const ss_channels channels = SS_CHANNELS;

    for (int32_t out = 0; out < out_count; out++) {
        int32_t sum = 0;

        for (uint32_t i = 0; i < in_count; i++) {
            sum += (int32_t)SS_READ_I8(weights + i) * ((int32_t)input[i] - zero_point);
        }
        weights += in_count;
        sum += ss_bias(&channels, out);
        sum = ss_requantize(sum, ss_multiplier(&channels, out), ss_shift(&channels, out));
        output[out] = ss_clamp(sum, output_zero_point, act_min, act_max);
    }
}
