/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs an exported model on many images and watches its memory. Part of the verification, not of
 * an export: verify_model.h is written beside it and names the model.
 *
 * stdin     images, int8, VERIFY_INPUT_BYTES each, to the end of the file
 * stdout    outputs, int8, VERIFY_OUTPUT_BYTES each; with SPARSE_SEARCH_TRACE before them, for
 *           each operator: index and byte count (uint32, least significant byte first), its output
 * stderr    one line: high_water_bytes=N below=N unstable=N
 *               high_water_bytes   bytes from the arena's start to the last one that was written
 *               below              images for which bytes before the arena were written
 *               unstable           images whose output depends on what the arena held before
 * returns   0; 1 where an image is cut short; 2 where the model returns an error
 *
 * Before each image, arena and surroundings are painted with a pattern that changes from run to
 * run, so a byte that happens to be written with the pattern is found by another run. The first
 * images run twice, over two patterns.
 */
#include <stdio.h>
#include <string.h>

#include "verify_model.h"

#define GUARD_BYTES 4096
#define TOTAL_BYTES (GUARD_BYTES + VERIFY_ARENA_BYTES + GUARD_BYTES)

static uint32_t memory[(TOTAL_BYTES + 3) / 4];
static int8_t image[VERIFY_INPUT_BYTES];
static int8_t repeated[VERIFY_OUTPUT_BYTES];
static size_t high_water_bytes;
static unsigned long below;
static unsigned long unstable;

#ifdef SPARSE_SEARCH_TRACE
#define REPEATED 0 /* a trace shows each operator once */

static void write_u32(uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        putchar((int)(value >> (8 * i) & 255u));
    }
}

void sparse_search_trace(uint16_t operator_index, const int8_t *output, uint32_t bytes);
void sparse_search_trace(uint16_t operator_index, const int8_t *output, uint32_t bytes)
{
    write_u32(operator_index);
    write_u32(bytes);
    fwrite(output, 1, bytes, stdout);
}
#else
#define REPEATED 1
#endif

static int run_painted(int pattern)
{
    uint8_t *const bytes = (uint8_t *)memory;
    uint8_t *const arena = bytes + GUARD_BYTES;
    size_t used = VERIFY_ARENA_BYTES + GUARD_BYTES;
    int code;

    memset(bytes, pattern, TOTAL_BYTES);
    memcpy(VERIFY_INPUT(arena), image, VERIFY_INPUT_BYTES);
    code = VERIFY_INVOKE(arena, VERIFY_ARENA_BYTES);
    while (used > 0 && arena[used - 1] == pattern) {
        used--;
    }
    high_water_bytes = used > high_water_bytes ? used : high_water_bytes;
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        if (bytes[i] != pattern) {
            below++;
            break;
        }
    }
    return code;
}

int main(void)
{
    const int8_t *const output = VERIFY_OUTPUT((uint8_t *)memory + GUARD_BYTES);
    size_t count;

    for (unsigned long index = 0; (count = fread(image, 1, sizeof image, stdin)) > 0; index++) {
        const int pattern = index % 2 == 0 ? 0xA5 : 0x5A;

        if (count != sizeof image) {
            return 1;
        }
        if (run_painted(pattern) != 0) {
            return 2;
        }
        fwrite(output, 1, VERIFY_OUTPUT_BYTES, stdout);
        if (REPEATED && index < 4) {
            memcpy(repeated, output, VERIFY_OUTPUT_BYTES);
            if (run_painted(pattern ^ 0xFF) != 0) {
                return 2;
            }
            unstable += memcmp(repeated, output, VERIFY_OUTPUT_BYTES) != 0;
        }
    }
    fprintf(stderr, "high_water_bytes=%lu below=%lu unstable=%lu\n",
            (unsigned long)high_water_bytes, below, unstable);
    return 0;
}
