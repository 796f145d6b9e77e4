/* SPDX-License-Identifier: Apache-2.0
 *
 * What ss_conv2d_encoded.h and ss_fully_connected_encoded.h read weights with.
 *
 * A kernel's file includes one ss_values_*.h, which says how stored weights are written, then one
 * ss_positions_*.h, which says which weights are stored, then the kernel. ss_positions_*.h defines
 *
 *     SS_POSITIONS_PARAMETER    the kernel's parameter for the positions, with a comma, or nothing
 *     ss_cursor                 where in the weights a kernel is; moves forward only
 *     SS_CURSOR_BEGIN           its initialiser, from the kernel's parameters
 *     ss_begin                  to be called once, before the first row
 *     ss_begin_row              to be called at the beginning of every row
 *     ss_skip                   moves over `count` weights of the row
 *     ss_dot                    moves over `count` weights of the row; adds to sums
 *                               weight * (input - zero_point) of one or two pixels (ss_inputs)
 *
 * A row is the weights of one output; its calls of ss_skip and ss_dot add up to the whole row.
 *
 * With SS_SHARED_ROW the positions are those of one row and hold for all: columns that no output
 * reads are left out, and of the others every weight is stored, zeros too.
 *
 * With SS_PAIRS a convolution reads each weight once for two pixels, where it can.
 */
#ifndef SS_CURSOR_H
#define SS_CURSOR_H

#include "ss_target.h"

#ifndef SS_SHARED_ROW
#define SS_SHARED_ROW 0
#endif

#ifndef SS_PAIRS
#define SS_PAIRS 0
#endif

/* What a weight is multiplied with.
 *
 * element       of the first pixel; that of the second one is `stride` further on
 * pixels        1, or 2: a constant */
typedef struct {
    const int8_t *element;
    int32_t stride;
    int32_t zero_point;
    int pixels;
} ss_inputs;

/* Adds the products of a weight with the elements that are `at` further on. */
SS_INLINE void ss_multiply(ss_inputs inputs, uint32_t at, int32_t weight, int32_t *sums)
{
    sums[0] += weight * ((int32_t)inputs.element[at] - inputs.zero_point);
    if (inputs.pixels == 2) {
        sums[1] += weight * ((int32_t)(inputs.element + inputs.stride)[at] - inputs.zero_point);
    }
}

#endif
