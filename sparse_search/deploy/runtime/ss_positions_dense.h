/* SPDX-License-Identifier: Apache-2.0
 *
 * Every weight is stored, zeros too. What a cursor is: ss_cursor.h.
 */
#ifndef SS_POSITIONS_DENSE_H
#define SS_POSITIONS_DENSE_H

#include "ss_cursor.h"

#define SS_POSITIONS_PARAMETER
#define SS_CURSOR_BEGIN {SS_VALUES_BEGIN}

typedef struct {
    ss_values values;
} ss_cursor;

static inline void ss_begin(ss_cursor *cursor)
{
    (void)cursor;
}

static inline void ss_begin_row(ss_cursor *cursor)
{
    (void)cursor;
}

static inline void ss_skip(ss_cursor *cursor, uint32_t count)
{
    ss_values_skip(&cursor->values, count);
}

SS_INLINE void ss_dot(ss_cursor *cursor, ss_inputs inputs, uint32_t count, int32_t *sums)
{
    for (; count > 0u; count--) {
        ss_multiply(inputs, 0u, ss_values_next(&cursor->values), sums);
        inputs.element++;
    }
}

#endif
