/* UARTE0 and UARTE1 by EasyDMA and interrupts. nRF52840 Product Specification v1.7, chapter
 * "UARTE".
 *
 * The pins are the development kit's: UARTE0 goes to its interface chip, UARTE1 to the HCI
 * controller. */
#include "soc/uarte.h"

#include "nrf52840.h"
#include "soc/cpu.h"

#define INT_RXDRDY 0x00000004u
#define PRIORITY 4u
#define ZEROS_TO_LOOK_AHEAD 32u

struct wiring {
    uint32_t base;
    uint32_t irq;
    uint32_t baudrate;
    uint32_t txd;
    uint32_t rxd;
    uint32_t rts;
    uint32_t cts;
};

struct state {
    void (*received)(void);
    volatile bool receiving;
    volatile bool sending;
    uint8_t *stream; /* two halves, or NULL */
    size_t half;
    size_t position;         /* next byte of the stream to be read */
    volatile uint32_t armed; /* the half whose address was given to the UARTE last */
    volatile bool activity;
};

static const struct wiring wirings[UARTE_COUNT] = {
    [UARTE_CONSOLE] = {UARTE0_BASE, IRQ_UARTE0, UARTE_BAUDRATE_115200, GPIO_PSEL(0, 6),
                       GPIO_PSEL(0, 8), GPIO_PSEL_DISCONNECTED, GPIO_PSEL_DISCONNECTED},
    [UARTE_HCI] = {UARTE1_BASE, IRQ_UARTE1, UARTE_BAUDRATE_1M, GPIO_PSEL(1, 2), GPIO_PSEL(1, 1),
                   GPIO_PSEL(1, 4), GPIO_PSEL(1, 3)},
};

static struct state states[UARTE_COUNT];

static void make_output(uint32_t pin) {
    if (pin != GPIO_PSEL_DISCONNECTED) {
        GPIO_OUTSET(pin >> 5) = 1u << (pin & 31u); /* a UART line rests high */
        GPIO_PIN_CNF(pin >> 5, pin & 31u) = GPIO_PIN_CNF_OUTPUT;
    }
}

static void make_input(uint32_t pin) {
    if (pin != GPIO_PSEL_DISCONNECTED) {
        GPIO_PIN_CNF(pin >> 5, pin & 31u) = GPIO_PIN_CNF_INPUT_PULLUP;
    }
}

void uarte_open(enum uarte port, void (*received)(void)) {
    const struct wiring *wiring = &wirings[port];
    struct state *state = &states[port];
    uint32_t base = wiring->base;

    *state = (struct state){.received = received};
    make_output(wiring->txd);
    make_output(wiring->rts);
    make_input(wiring->rxd);
    make_input(wiring->cts);
    UARTE_ENABLE(base) = UARTE_ENABLE_DISABLED;
    UARTE_PSEL_TXD(base) = wiring->txd;
    UARTE_PSEL_RXD(base) = wiring->rxd;
    UARTE_PSEL_RTS(base) = wiring->rts;
    UARTE_PSEL_CTS(base) = wiring->cts;
    UARTE_BAUDRATE(base) = wiring->baudrate;
    UARTE_CONFIG(base) = wiring->rts != GPIO_PSEL_DISCONNECTED ? UARTE_CONFIG_HWFC : 0;
    UARTE_SHORTS(base) = 0;
    UARTE_EVENTS_ENDRX(base) = 0;
    UARTE_EVENTS_ENDTX(base) = 0;
    UARTE_EVENTS_RXSTARTED(base) = 0;
    UARTE_EVENTS_RXDRDY(base) = 0;
    UARTE_EVENTS_ERROR(base) = 0;
    UARTE_INTENCLR(base) = 0xFFFFFFFFu;
    UARTE_INTENSET(base) = UARTE_INT_ENDRX | UARTE_INT_ENDTX;
    UARTE_ENABLE(base) = UARTE_ENABLE_ENABLED;
    cpu_interrupt_enable(wiring->irq, PRIORITY);
}

void uarte_receive(enum uarte port, uint8_t *buffer, size_t length) {
    uint32_t base = wirings[port].base;

    states[port].receiving = true;
    UARTE_RXD_PTR(base) = (uint32_t)(uintptr_t)buffer;
    UARTE_RXD_MAXCNT(base) = (uint32_t)length;
    UARTE_TASKS_STARTRX(base) = 1;
}

void uarte_receive_stop(enum uarte port) {
    uint32_t base = wirings[port].base;

    if (!states[port].receiving) {
        return;
    }
    UARTE_EVENTS_RXTO(base) = 0;
    UARTE_TASKS_STOPRX(base) = 1;
    while (UARTE_EVENTS_RXTO(base) == 0) {
    }
    UARTE_EVENTS_RXTO(base) = 0;
    UARTE_EVENTS_ENDRX(base) = 0;
    states[port].receiving = false;
}

