/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sketch uses of Arduino's core, on this machine: Serial is standard output. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

class SerialStub {
  public:
    void begin(unsigned long) {}
    void print(const char *text) { fputs(text, stdout); }
    void print(int value) { printf("%d", value); }
    void print(unsigned int value) { printf("%u", value); }
    void print(unsigned long value) { printf("%lu", value); }
    template <typename T> void println(T value)
    {
        print(value);
        putchar('\n');
    }
};

static SerialStub Serial;

static inline unsigned long micros(void) { return 7; }
static inline void delay(unsigned long) {}

#endif
