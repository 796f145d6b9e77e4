/* SPDX-License-Identifier: Apache-2.0
 *
 * Two models in one program: do they disturb each other, do they keep to their arenas, and what do
 * they answer to wrong calls? Both read the same image. Writes for each image the output of either
 * model, then as uint32: calls that failed; calls that changed the arena of the other; bytes that
 * changed between and around the arenas. At last, for wrong calls: answers that were not as
 * documented; bytes that were written nevertheless.
 */
#include "harness_port.h"
#include "sleep.h"
#include "wake.h"

#define PATTERN 0x3Cu

static struct {
    uint32_t before[8];
    uint32_t wake[(WAKE_ARENA_BYTES + 3) / 4];
    uint32_t between[8];
    uint32_t sleep[(SLEEP_ARENA_BYTES + 3) / 4];
    uint32_t behind[8];
} memory;

static void fill(void)
{
    for (volatile uint8_t *byte = (uint8_t *)&memory; byte < (uint8_t *)(&memory + 1); byte++) {
        *byte = PATTERN;
    }
}

static uint32_t changed(const void *start, size_t bytes)
{
    const uint8_t *byte = start;
    uint32_t count = 0;

    for (; bytes > 0u; bytes--) {
        count += *byte++ != PATTERN;
    }
    return count;
}

static uint32_t checksum(const void *start, size_t bytes)
{
    const uint8_t *byte = start;
    uint32_t sum = 1;

    for (; bytes > 0u; bytes--) {
        sum = (sum << 5) + sum + *byte++;
    }
    return sum;
}

static int run(uint32_t index)
{
    uint32_t report[3] = {0u, 0u, 0u};
    uint32_t before;

    fill();
    if (port_read_image(index, wake_input(memory.wake), WAKE_INPUT_BYTES) == 0 ||
        port_read_image(index, sleep_input(memory.sleep), SLEEP_INPUT_BYTES) == 0) {
        return 0;
    }
    before = checksum(memory.sleep, sizeof memory.sleep);
    report[0] += wake_invoke(memory.wake, sizeof memory.wake) != WAKE_OK;
    report[1] += checksum(memory.sleep, sizeof memory.sleep) != before;
    before = checksum(memory.wake, sizeof memory.wake);
    report[0] += sleep_invoke(memory.sleep, sizeof memory.sleep) != SLEEP_OK;
    report[1] += checksum(memory.wake, sizeof memory.wake) != before;
    report[2] = changed(memory.before, sizeof memory.before) +
                changed(memory.between, sizeof memory.between) +
                changed(memory.behind, sizeof memory.behind);
    port_write(wake_output(memory.wake), WAKE_OUTPUT_BYTES);
    port_write(sleep_output(memory.sleep), SLEEP_OUTPUT_BYTES);
    port_write(report, sizeof report);
    return 1;
}

static void refuse(void)
{
    uint32_t report[2] = {0u, 0u};

    fill();
    report[0] += wake_invoke(NULL, sizeof memory.wake) != WAKE_ERROR_ARENA_NULL;
    report[0] += wake_invoke(NULL, 0) != WAKE_ERROR_ARENA_NULL;
    report[0] += sleep_invoke(NULL, sizeof memory.sleep) != SLEEP_ERROR_ARENA_NULL;
    for (size_t bytes = 0; bytes < WAKE_ARENA_BYTES; bytes++) {
        report[0] += wake_invoke(memory.wake, bytes) != WAKE_ERROR_ARENA_TOO_SMALL;
    }
    for (size_t bytes = 0; bytes < SLEEP_ARENA_BYTES; bytes++) {
        report[0] += sleep_invoke(memory.sleep, bytes) != SLEEP_ERROR_ARENA_TOO_SMALL;
    }
    for (size_t offset = 1; offset < WAKE_ARENA_ALIGNMENT; offset++) {
        report[0] += wake_invoke((uint8_t *)memory.wake + offset, sizeof memory.wake) !=
                     WAKE_ERROR_ARENA_MISALIGNED;
        report[0] += sleep_invoke((uint8_t *)memory.sleep + offset, sizeof memory.sleep) !=
                     SLEEP_ERROR_ARENA_MISALIGNED;
    }
    report[1] = changed(&memory, sizeof memory);
    port_write(report, sizeof report);
}

int harness_main(void)
{
    for (uint32_t index = 0; run(index) != 0; index++) {
    }
    refuse();
    return 0;
}
