/* SPDX-License-Identifier: Apache-2.0 */
#include "ss_concat.h"

#include "ss_requantize.h"

void ss_concat(const ss_concat_geometry *geometry, const int8_t *input, int8_t *output)
{
    const uint32_t count = SS_READ_U32(&geometry->count);
    const int32_t multiplier = SS_READ_I32(&geometry->multiplier);
    const int32_t shift = SS_READ_I8(&geometry->shift);
    const int32_t input_zero_point = SS_READ_I8(&geometry->input_zero_point);
    const int32_t output_zero_point = SS_READ_I8(&geometry->output_zero_point);

    for (uint32_t i = 0; i < count; i++) {
        const int32_t value = (int32_t)input[i] - input_zero_point;

        output[i] = ss_clamp(ss_requantize(value, multiplier, shift), output_zero_point, INT8_MIN,
                             INT8_MAX);
    }
}
