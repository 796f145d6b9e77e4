/* SPDX-License-Identifier: Apache-2.0
 *
 * Which taps of a kernel fall inside the input, along one axis.
 *
 * Padding never enters a sum: it stands for the input's zero point, which contributes nothing, and
 * pooling leaves it out. So every kernel clips its window instead of filling a border.
 *
 * Order: kernels with windows write their output in blocks of one or two pixels, which may begin at
 * any pixel, from the first byte to the last, all channels of a block before the next block. When a
 * block is begun, what lies before the first byte of the input that its pixels or later ones see is
 * not read any more, and the output may lie over it.
 */
#ifndef SS_WINDOW_H
#define SS_WINDOW_H

#include "ss_platform.h"

/* Taps first .. end - 1 of a kernel are inside the input. */
typedef struct {
    int32_t first;
    int32_t end;
} ss_taps;

/* origin    input coordinate of tap 0; negative inside the padding
 * kernel    taps along the axis
 * size      input coordinates along the axis
 *
 * At least one tap must be inside: the exporter refuses windows that see only padding. */
static inline ss_taps ss_clip(int32_t origin, int32_t kernel, int32_t size)
{
    ss_taps taps;

    taps.first = origin < 0 ? -origin : 0;
    taps.end = size - origin < kernel ? size - origin : kernel;
    return taps;
}

#endif
