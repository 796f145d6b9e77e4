/* SPDX-License-Identifier: Apache-2.0
 *
 * What a machine gives to the verification: the next image, a place for results, a counter. One C
 * file implements it for all Cortex-M boards, another for the AVR.
 */
#ifndef HARNESS_PORT_H
#define HARNESS_PORT_H

#include <stddef.h>
#include <stdint.h>

/* The linker script's: RAM is guard, .data and .bss, guard, then the stack that grows down. */
extern uint8_t guard_below[], guard_below_end[], guard_above[], guard_above_end[];

/* Address of the lowest byte that the caller's stack frame holds. */
static inline uint8_t *port_stack(void)
{
    uint8_t *stack;

#ifdef __AVR__
    __asm__ volatile("in %A0, __SP_L__\n\tin %B0, __SP_H__" : "=r"(stack));
    return stack + 1; /* the register names the next free byte */
#else
    __asm__ volatile("mov %0, sp" : "=r"(stack));
    return stack;
#endif
}

/* Writes image `index` of `bytes` bytes to `image`. Returns 0 where there is none. */
int port_read_image(uint32_t index, int8_t *image, uint16_t bytes);

void port_write(const void *bytes, uint32_t count);

/* The counter of instructions or cycles from zero. Where it is too narrow, `fine` asks for its low
 * bits, and 0 for its high ones. */
void port_counter_begin(int fine);
uint32_t port_counter_end(void);

/* The program of the verification; the start-up calls it once. Returns 0 if it ran to its end. */
int harness_main(void);

#endif
