/* The board's two serial ports by EasyDMA (nRF52840 Product Specification, UARTE): the console at
 * 115,200 baud without flow control, and the HCI controller at 1 Mbaud with RTS and CTS. Buffers
 * must lie in RAM. */
#ifndef SOC_UARTE_H
#define SOC_UARTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum uarte {
    UARTE_CONSOLE,
    UARTE_HCI,
    UARTE_COUNT,
};

/* Opens a port. `received` is called from the interrupt when the bytes asked for by uarte_receive()
 * are there; it may ask for the next ones. NULL for a port that only sends or is read through
 * uarte_read(). */
void uarte_open(enum uarte port, void (*received)(void));

/* Receives exactly `length` bytes (1 to 65,535) into `buffer`. The UART's RTS stops the other side
 * while nothing is asked for. */
void uarte_receive(enum uarte port, uint8_t *buffer, size_t length);

/* Gives up the reception under way; bytes that arrived are in its buffer. */
void uarte_receive_stop(enum uarte port);

/* Receives without end into two buffers in turn, for text whose length nobody knows beforehand.
 * Bytes survive as long as the reader is at most `half` bytes behind, which outlasts an erase of a
 * flash page. Bytes of value zero may be lost: they mark what has not arrived. Each buffer is
 * `half` bytes long, `buffer` twice that. */
void uarte_receive_stream(enum uarte port, uint8_t *buffer, size_t half);

/* Takes up to `size` received bytes of the stream. Returns how many. */
size_t uarte_read(enum uarte port, uint8_t *to, size_t size);

/* Whether bytes have arrived since uarte_read() last returned less than it was asked for. */
bool uarte_has_input(enum uarte port);

/* Sends. `bytes` (in RAM) must stay unchanged until uarte_sending() is false. Returns false while
 * sending. */
bool uarte_send(enum uarte port, const uint8_t *bytes, size_t length);
bool uarte_sending(enum uarte port);

/* Waits for what is being sent, then sends and waits again; needs no interrupt, so that a fault
 * handler can speak. */
void uarte_send_blocking(enum uarte port, const uint8_t *bytes, size_t length);

/* Hold off the port's interrupt while the main loop changes what it shares with `received`. */
void uarte_interrupt_disable(enum uarte port);
void uarte_interrupt_enable(enum uarte port);

#endif
