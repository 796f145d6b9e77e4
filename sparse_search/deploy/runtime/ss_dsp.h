/* SPDX-License-Identifier: Apache-2.0
 *
 * Instructions of the DSP extension that C has no words for, one function each. A word holds four
 * bytes or two halves, the lowest first.
 *
 * All are volatile, so that they stay in the order in which they are written: a compiler that moves
 * every load and widening of an unrolled loop to its beginning runs out of registers.
 */
#ifndef SS_DSP_H
#define SS_DSP_H

#include "ss_target.h"

/* Four bytes from any address. */
SS_INLINE int32_t ss_load4(const int8_t *bytes)
{
    int32_t word;

    __builtin_memcpy(&word, bytes, 4);
    return word;
}

/* Bytes 0 and 2 as halves, each plus the half of `addend`. */
SS_INLINE int32_t ss_even_plus(int32_t bytes, int32_t addend)
{
    int32_t halves;

    __asm__ volatile("sxtab16 %0, %1, %2" : "=r"(halves) : "r"(addend), "r"(bytes));
    return halves;
}

/* Bytes 1 and 3 as halves, each plus the half of `addend`. */
SS_INLINE int32_t ss_odd_plus(int32_t bytes, int32_t addend)
{
    int32_t halves;

    __asm__ volatile("sxtab16 %0, %1, %2, ror #8" : "=r"(halves) : "r"(addend), "r"(bytes));
    return halves;
}

/* Bytes 0 and 2 as halves. */
SS_INLINE int32_t ss_even(int32_t bytes)
{
    int32_t halves;

    __asm__ volatile("sxtb16 %0, %1" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* Bytes 1 and 3 as halves. */
SS_INLINE int32_t ss_odd(int32_t bytes)
{
    int32_t halves;

    __asm__ volatile("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* `sum` plus the products of both pairs of halves. */
SS_INLINE int32_t ss_add_products(int32_t a, int32_t b, int32_t sum)
{
    __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* `sum` plus the product of the low halves. */
SS_INLINE int32_t ss_add_low_product(int32_t a, int32_t b, int32_t sum)
{
    __asm__ volatile("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* `sum` plus the product of the high halves. */
SS_INLINE int32_t ss_add_high_product(int32_t a, int32_t b, int32_t sum)
{
    __asm__ volatile("smlatt %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* The larger of each of four pairs of bytes. */
SS_INLINE int32_t ss_max4(int32_t a, int32_t b)
{
    int32_t largest;

    __asm__ volatile("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(largest) : "r"(a), "r"(b) : "cc");
    return largest;
}

/* A half in both halves of a word. */
SS_INLINE int32_t ss_both(int32_t half)
{
    return (int32_t)(((uint32_t)half & 0xFFFFu) | (uint32_t)half << 16);
}

#endif
