/* SPDX-License-Identifier: Apache-2.0
 *
 * Start of a program without an operating system on the board mps2-an386; it speaks to the emulator
 * by semihosting.
 */
#include "bench.h"

#define COPROCESSOR_ACCESS (*(volatile uint32_t *)0xE000ED88u)
#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u

extern uint32_t bss_begin, bss_end;

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void bench_print(const char *name, uint32_t ticks, int equal)
{
    char digits[] = " 0000000000 ?\n";

    for (int i = 10; i > 0; i--) {
        digits[i] = (char)('0' + ticks % 10u);
        ticks /= 10u;
    }
    digits[12] = equal ? '1' : '0';
    semihost(SYS_WRITE0, name);
    semihost(SYS_WRITE0, digits);
}

int bench_equal(const int8_t *first, const int8_t *second, uint32_t count)
{
    uint32_t same = 0;

    for (uint32_t i = 0; i < count; i++) {
        same += first[i] == second[i];
    }
    return same == count;
}

static void reset(void)
{
    static const uint32_t success[2] = {0x20026u, 0u};

    COPROCESSOR_ACCESS |= 0xFu << 20;
    for (uint32_t *word = &bss_begin; word < &bss_end; word++) {
        *word = 0u;
    }
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1u;
    bench();
    semihost(SYS_EXIT_EXTENDED, success);
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[2])(void) = {
    (void (*)(void))0x20100000u, /* end of the stack */
    reset,
};
