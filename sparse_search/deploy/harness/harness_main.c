/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs an exported model on a microcontroller and watches its memory. verify_model.h is written
 * beside it and names the model. Has no variable outside the stack but the arena, so .bss is the
 * arena. What it writes, numbers as uint32, least significant byte first:
 *
 *     begin     refusals that were not as documented; bytes that a refused call has written; what
 *               the counter reads where nothing is counted
 *     runs      for each image two, the second over the complement of what the memory held in the
 *               first one: the output, VERIFY_OUTPUT_BYTES bytes; then as numbers the return
 *               code; from the arena's start to the last byte that was written; bytes written
 *               before the arena; bytes of stack; how many were watched; the counter
 *
 * Where fewer than HARNESS_STACK_BYTES are left for the stack of a call, there is no call, and the
 * stack is said to have taken all.
 *
 * With SPARSE_SEARCH_TRACE it writes, for the first image, of each operator index and byte count,
 * then its output; at the end the output.
 */
#include "harness_port.h"
#include "verify_model.h"

static uint32_t arena[(VERIFY_ARENA_BYTES + 3) / 4];

#ifdef SPARSE_SEARCH_TRACE
void sparse_search_trace(uint16_t operator_index, const int8_t *output, uint32_t bytes);
void sparse_search_trace(uint16_t operator_index, const int8_t *output, uint32_t bytes)
{
    const uint32_t header[2] = {operator_index, bytes};

    port_write(header, sizeof header);
    port_write(output, bytes);
}

int harness_main(void)
{
    if (port_read_image(0, VERIFY_INPUT(arena), VERIFY_INPUT_BYTES) == 0 ||
        VERIFY_INVOKE(arena, sizeof arena) != 0) {
        return 1;
    }
    port_write(VERIFY_OUTPUT(arena), VERIFY_OUTPUT_BYTES);
    return 0;
}
#else
#define PATTERN 0xA5u
#define STACK_BYTES 8192 /* that are watched, where there is as much: far more than kernels take */

/* Volatile keeps the compiler from calling memset, whose frame would be painted over. */
static inline void paint(volatile uint8_t *from, const uint8_t *to, uint8_t pattern)
{
    while (from < to) {
        *from++ = pattern;
    }
}

static uint32_t changed(const uint8_t *from, const uint8_t *to, uint8_t pattern)
{
    uint32_t count = 0;

    for (; from < to; from++) {
        count += *from != pattern;
    }
    return count;
}

/* The documented errors, and that nothing is written then. */
static void __attribute__((noinline)) begin(void)
{
    uint32_t report[3] = {0u, 0u, 0u};

    paint(guard_below, guard_above_end, PATTERN);
    report[0] += VERIFY_INVOKE(NULL, sizeof arena) != VERIFY_ERROR_ARENA_NULL;
    report[0] += VERIFY_INVOKE(arena, VERIFY_ARENA_BYTES - 1) != VERIFY_ERROR_ARENA_TOO_SMALL;
    report[0] += VERIFY_INVOKE(arena, 0) != VERIFY_ERROR_ARENA_TOO_SMALL;
#if VERIFY_ARENA_ALIGNMENT > 1
    report[0] += VERIFY_INVOKE((uint8_t *)arena + 1, sizeof arena) != VERIFY_ERROR_ARENA_MISALIGNED;
#endif
    report[1] = changed(guard_below, guard_above_end, PATTERN);
    port_counter_begin(1);
    report[2] = port_counter_end();
    port_write(report, sizeof report);
}

/* One inference; returns 0 where there is no such image. */
static int __attribute__((noinline)) run(uint32_t index, uint8_t pattern)
{
    const uint8_t *const start = (const uint8_t *)arena;
    const uint8_t *end = guard_above_end;
    uint8_t *const stack = port_stack();
    uint8_t *const bottom =
        stack - guard_above_end > STACK_BYTES ? stack - STACK_BYTES : guard_above_end;
    const uint8_t *lowest = bottom;
    uint32_t report[6];

    paint(guard_below, guard_above_end, pattern);
    if (port_read_image(index, VERIFY_INPUT(arena), VERIFY_INPUT_BYTES) == 0) {
        return 0;
    }
    paint(bottom, stack, pattern);
    if (stack - bottom >= HARNESS_STACK_BYTES) {
        port_counter_begin(pattern == PATTERN);
        report[0] = (uint32_t)VERIFY_INVOKE(arena, sizeof arena);
        report[5] = port_counter_end();
    } else {
        *bottom = (uint8_t)~pattern;
        report[0] = report[5] = 0;
    }
    while (end > start && end[-1] == pattern) {
        end--;
    }
    while (lowest < stack && *lowest == pattern) {
        lowest++;
    }
    report[1] = (uint32_t)(end - start);
    report[2] = changed(guard_below, guard_below_end, pattern);
    report[3] = (uint32_t)(stack - lowest);
    report[4] = (uint32_t)(stack - bottom);
    port_write(VERIFY_OUTPUT(arena), VERIFY_OUTPUT_BYTES);
    port_write(report, sizeof report);
    return 1;
}

int harness_main(void)
{
    begin();
    for (uint32_t index = 0; run(index, PATTERN) != 0; index++) {
        run(index, PATTERN ^ 0xFFu);
    }
    return 0;
}
#endif
