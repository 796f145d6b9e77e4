/* SPDX-License-Identifier: Apache-2.0
 *
 * Which weights are stored: a bit for each. What a cursor is: ss_cursor.h.
 *
 * bitmap    one bit per weight of the flattened row-major array (with SS_SHARED_ROW: per column),
 *           least significant bit first, ceil(count / 8) bytes; a set bit marks a stored weight
 */
#ifndef SS_POSITIONS_BITMAP_H
#define SS_POSITIONS_BITMAP_H

#include "ss_cursor.h"

#define SS_POSITIONS_PARAMETER const uint8_t *bitmap,
#define SS_CURSOR_BEGIN {SS_VALUES_BEGIN, bitmap, 0u}

typedef struct {
    ss_values values;
    const uint8_t *bitmap;
    uint32_t position; /* the next bit */
} ss_cursor;

static inline void ss_begin(ss_cursor *cursor)
{
    (void)cursor;
}

static inline void ss_begin_row(ss_cursor *cursor)
{
    if (SS_SHARED_ROW) {
        cursor->position = 0u;
    }
}

/* Moves over up to `limit` (>= 1) bits, to the end of a byte at most; returns them, lowest first.
 * The number of them goes to `taken`. */
static inline uint32_t ss_bitmap_bits(ss_cursor *cursor, uint32_t limit, uint32_t *taken)
{
    const uint32_t offset = cursor->position & 7u;
    const uint32_t left = 8u - offset;
    const uint32_t bits = (uint32_t)SS_READ_U8(cursor->bitmap + (cursor->position >> 3)) >> offset;

    *taken = limit < left ? limit : left;
    cursor->position += *taken;
    return bits & (((uint32_t)1 << *taken) - 1u);
}

static inline void ss_skip(ss_cursor *cursor, uint32_t count)
{
    uint32_t stored = 0u;

    while (count > 0u) {
        uint32_t taken;
        uint32_t bits = ss_bitmap_bits(cursor, count, &taken);

        count -= taken;
        for (; bits != 0u; bits &= bits - 1u) {
            stored++;
        }
    }
    ss_values_skip(&cursor->values, stored);
}

SS_INLINE void ss_dot(ss_cursor *cursor, ss_inputs inputs, uint32_t count, int32_t *sums)
{
    while (count > 0u) {
        uint32_t taken;
        uint32_t bits = ss_bitmap_bits(cursor, count, &taken);

        count -= taken;
#ifdef SS_COUNT_TRAILING_ZEROS
        for (; bits != 0u; bits &= bits - 1u) {
            const uint32_t at = SS_COUNT_TRAILING_ZEROS(bits);

            ss_multiply(inputs, at, ss_values_next(&cursor->values), sums);
        }
#else
        for (uint32_t at = 0u; bits != 0u; bits >>= 1, at++) {
            if ((bits & 1u) != 0u) {
                ss_multiply(inputs, at, ss_values_next(&cursor->values), sums);
            }
        }
#endif
        inputs.element += taken;
    }
}

#endif
