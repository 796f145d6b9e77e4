/* SPDX-License-Identifier: Apache-2.0
 *
 * Start of a program without an operating system on an emulated board; it speaks to the emulator
 * by semihosting.
 */
#include "bench.h"

#define COPROCESSOR_ACCESS (*(volatile uint32_t *)0xE000ED88u)
#define CONFIGURATION (*(volatile uint32_t *)0xE000ED14u)
#define TRAP_UNALIGNED (1u << 3)
#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define OPERATORS 64u

extern uint32_t bss_begin, bss_end, stack_top;

static uint32_t operator_ticks[OPERATORS];
static uint32_t checksums[OPERATORS];
static uint32_t operators;
static uint32_t last;
volatile uint32_t bench_wraps;

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print_number(uint32_t number)
{
    char digits[] = " 0000000000";

    for (int i = 10; i > 0; i--) {
        digits[i] = (char)('0' + number % 10u);
        number /= 10u;
    }
    semihost(SYS_WRITE0, digits);
}

void bench_print(const char *name, uint32_t ticks, uint32_t value)
{
    semihost(SYS_WRITE0, name);
    print_number(ticks);
    print_number(value);
    semihost(SYS_WRITE0, "\n");
}

uint32_t bench_equal(const int8_t *first, const int8_t *second, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (first[i] != second[i]) {
            return 0u;
        }
    }
    return 1u;
}

void sparse_search_trace(uint16_t operator_index, const int8_t *output, uint32_t bytes);
void sparse_search_trace(uint16_t operator_index, const int8_t *output, uint32_t bytes)
{
    const uint32_t now = bench_ticks();

    uint32_t sum = 0u;

    operator_ticks[operator_index] = now - last;
    operators = operator_index + 1u;
    checksums[operator_index] = 0u;
    for (uint32_t i = 0; i < bytes; i++) {
        sum += (uint8_t)output[i];
        checksums[operator_index] += sum;
    }
    last = bench_ticks();
}

void bench_start(void)
{
    last = bench_ticks();
}

void bench_print_operators(const char *name)
{
    for (uint32_t i = 0; i < operators; i++) {
        bench_print(name, operator_ticks[i], checksums[i]);
    }
}

static void reset(void)
{
    static const uint32_t success[2] = {0x20026u, 0u};

    COPROCESSOR_ACCESS |= 0xFu << 20;
#ifdef BENCH_TRAP_UNALIGNED
    CONFIGURATION |= TRAP_UNALIGNED;
#endif
    for (uint32_t *word = &bss_begin; word < &bss_end; word++) {
        *word = 0u;
    }
    TIMER_RELOAD = TIMER_LARGEST;
    TIMER_VALUE = TIMER_LARGEST;
    TIMER_CONTROL = TIMER_START;
    bench();
    semihost(SYS_EXIT_EXTENDED, success);
    for (;;) {
    }
}

static void fault(void)
{
    static const uint32_t failure[2] = {0x20026u, 3u};

    semihost(SYS_EXIT_EXTENDED, failure);
    for (;;) {
    }
}

static void wrap(void)
{
    bench_wraps++;
}

typedef struct {
    const uint32_t *stack;
    void (*handlers[15])(void);
} vectors;

__attribute__((section(".vectors"), used)) static const vectors table = {
    &stack_top,
    {reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, 0, 0, 0, 0, wrap},
};
