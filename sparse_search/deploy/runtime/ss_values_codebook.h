/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored weights as indices into the few values that they take. SS_CODEBOOK_BITS is 2, 3 or 4.
 *
 * indices     uint8 [ceil(SS_CODEBOOK_BITS * stored weights / 8)], packed as in ss_bits.h
 * codebook    int8 [at most 2^SS_CODEBOOK_BITS], -127 .. 127
 */
#ifndef SS_VALUES_CODEBOOK_H
#define SS_VALUES_CODEBOOK_H

#include "ss_bits.h"

#define SS_VALUES_PARAMETERS const uint8_t *indices, const int8_t *codebook
#define SS_VALUES_BEGIN {{indices, 0u, 0u}, codebook}

typedef struct {
    ss_bits indices;
    const int8_t *codebook;
} ss_values;

/* The next stored weight. */
static inline int32_t ss_values_next(ss_values *values)
{
    const uint32_t index = ss_bits_take(&values->indices, SS_CODEBOOK_BITS);

    return SS_READ_I8(values->codebook + index);
}

/* Moves over `count` stored weights. */
static inline void ss_values_skip(ss_values *values, uint32_t count)
{
    ss_bits_skip(&values->indices, SS_CODEBOOK_BITS * count);
}

#endif
