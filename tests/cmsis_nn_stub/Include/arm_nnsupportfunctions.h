/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of CMSIS-NN's support functions that exports use; see arm_nnfunctions.h. */
#ifndef ARM_NNSUPPORTFUNCTIONS_H
#define ARM_NNSUPPORTFUNCTIONS_H

#include <stdint.h>

static inline int32_t arm_nn_requantize(const int32_t val, const int32_t multiplier,
                                        const int32_t shift)
{
    const int64_t widened = (int64_t)val * (shift > 0 ? (int64_t)1 << shift : 1);
    int64_t result = (widened * multiplier + ((int64_t)1 << 30)) >> 31;

    if (shift < 0) {
        /* Halves away from zero. */
        const int64_t half = (int64_t)1 << (-shift - 1);
        result = result < 0 ? -((-result + half) >> -shift) : (result + half) >> -shift;
    }
    return (int32_t)result;
}

#endif
