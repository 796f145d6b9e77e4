/* SPDX-License-Identifier: Apache-2.0
 *
 * How an accumulator becomes an output.
 *
 * channels    see ss_channels.h
 * small       a constant: SS_SMALL_FACTORS where every channel fulfils what ss_requantize_small
 *             asks for, else SS_ANY_FACTORS
 */
#ifndef SS_OUTPUT_H
#define SS_OUTPUT_H

#include "ss_channels.h"
#include "ss_requantize.h"

#define SS_ANY_FACTORS 0
#define SS_SMALL_FACTORS 1

typedef struct {
    ss_channels channels;
    int32_t zero_point;
    int32_t act_min, act_max; /* clamp, after the zero point is added */
    int small;
    int keep; /* whether larger values that are there stay, as in pooling */
} ss_output;

SS_INLINE ss_output ss_output_of(ss_channels channels, int32_t zero_point, int32_t act_min,
                                 int32_t act_max, int small)
{
    const ss_output to = {channels, zero_point, act_min, act_max, small, 0};

    return to;
}

/* The output that an accumulator becomes. */
SS_INLINE int8_t ss_finish(const ss_output *to, int32_t sum, int32_t multiplier, int32_t shift)
{
    int32_t value;

    if (!to->small) {
        value = ss_requantize(sum, multiplier, shift);
        return ss_clamp(value, to->zero_point, to->act_min, to->act_max);
    }
    value = ss_requantize_small(sum, multiplier, shift) + to->zero_point;
    return ss_clamp_small(value, to->act_min, to->act_max);
}

/* Writes a value, or with `keep` the larger one of it and what is there. */
SS_INLINE void ss_write(int keep, int8_t value, int8_t *output)
{
    *output = keep && *output > value ? *output : value;
}

#endif
