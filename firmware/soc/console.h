/* The console's transmitter for the bootloader: UARTE0 on P0.06, 115200 8N1, no flow control, waits
 * until sent. The application has its own interrupt-driven driver (soc/uarte.h) and does not link
 * this one. */
#ifndef SOC_CONSOLE_H
#define SOC_CONSOLE_H

#include <stdint.h>

void console_open(void);
void console_send(const char *text, uint32_t length);
/* Releases the UARTE and the pin. */
void console_close(void);

#endif
