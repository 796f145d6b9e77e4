/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored weights, one byte each.
 *
 * values    int8 [stored weights], -127 .. 127
 */
#ifndef SS_VALUES_INT8_H
#define SS_VALUES_INT8_H

#include "ss_platform.h"

#define SS_VALUES_PARAMETERS const int8_t *values
#define SS_VALUES_BEGIN {values}

typedef struct {
    const int8_t *next;
} ss_values;

/* The next stored weight. */
static inline int32_t ss_values_next(ss_values *values)
{
    const int32_t value = SS_READ_I8(values->next);

    values->next++;
    return value;
}

/* Moves over `count` stored weights; where none is stored, `values` is NULL and stays so. */
static inline void ss_values_skip(ss_values *values, uint32_t count)
{
    if (count > 0u) {
        values->next += count;
    }
}

#endif
