/* SPDX-License-Identifier: Apache-2.0
 *
 * How read-only data is stored and read, and what the runtime assumes of the compiler.
 *
 * Weights, biases and tables are const arrays declared with SS_RODATA and read only through the
 * SS_READ macros. On machines with one address space that is a plain load. A machine that keeps
 * constants in an address space of its own (AVR: program memory, below 64 KB) redefines the macros
 * here and nowhere else.
 */
#ifndef SS_PLATFORM_H
#define SS_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __AVR__
#include <avr/pgmspace.h>

#define SS_RODATA PROGMEM
#define SS_READ_I8(pointer) ((int8_t)pgm_read_byte(pointer))
#define SS_READ_U8(pointer) ((uint8_t)pgm_read_byte(pointer))
#define SS_READ_I16(pointer) ((int16_t)pgm_read_word(pointer))
#define SS_READ_U16(pointer) ((uint16_t)pgm_read_word(pointer))
#define SS_READ_I32(pointer) ((int32_t)pgm_read_dword(pointer))
#define SS_READ_U32(pointer) ((uint32_t)pgm_read_dword(pointer))
#ifdef __AVR_HAVE_ELPM__
/* Whether a constant lies beyond the 64 KB that these read. */
#define SS_IS_FAR(constant) \
    ((__extension__ pgm_get_far_address(constant)) + sizeof(constant) > 0x10000u)
#endif
#else
#define SS_RODATA
#define SS_READ_I8(pointer) (*(pointer))
#define SS_READ_U8(pointer) (*(pointer))
#define SS_READ_I16(pointer) (*(pointer))
#define SS_READ_U16(pointer) (*(pointer))
#define SS_READ_I32(pointer) (*(pointer))
#define SS_READ_U32(pointer) (*(pointer))
#endif

/* The type of a constant, aligned as it must be and no more: compilers that optimize for speed would
 * align arrays and records further, which leaves gaps. */
#ifdef __GNUC__
#define SS_UNPADDED(type) __attribute__((aligned(__alignof__(type)))) type
#else
#define SS_UNPADDED(type) type
#endif

/* Only where it is an instruction or two: elsewhere a loop is shorter and as fast. Define
 * SS_PORTABLE to leave all such choices out; the results are the same. */
#if !defined(SS_PORTABLE) && \
    (defined(__x86_64__) || defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7))
#define SS_COUNT_TRAILING_ZEROS(bits) ((uint32_t)__builtin_ctz((unsigned)(bits)))
#endif

/* Fails to compile where `condition` is false. */
#define SS_STATIC_ASSERT(name, condition) typedef char name[(condition) ? 1 : -1]

/* Requantization shifts negative numbers right; C99 leaves the result to the compiler. */
SS_STATIC_ASSERT(ss_right_shift_is_arithmetic, ((int64_t)-3 >> 1) == -2);

#endif
