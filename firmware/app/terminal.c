#include "terminal.h"

#include <stdint.h>
#include <string.h>

#include "soc/uarte.h"

#define RING 4096u

static uint8_t ring[RING];
static size_t start;  /* of what is queued */
static size_t queued; /* bytes, those being sent included */
static size_t sending;

void terminal_open(void) {
    uarte_open(UARTE_CONSOLE, NULL);
}

bool terminal_put(const char *line, size_t length) {
    size_t end = (start + queued) % RING;
    size_t first = length < RING - end ? length : RING - end;

    if (length > RING - queued) {
        return false;
    }
    memcpy(&ring[end], line, first);
    memcpy(ring, &line[first], length - first);
    queued += length;
    return true;
}

void terminal_poll(void) {
    if (uarte_sending(UARTE_CONSOLE)) {
        return;
    }
    start = (start + sending) % RING;
    queued -= sending;
    sending = queued < RING - start ? queued : RING - start;
    if (sending > 0 && !uarte_send(UARTE_CONSOLE, &ring[start], sending)) {
        sending = 0;
    }
}

bool terminal_has_work(void) {
    return queued > 0 && !uarte_sending(UARTE_CONSOLE);
}

bool terminal_is_idle(void) {
    return queued == 0 || (queued == sending && !uarte_sending(UARTE_CONSOLE));
}

void terminal_flush(void) {
    while (!terminal_is_idle()) {
        terminal_poll();
    }
}