void uarte_receive_stream(enum uarte port, uint8_t *buffer, size_t half) {
    uint32_t base = wirings[port].base;
    struct state *state = &states[port];

    for (size_t i = 0; i < 2 * half; i++) {
        buffer[i] = 0;
    }
    state->half = half;
    state->position = 0;
    state->armed = 0;
    state->stream = buffer;
    UARTE_SHORTS(base) = UARTE_SHORTS_ENDRX_STARTRX;
    UARTE_INTENCLR(base) = UARTE_INT_ENDRX;
    UARTE_INTENSET(base) = UARTE_INT_RXSTARTED | INT_RXDRDY;
    uarte_receive(port, buffer, half);
}

/* What has not arrived reads as zero. A zero with something behind it was received as such (a
 * break, a wrong speed) and is passed over. */
static bool more_behind(const struct state *state) {
    for (size_t ahead = 1; ahead <= ZEROS_TO_LOOK_AHEAD; ahead++) {
        if (state->stream[(state->position + ahead) % (2 * state->half)] != 0) {
            return true;
        }
    }
    return false;
}

size_t uarte_read(enum uarte port, uint8_t *to, size_t size) {
    struct state *state = &states[port];
    size_t count = 0;

    if (state->stream == NULL || !state->activity) {
        return 0;
    }
    state->activity = false;
    while (count < size) {
        uint8_t *byte = &state->stream[state->position];

        if (*byte == 0 && !more_behind(state)) {
            return count;
        }
        if (*byte != 0) {
            to[count++] = *byte;
            *byte = 0;
        }
        state->position = (state->position + 1) % (2 * state->half);
    }
    state->activity = true; /* there may be more */
    return count;
}

bool uarte_has_input(enum uarte port) {
    return states[port].activity;
}

bool uarte_send(enum uarte port, const uint8_t *bytes, size_t length) {
    uint32_t base = wirings[port].base;

    if (states[port].sending || length == 0) {
        return false;
    }
    states[port].sending = true;
    UARTE_TXD_PTR(base) = (uint32_t)(uintptr_t)bytes;
    UARTE_TXD_MAXCNT(base) = (uint32_t)length;
    UARTE_TASKS_STARTTX(base) = 1;
    return true;
}

bool uarte_sending(enum uarte port) {
    return states[port].sending;
}

void uarte_send_blocking(enum uarte port, const uint8_t *bytes, size_t length) {
    uint32_t base = wirings[port].base;

    if (length == 0 || UARTE_ENABLE(base) != UARTE_ENABLE_ENABLED) {
        return;
    }
    uarte_interrupt_disable(port);
    if (states[port].sending) {
        while (UARTE_EVENTS_ENDTX(base) == 0) {
        }
    }
    UARTE_EVENTS_ENDTX(base) = 0;
    UARTE_TXD_PTR(base) = (uint32_t)(uintptr_t)bytes;
    UARTE_TXD_MAXCNT(base) = (uint32_t)length;
    UARTE_TASKS_STARTTX(base) = 1;
    while (UARTE_EVENTS_ENDTX(base) == 0) {
    }
    UARTE_EVENTS_ENDTX(base) = 0;
    states[port].sending = false;
    uarte_interrupt_enable(port);
}

void uarte_interrupt_disable(enum uarte port) {
    uint32_t irq = wirings[port].irq;

    NVIC_ICER(irq / 32u) = 1u << (irq % 32u);
    __asm volatile("dsb\n\tisb" ::: "memory");
}

void uarte_interrupt_enable(enum uarte port) {
    uint32_t irq = wirings[port].irq;

    NVIC_ISER(irq / 32u) = 1u << (irq % 32u);
}

static void interrupt(enum uarte port) {
    uint32_t base = wirings[port].base;
    struct state *state = &states[port];

    if (UARTE_EVENTS_ENDTX(base) != 0) {
        UARTE_EVENTS_ENDTX(base) = 0;
        state->sending = false;
    }
    if (state->stream != NULL) {
        if (UARTE_EVENTS_RXDRDY(base) != 0) {
            UARTE_EVENTS_RXDRDY(base) = 0;
            state->activity = true;
        }
        if (UARTE_EVENTS_RXSTARTED(base) != 0) {
            UARTE_EVENTS_RXSTARTED(base) = 0;
            state->armed ^= 1u;
            UARTE_RXD_PTR(base) = (uint32_t)(uintptr_t)&state->stream[state->armed * state->half];
        }
    } else if (UARTE_EVENTS_ENDRX(base) != 0) {
        UARTE_EVENTS_ENDRX(base) = 0;
        state->receiving = false;
        if (state->received != NULL) {
            state->received();
        }
    }
}

void UARTE0_IRQHandler(void);
void UARTE1_IRQHandler(void);

void UARTE0_IRQHandler(void) {
    interrupt(UARTE_CONSOLE);
}

void UARTE1_IRQHandler(void) {
    interrupt(UARTE_HCI);
}
