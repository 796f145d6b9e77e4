/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator with weights keeps for every output channel, in one of two forms:
 *
 *                 wide                  narrow
 *     bias        int32 [channels]      int16 [channels], each times 2^max(-shift - 4, 0)
 *     multiplier  int32 [channels]      int32 [1], that of every channel
 *     shift       int8 [channels]       int8 [channels]
 *
 * ss_requantize.h says what multiplier and shift are. Narrow, a channel takes 3 bytes and not 9, and
 * the unit of its bias is 1/16 of a step of the output at most, or one step of the accumulator.
 *
 * A kernel is compiled for one form: SS_NARROW is 1 or 0.
 */
#ifndef SS_CHANNELS_H
#define SS_CHANNELS_H

#include "ss_target.h"

#define SS_BIAS_FRACTION 4

#ifndef SS_NARROW
#define SS_NARROW 0
#endif

/* The arguments of a kernel, and what it makes of them. */
#if SS_NARROW
#define SS_CHANNELS_PARAMETERS \
    const int16_t *bias, const int32_t *multiplier, const int8_t *shift
#define SS_CHANNELS ss_narrow(bias, multiplier, shift)
#else
#define SS_CHANNELS_PARAMETERS \
    const int32_t *bias, const int32_t *multiplier, const int8_t *shift
#define SS_CHANNELS ss_wide(bias, multiplier, shift)
#endif

typedef struct {
    const int32_t *bias;       /* NULL if narrow */
    const int16_t *short_bias; /* NULL if wide */
    const int32_t *multiplier;
    const int8_t *shift;
    int narrow;                /* a constant */
} ss_channels;

SS_INLINE ss_channels ss_wide(const int32_t *bias, const int32_t *multiplier, const int8_t *shift)
{
    const ss_channels channels = {bias, NULL, multiplier, shift, 0};

    return channels;
}

SS_INLINE ss_channels ss_narrow(const int16_t *bias, const int32_t *multiplier,
                                const int8_t *shift)
{
    const ss_channels channels = {NULL, bias, multiplier, shift, 1};

    return channels;
}

SS_INLINE int32_t ss_shift(const ss_channels *channels, int32_t channel)
{
    return SS_READ_I8(channels->shift + channel);
}

SS_INLINE int32_t ss_multiplier(const ss_channels *channels, int32_t channel)
{
    return SS_READ_I32(channels->multiplier + (channels->narrow ? 0 : channel));
}

SS_INLINE int32_t ss_bias(const ss_channels *channels, int32_t channel)
{
    int32_t left;

    if (!channels->narrow) {
        return SS_READ_I32(channels->bias + channel);
    }
    left = -ss_shift(channels, channel) - SS_BIAS_FRACTION;
    return SS_READ_I16(channels->short_bias + channel) *
           (int32_t)((uint32_t)1 << (left > 0 ? left : 0));
}

#endif
