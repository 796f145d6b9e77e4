/* SPDX-License-Identifier: Apache-2.0 */
#include "ss_add.h"

#include "ss_requantize.h"

#define HEADROOM ((int32_t)1 << 20)

void ss_add(const ss_add_geometry *geometry, const int8_t *input1, const int8_t *input2,
            int8_t *output)
{
    const uint32_t count = SS_READ_U32(&geometry->count);
    const int32_t multiplier1 = SS_READ_I32(&geometry->multiplier1);
    const int32_t multiplier2 = SS_READ_I32(&geometry->multiplier2);
    const int32_t multiplier_out = SS_READ_I32(&geometry->multiplier_out);
    const int32_t shift1 = SS_READ_I8(&geometry->shift1);
    const int32_t shift2 = SS_READ_I8(&geometry->shift2);
    const int32_t shift_out = SS_READ_I8(&geometry->shift_out);
    const int32_t zero_point1 = SS_READ_I8(&geometry->zero_point1);
    const int32_t zero_point2 = SS_READ_I8(&geometry->zero_point2);
    const int32_t zero_point_out = SS_READ_I8(&geometry->zero_point_out);
    const int32_t act_min = SS_READ_I8(&geometry->act_min);
    const int32_t act_max = SS_READ_I8(&geometry->act_max);

    for (uint32_t i = 0; i < count; i++) {
        const int32_t a = ((int32_t)input1[i] - zero_point1) * HEADROOM;
        const int32_t b = ((int32_t)input2[i] - zero_point2) * HEADROOM;
        const int32_t sum = ss_requantize(a, multiplier1, shift1) +
                            ss_requantize(b, multiplier2, shift2);

        output[i] = ss_clamp(ss_requantize(sum, multiplier_out, shift_out), zero_point_out,
                             act_min, act_max);
    }
}
