/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts instructions on an emulated board: with `-icount shift=8` an instruction takes 256 ns of
 * emulated time, and a timer of the board tells that time.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

/* Runs `call`, and prints the name, the timer's ticks and whether `output` equals `expected`. */
#define MEASURE(name, call, output)                                                                \
    do {                                                                                           \
        const uint32_t start = bench_ticks();                                                      \
        call;                                                                                      \
        bench_print(name, bench_ticks() - start, bench_equal(expected, output, sizeof expected));  \
    } while (0)

void bench(void);
uint32_t bench_ticks(void);
void bench_print(const char *name, uint32_t ticks, int equal);
int bench_equal(const int8_t *first, const int8_t *second, uint32_t count);

/* Ticks of every operator of the model that ran last, where it is compiled with its trace:
 * bench_start is called before the model, bench_print_operators after it. */
void bench_start(void);
void bench_print_operators(const char *name, int equal);

#endif
