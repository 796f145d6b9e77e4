/* SPDX-License-Identifier: Apache-2.0
 *
 * Start-up and a loop that classifies images, around an exported model.
 */
#include "model.h"

extern uint32_t data_begin[], data_end[], data_source[], bss_begin[], bss_end[], stack_top[];

static uint32_t arena[(MODEL_ARENA_BYTES + 3) / 4];
volatile uint8_t pixels[MODEL_INPUT_BYTES];
volatile int result;

void start(void);

void start(void)
{
    const uint32_t *source = data_source;

    for (uint32_t *word = data_begin; word != data_end; word++) {
        *word = *source++;
    }
    for (uint32_t *word = bss_begin; word != bss_end; word++) {
        *word = 0;
    }
    for (;;) {
        int8_t *input = model_input(arena);

        for (int i = 0; i < MODEL_INPUT_BYTES; i++) {
            input[i] = (int8_t)(pixels[i] - 128);
        }
        result = model_invoke(arena, sizeof arena) == MODEL_OK ? model_argmax(model_output(arena))
                                                               : -1;
    }
}

typedef struct {
    const uint32_t *stack;
    void (*reset)(void);
} vectors;

__attribute__((section(".vectors"), used)) static const vectors table = {stack_top, start};
