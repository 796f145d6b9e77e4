/* SPDX-License-Identifier: Apache-2.0
 *
 * Start-up and port of an ATmega328P without a library. Images lie in program memory behind the
 * model (harness_images.h is written beside this file), results go to the serial port as
 * hexadecimal digits. Timer 1 counts cycles: over 16 bits one by one (fine), or in 1024s.
 */
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/sleep.h>

#include "harness_images.h"
#include "harness_port.h"

#define LINE_BYTES 32u

int port_read_image(uint32_t index, int8_t *image, uint16_t bytes)
{
    const uint8_t *source = (const uint8_t *)harness_images;

    if (index >= HARNESS_IMAGES) {
        return 0;
    }
    for (; index > 0u; index--) {
        source += bytes;
    }
    for (; bytes > 0u; bytes--) {
        *image++ = (int8_t)pgm_read_byte(source++);
    }
    return 1;
}

static void send(uint8_t byte)
{
    while ((UCSR0A & (1u << UDRE0)) == 0u) {
    }
    UDR0 = byte;
}

static void send_digit(uint8_t value)
{
    send((uint8_t)(value < 10u ? '0' + value : 'a' - 10 + value));
}

void port_write(const void *bytes, uint32_t count)
{
    const uint8_t *source = bytes;

    for (uint32_t i = 0; i < count; i++) {
        send_digit(source[i] >> 4);
        send_digit(source[i] & 15u);
        if (i % LINE_BYTES == LINE_BYTES - 1u) {
            send('\n');
        }
    }
    send('\n');
}

void port_counter_begin(int fine)
{
    TCCR1A = 0;
    TCCR1B = 0;
    TCNT1 = 0;
    TIFR1 = 1u << TOV1;
    TCCR1B = fine ? 1u << CS10 : 1u << CS12 | 1u << CS10;
}

uint32_t port_counter_end(void)
{
    const uint16_t count = TCNT1;
    const uint32_t wraps = (TIFR1 & (1u << TOV1)) != 0u;

    TCCR1B = 0;
    return wraps << 16 | count;
}

void start(void);
int harness_begin(void);

int harness_begin(void)
{
    UCSR0A = 1u << U2X0;
    UBRR0 = 0;
    UCSR0B = 1u << TXEN0;
    send_digit((uint8_t)(harness_main() != 0));
    send('\n');
    while ((UCSR0A & (1u << TXC0)) == 0u) {
    }
    /* Asleep without interrupts: the emulator ends. */
    SMCR = 1u << SE;
    __asm__ volatile("cli\n\tsleep");
    return 0;
}

__attribute__((naked, used, section(".vectors"))) void start(void)
{
    __asm__ volatile("clr __zero_reg__\n\t"
                     "out __SREG__, __zero_reg__\n\t"
                     "ldi r28, lo8(%0)\n\t"
                     "ldi r29, hi8(%0)\n\t"
                     "out __SP_H__, r29\n\t"
                     "out __SP_L__, r28\n\t"
                     "jmp harness_begin"
                     :
                     : "i"(RAMEND));
}
