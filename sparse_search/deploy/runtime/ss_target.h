/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core that is compiled for is good at, and how its compiler is told.
 *
 *     SS_MVE               1 with the vector extension of Armv8.1-M (Cortex-M55, M85), in integers
 *     SS_DSP               1 with the DSP extension (Cortex-M4, M7, M33) and without SS_MVE
 *     SS_SHORT_MULTIPLY    1 where a product of two 32-bit numbers keeps 32 bits (Cortex-M0, M0+)
 *     SS_INLINE            a function that is always inlined, so that what is constant in a call
 *                          is constant in it
 *     SS_NEVER_INLINE      a function that stays one
 *     SS_UNROLL(count)     before a loop: so many passes at a time
 *
 * All choices give the same bytes. SS_PORTABLE leaves them out: plain C99.
 */
#ifndef SS_TARGET_H
#define SS_TARGET_H

#include "ss_platform.h"

#define SS_MVE 0
#define SS_DSP 0
#define SS_SHORT_MULTIPLY 0

#if defined(__GNUC__) && !defined(SS_PORTABLE)
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#undef SS_MVE
#define SS_MVE 1
#elif defined(__ARM_FEATURE_DSP) && !defined(__ARM_BIG_ENDIAN)
#undef SS_DSP
#define SS_DSP 1
#elif defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
#undef SS_SHORT_MULTIPLY
#define SS_SHORT_MULTIPLY 1
#endif
#endif

#if defined(__GNUC__)
#define SS_INLINE static inline __attribute__((always_inline))
#define SS_NEVER_INLINE static __attribute__((noinline))
#else
#define SS_INLINE static inline
#define SS_NEVER_INLINE static
#endif

/* The compiler forgets how it came by a pointer. It shall not save a load by keeping what an
 * earlier pass has loaded in a register that is needed for something else. */
#if defined(__GNUC__) && !defined(SS_PORTABLE)
#define SS_HIDE(pointer) __asm__("" : "+r"(pointer))
#else
#define SS_HIDE(pointer) ((void)0)
#endif

/* Whether the compiler knows a value where it inlines. */
#if defined(__GNUC__)
#define SS_IS_CONSTANT(value) __builtin_constant_p(value)
#else
#define SS_IS_CONSTANT(value) 0
#endif

#define SS_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define SS_UNROLL(count) SS_PRAGMA(unroll count)
#elif defined(__GNUC__) && __GNUC__ >= 8
#define SS_UNROLL(count) SS_PRAGMA(GCC unroll count)
#else
#define SS_UNROLL(count)
#endif

#endif
