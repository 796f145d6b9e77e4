/* SPDX-License-Identifier: Apache-2.0
 *
 * Which weights are stored: their columns, row by row. SS_LIST_BYTES is 1 or 2. What a cursor is:
 * ss_cursor.h.
 *
 * lists     for each row the number of stored weights, then their columns in ascending order; each
 *           number has SS_LIST_BYTES bytes, the least significant one first
 */
#ifndef SS_POSITIONS_LISTS_H
#define SS_POSITIONS_LISTS_H

#include "ss_cursor.h"

#define SS_POSITIONS_PARAMETER const uint8_t *lists,
#define SS_CURSOR_BEGIN {SS_VALUES_BEGIN, lists, 0u, 0u}

typedef struct {
    ss_values values;
    const uint8_t *next; /* the next number */
    uint32_t left;       /* stored weights of the row that are not passed */
    uint32_t column;     /* of the row */
} ss_cursor;

static inline uint32_t ss_lists_number(const ss_cursor *cursor)
{
#if SS_LIST_BYTES == 1
    return SS_READ_U8(cursor->next);
#else
    return (uint32_t)SS_READ_U8(cursor->next) | (uint32_t)SS_READ_U8(cursor->next + 1) << 8;
#endif
}

static inline void ss_begin(ss_cursor *cursor)
{
    (void)cursor;
}

static inline void ss_begin_row(ss_cursor *cursor)
{
    cursor->left = ss_lists_number(cursor);
    cursor->next += SS_LIST_BYTES;
    cursor->column = 0u;
}

static inline void ss_skip(ss_cursor *cursor, uint32_t count)
{
    uint32_t stored = 0u;

    cursor->column += count;
    while (cursor->left > 0u && ss_lists_number(cursor) < cursor->column) {
        cursor->next += SS_LIST_BYTES;
        cursor->left--;
        stored++;
    }
    ss_values_skip(&cursor->values, stored);
}

SS_INLINE void ss_dot(ss_cursor *cursor, ss_inputs inputs, uint32_t count, int32_t *sums)
{
    for (; cursor->left > 0u; cursor->left--) {
        const uint32_t column = ss_lists_number(cursor) - cursor->column;

        if (column >= count) {
            break;
        }
        cursor->next += SS_LIST_BYTES;
        ss_multiply(inputs, column, ss_values_next(&cursor->values), sums);
    }
    cursor->column += count;
}

#endif
