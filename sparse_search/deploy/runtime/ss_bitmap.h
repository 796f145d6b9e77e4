/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights stored as a bitmap and the nonzero values.
 *
 * bitmap    one bit per weight of the flattened row-major array, least significant bit first,
 *           ceil(count / 8) bytes; a set bit marks a nonzero weight
 * values    the nonzero weights in the same order
 *
 * A cursor walks both together; it only moves forward.
 */
#ifndef SS_BITMAP_H
#define SS_BITMAP_H

#include "ss_platform.h"

typedef struct {
    const uint8_t *bitmap;
    const int8_t *values; /* the next nonzero weight */
    uint32_t position;    /* the next bit */
} ss_bitmap_cursor;

/* Up to `limit` (>= 1) bits from the cursor's position to the end of its byte, lowest first;
 * the number of them goes to `taken`. */
static inline uint32_t ss_bitmap_bits(const ss_bitmap_cursor *cursor, uint32_t limit,
                                      uint32_t *taken)
{
    const uint32_t offset = cursor->position & 7u;
    const uint32_t left = 8u - offset;
    const uint32_t bits = (uint32_t)SS_READ_U8(cursor->bitmap + (cursor->position >> 3)) >> offset;

    *taken = limit < left ? limit : left;
    return bits & (((uint32_t)1 << *taken) - 1u);
}

/* Moves over `count` weights. */
static inline void ss_bitmap_skip(ss_bitmap_cursor *cursor, uint32_t count)
{
    while (count > 0u) {
        uint32_t taken;
        uint32_t bits = ss_bitmap_bits(cursor, count, &taken);

        cursor->position += taken;
        count -= taken;
        for (; bits != 0u; bits &= bits - 1u) {
            cursor->values++;
        }
    }
}

/* Moves over `count` weights; returns the sum of weight * (input - zero_point). */
static inline int32_t ss_bitmap_dot(ss_bitmap_cursor *cursor, const int8_t *input, uint32_t count,
                                    int32_t zero_point)
{
    const int8_t *values = cursor->values;
    int32_t sum = 0;

    while (count > 0u) {
        uint32_t taken;
        uint32_t bits = ss_bitmap_bits(cursor, count, &taken);

        cursor->position += taken;
        count -= taken;
#ifdef SS_COUNT_TRAILING_ZEROS
        for (; bits != 0u; bits &= bits - 1u) {
            const int32_t element = input[SS_COUNT_TRAILING_ZEROS(bits)];

            sum += (int32_t)SS_READ_I8(values) * (element - zero_point);
            values++;
        }
#else
        for (const int8_t *element = input; bits != 0u; bits >>= 1, element++) {
            if ((bits & 1u) != 0u) {
                sum += (int32_t)SS_READ_I8(values) * ((int32_t)*element - zero_point);
                values++;
            }
        }
#endif
        input += taken;
    }
    cursor->values = values;
    return sum;
}

#endif
