/* The bootloader's console transmitter (UARTE0, EasyDMA, no interrupt). */
#include "soc/console.h"

#include "soc/nrf52840/nrf52840.h"

#define TXD_PORT 0u
#define TXD_PIN 6u

/* One line is sent in pieces of this: EasyDMA reads RAM only, and the text may lie in flash. */
#define PIECE 64u

void console_open(void) {
    GPIO_OUTSET(TXD_PORT) = 1u << TXD_PIN;
    GPIO_PIN_CNF(TXD_PORT, TXD_PIN) = GPIO_PIN_CNF_OUTPUT;
    UARTE_PSEL_TXD(UARTE0_BASE) = GPIO_PSEL(TXD_PORT, TXD_PIN);
    UARTE_PSEL_RXD(UARTE0_BASE) = GPIO_PSEL_DISCONNECTED;
    UARTE_PSEL_RTS(UARTE0_BASE) = GPIO_PSEL_DISCONNECTED;
    UARTE_PSEL_CTS(UARTE0_BASE) = GPIO_PSEL_DISCONNECTED;
    UARTE_BAUDRATE(UARTE0_BASE) = UARTE_BAUDRATE_115200;
    UARTE_CONFIG(UARTE0_BASE) = 0u;
    UARTE_ENABLE(UARTE0_BASE) = UARTE_ENABLE_ENABLED;
}

void console_send(const char *text, uint32_t length) {
    uint8_t piece[PIECE];
    while (length > 0u) {
        const uint32_t count = (length < PIECE) ? length : PIECE;
        for (uint32_t i = 0; i < count; i++) {
            piece[i] = (uint8_t)text[i];
        }
        UARTE_EVENTS_ENDTX(UARTE0_BASE) = 0u;
        UARTE_TXD_PTR(UARTE0_BASE) = (uint32_t)(uintptr_t)piece;
        UARTE_TXD_MAXCNT(UARTE0_BASE) = count;
        __asm volatile("dsb" ::: "memory");
        UARTE_TASKS_STARTTX(UARTE0_BASE) = 1u;
        while (UARTE_EVENTS_ENDTX(UARTE0_BASE) == 0u) {
        }
        text += count;
        length -= count;
    }
}

void console_close(void) {
    UARTE_EVENTS_TXSTOPPED(UARTE0_BASE) = 0u;
    UARTE_TASKS_STOPTX(UARTE0_BASE) = 1u;
    while (UARTE_EVENTS_TXSTOPPED(UARTE0_BASE) == 0u) {
    }
    UARTE_ENABLE(UARTE0_BASE) = UARTE_ENABLE_DISABLED;
    UARTE_PSEL_TXD(UARTE0_BASE) = GPIO_PSEL_DISCONNECTED;
    UARTE_EVENTS_ENDTX(UARTE0_BASE) = 0u;
    UARTE_EVENTS_TXSTOPPED(UARTE0_BASE) = 0u;
    UARTE_EVENTS_TXSTARTED(UARTE0_BASE) = 0u;
}
