/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of a fixed width packed into bytes, least significant bit first, without gaps: a field may
 * begin in one byte and end in the next. Never reads a byte that holds nothing of what is asked for.
 */
#ifndef SS_BITS_H
#define SS_BITS_H

#include "ss_platform.h"

typedef struct {
    const uint8_t *next; /* the first byte that is not in the buffer */
    uint32_t buffer;     /* bits that were read and not taken, lowest first */
    uint32_t left;       /* how many */
} ss_bits;

/* The next field of `width` (1 .. 8) bits. */
static inline uint32_t ss_bits_take(ss_bits *bits, uint32_t width)
{
    uint32_t field;

    if (bits->left < width) {
        bits->buffer |= (uint32_t)SS_READ_U8(bits->next) << bits->left;
        bits->next++;
        bits->left += 8u;
    }
    field = bits->buffer & (((uint32_t)1 << width) - 1u);
    bits->buffer >>= width;
    bits->left -= width;
    return field;
}

/* Moves over `count` bits. */
static inline void ss_bits_skip(ss_bits *bits, uint32_t count)
{
    if (count <= bits->left) {
        bits->buffer >>= count;
        bits->left -= count;
        return;
    }
    count -= bits->left;
    bits->next += count >> 3;
    bits->buffer = 0u;
    bits->left = 0u;
    if ((count & 7u) != 0u) {
        bits->buffer = (uint32_t)SS_READ_U8(bits->next) >> (count & 7u);
        bits->next++;
        bits->left = 8u - (count & 7u);
    }
}

#endif
