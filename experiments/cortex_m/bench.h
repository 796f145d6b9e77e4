/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts instructions on an emulated board: with `-icount shift=8` an instruction takes 256 ns of
 * emulated time, and a timer of the board tells that time.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#ifdef BENCH_SYSTICK
#define TIMER_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define TIMER_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define TIMER_VALUE (*(volatile uint32_t *)0xE000E018u)
#define TIMER_START 7u /* on, interrupt at zero, at the processor's clock */
#define TIMER_LARGEST 0xFFFFFFu
#else
#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)
#define TIMER_START 1u
#define TIMER_LARGEST 0xFFFFFFFFu
#endif

extern volatile uint32_t bench_wraps; /* of a timer that is shorter than 32 bits */

static inline uint32_t bench_ticks(void)
{
    const uint32_t ticks = TIMER_LARGEST - TIMER_VALUE;

    return TIMER_LARGEST == 0xFFFFFFFFu ? ticks : bench_wraps * (TIMER_LARGEST + 1u) + ticks;
}

/* Runs `call`, and prints the name, the timer's ticks and 1 or 0, whether `output` equals `expected`. */
#define MEASURE(name, call, output)                                                                \
    do {                                                                                           \
        const uint32_t start = bench_ticks();                                                      \
        call;                                                                                      \
        bench_print(name, bench_ticks() - start, bench_equal(expected, output, sizeof expected));  \
    } while (0)

void bench(void);
void bench_print(const char *name, uint32_t ticks, uint32_t value);
uint32_t bench_equal(const int8_t *first, const int8_t *second, uint32_t count);

/* Prints ticks and a checksum of the output of every operator of a model that is compiled with its
 * trace: bench_start is called before the model, bench_print_operators after it. The checksum is
 * the sum of all sums of the first bytes: s1 + (s1 + s2) + (s1 + s2 + s3) + ..., modulo 2^32. */
void bench_start(void);
void bench_print_operators(const char *name);

#endif
