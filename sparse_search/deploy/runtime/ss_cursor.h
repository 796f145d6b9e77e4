/* SPDX-License-Identifier: Apache-2.0
 *
 * What ss_conv2d_kernel.h and ss_fully_connected_kernel.h read weights with.
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
 *     ss_dot                    moves over `count` weights of the row; returns the sum of
 *                               weight * (input - zero_point)
 *
 * A row is the weights of one output; its calls of ss_skip and ss_dot add up to the whole row.
 *
 * With SS_SHARED_ROW the positions are those of one row and hold for all: columns that no output
 * reads are left out, and of the others every weight is stored, zeros too.
 */
#ifndef SS_CURSOR_H
#define SS_CURSOR_H

#include "ss_platform.h"

#ifndef SS_SHARED_ROW
#define SS_SHARED_ROW 0
#endif

#endif
