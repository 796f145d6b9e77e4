/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts the instructions of a call on the emulated board mps2-an386, whose timer runs at 25 MHz of
 * emulated time; with `-icount shift=8` an instruction takes 256 ns of it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)

/* Runs `call`, and prints the name, the timer's ticks and whether `output` equals `expected`. */
#define MEASURE(name, call, output)                                                                \
    do {                                                                                           \
        const uint32_t start = TIMER_VALUE;                                                        \
        call;                                                                                      \
        bench_print(name, start - TIMER_VALUE, bench_equal(expected, output, sizeof expected));    \
    } while (0)

void bench(void);
void bench_print(const char *name, uint32_t ticks, int equal);
int bench_equal(const int8_t *first, const int8_t *second, uint32_t count);

#endif
