/* Says a line on the console at start, then sends back each byte it receives. */
#include <stdint.h>

#define R(a) (*(volatile uint32_t *)(a))
#define UARTE 0x40002000u

static volatile uint8_t received, sent;
static const char greeting[] = "echo ready\r\n";
static char line[sizeof greeting];

static void transmit(const volatile void *data, uint32_t length) {
    R(UARTE + 0x120) = 0;
    R(UARTE + 0x544) = (uint32_t)data;
    R(UARTE + 0x548) = length;
    R(UARTE + 0x008) = 1;
    while (!R(UARTE + 0x120))
        ;
}

void Reset_Handler(void) {
    R(0x50000508) = 1u << 6; /* P0.06 high, as an idle line is */
    R(0x50000518) = 1u << 6;
    R(UARTE + 0x50C) = 6;
    R(UARTE + 0x514) = 8;
    R(UARTE + 0x524) = 0x01D60000; /* 115200 */
    R(UARTE + 0x500) = 8;
    for (uint32_t i = 0; i < sizeof line; i++)
        line[i] = greeting[i]; /* EasyDMA reads RAM only */
    transmit(line, sizeof line - 1);
    R(UARTE + 0x534) = (uint32_t)&received;
    R(UARTE + 0x538) = 1;
    R(UARTE + 0x000) = 1;
    for (;;) {
        while (!R(UARTE + 0x110))
            ;
        R(UARTE + 0x110) = 0;
        sent = received;
        R(UARTE + 0x000) = 1;
        transmit(&sent, 1);
    }
}
static void Unexpected(void) {
    for (;;)
        ;
}
__attribute__((section(".vectors"), used)) void (*const vectors[64])(void) = {
    (void (*)(void))0x20010000, Reset_Handler, Unexpected, Unexpected};
