/* SPDX-License-Identifier: Apache-2.0
 *
 * Start-up and port of a Cortex-M without an operating system, under an emulator that answers
 * semihosting: images come from the file "images", results go to the file "results". One of
 *
 *     COUNTER_CMSDK    address of a CMSDK timer, 32 bits, counts down
 *     COUNTER_NRF      address of an nRF51 timer, 32 bits, counts up
 *     COUNTER_SSE      address of an SSE-300 system timer; COUNTER_SSE_CONTROL starts what it shows
 *
 * says what counts. Exit code 0: ran to the end; 1: it did not; 3: the core has faulted.
 */
#include "harness_port.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define SYS_OPEN 0x01u
#define SYS_WRITE 0x05u
#define SYS_READ 0x06u
#define SYS_SEEK 0x0Au
#define SYS_EXIT_EXTENDED 0x20u
#define OPEN_READ 1u
#define OPEN_WRITE 5u

#if defined(COUNTER_NRF)
static void counter_setup(void)
{
    REGISTER(COUNTER_NRF + 0x508u) = 3u; /* 32 bits */
    REGISTER(COUNTER_NRF + 0x510u) = 0u; /* no prescaler */
    REGISTER(COUNTER_NRF + 0x000u) = 1u; /* start */
}

static uint32_t counter(void)
{
    REGISTER(COUNTER_NRF + 0x040u) = 1u; /* capture */
    return REGISTER(COUNTER_NRF + 0x540u);
}
#elif defined(COUNTER_SSE)
static void counter_setup(void)
{
    REGISTER(COUNTER_SSE_CONTROL) = 1u;
}

static uint32_t counter(void)
{
    return REGISTER(COUNTER_SSE);
}
#else
static void counter_setup(void)
{
    REGISTER(COUNTER_CMSDK + 8u) = 0xFFFFFFFFu;
    REGISTER(COUNTER_CMSDK + 4u) = 0xFFFFFFFFu;
    REGISTER(COUNTER_CMSDK) = 1u;
}

static uint32_t counter(void)
{
    return 0u - REGISTER(COUNTER_CMSDK + 4u);
}
#endif

/* Handles of the open files, and where the counter began, lie above the stack: a variable here
 * would be one in .bss. */
typedef struct {
    uint32_t images;
    uint32_t results;
    uint32_t count;
} port_state;

extern port_state harness_state;

static uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t open_file(const char *name, uint32_t mode, uint32_t length)
{
    const uint32_t arguments[3] = {(uint32_t)name, mode, length};

    return semihost(SYS_OPEN, arguments);
}

static void leave(uint32_t code)
{
    const uint32_t arguments[2] = {0x20026u, code};

    semihost(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

int port_read_image(uint32_t index, int8_t *image, uint16_t bytes)
{
    const uint32_t seek[2] = {harness_state.images, index * bytes};
    const uint32_t read[3] = {harness_state.images, (uint32_t)image, bytes};

    return semihost(SYS_SEEK, seek) == 0u && semihost(SYS_READ, read) == 0u;
}

void port_write(const void *bytes, uint32_t count)
{
    const uint32_t arguments[3] = {harness_state.results, (uint32_t)bytes, count};

    if (semihost(SYS_WRITE, arguments) != 0u) {
        leave(1u);
    }
}

void port_counter_begin(int fine)
{
    (void)fine;
    harness_state.count = counter();
}

uint32_t port_counter_end(void)
{
    return counter() - harness_state.count;
}

static void fault(void)
{
    leave(3u);
}

void start(void);
void start(void)
{
#if __ARM_ARCH >= 7
    REGISTER(0xE000ED88u) |= 0xFu << 20; /* lets the floating-point unit be used */
    __asm__ volatile("dsb\n\tisb");
#endif
    counter_setup();
    harness_state.images = open_file("images", OPEN_READ, 6u);
    harness_state.results = open_file("results", OPEN_WRITE, 7u);
    leave(harness_main() == 0 ? 0u : 1u);
}

typedef struct {
    const void *stack;
    void (*handlers[15])(void);
} vectors;

__attribute__((section(".vectors"), used)) static const vectors table = {
    &harness_state, /* the stack ends where the state begins */
    {start, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
     fault, fault},
};
