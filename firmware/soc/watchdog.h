/* The watchdog. Once started it runs until a power-on, pin or watchdog reset; it pauses while a
 * debugger halts the CPU. */
#ifndef SOC_WATCHDOG_H
#define SOC_WATCHDOG_H

#define WATCHDOG_TIMEOUT_MS 4000u

/* Starts it unless it already runs (it survives a soft reset), and feeds it. Needs the
 * low-frequency clock. */
void watchdog_start(void);
void watchdog_feed(void);

#endif
