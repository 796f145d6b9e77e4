/* SPDX-License-Identifier: Apache-2.0
 *
 * Which weights are stored: the gaps between them. SS_GAP_BITS is 4 or 8. What a cursor is:
 * ss_cursor.h.
 *
 * gaps      for each stored weight of the flattened row-major array (with SS_SHARED_ROW: for each
 *           kept column), and for the end of the array, how many weights that are not stored come
 *           before it: codes of SS_GAP_BITS bits, packed as in ss_bits.h. The largest code stands
 *           for as many weights and is followed by another code of the same gap.
 */
#ifndef SS_POSITIONS_GAPS_H
#define SS_POSITIONS_GAPS_H

#include "ss_bits.h"
#include "ss_cursor.h"

#define SS_POSITIONS_PARAMETER const uint8_t *gaps,
#define SS_CURSOR_BEGIN {SS_VALUES_BEGIN, gaps, {gaps, 0u, 0u}, 0u}
#define SS_GAP_ESCAPE (((uint32_t)1 << SS_GAP_BITS) - 1u)

typedef struct {
    ss_values values;
    const uint8_t *first; /* of the gaps */
    ss_bits codes;
    uint32_t gap; /* weights from here to the next stored one */
} ss_cursor;

static inline void ss_gaps_next(ss_cursor *cursor)
{
    uint32_t gap = 0u;
    uint32_t code;

    do {
#if SS_GAP_BITS == 8
        code = SS_READ_U8(cursor->codes.next);
        cursor->codes.next++;
#else
        code = ss_bits_take(&cursor->codes, SS_GAP_BITS);
#endif
        gap += code;
    } while (code == SS_GAP_ESCAPE);
    cursor->gap = gap;
}

static inline void ss_begin(ss_cursor *cursor)
{
    if (!SS_SHARED_ROW) {
        ss_gaps_next(cursor);
    }
}

static inline void ss_begin_row(ss_cursor *cursor)
{
    if (SS_SHARED_ROW) {
        cursor->codes.next = cursor->first;
        cursor->codes.left = 0u;
        cursor->codes.buffer = 0u;
        ss_gaps_next(cursor);
    }
}

static inline void ss_skip(ss_cursor *cursor, uint32_t count)
{
    uint32_t stored = 0u;

    while (cursor->gap < count) {
        count -= cursor->gap + 1u;
        stored++;
        ss_gaps_next(cursor);
    }
    cursor->gap -= count;
    ss_values_skip(&cursor->values, stored);
}

SS_INLINE void ss_dot(ss_cursor *cursor, ss_inputs inputs, uint32_t count, int32_t *sums)
{
    while (cursor->gap < count) {
        inputs.element += cursor->gap;
        count -= cursor->gap + 1u;
        ss_multiply(inputs, 0u, ss_values_next(&cursor->values), sums);
        inputs.element++;
        ss_gaps_next(cursor);
    }
    cursor->gap -= count;
}

#endif
