/* SMP over the console (Zephyr documentation, "SMP transport specification", "UART/serial and USB
 * CDC-ACM"). */
#ifndef APP_SMP_SERIAL_H
#define APP_SMP_SERIAL_H

#include <stdbool.h>

/* Starts to listen on the console, which is open. */
void smp_serial_open(void);

/* Takes what has arrived, answers what is complete. */
void smp_serial_poll(void);

/* Whether smp_serial_poll() has something to do right now. */
bool smp_serial_has_work(void);

#endif
