/* Time from the 32.768 kHz clock (RTC1), and waiting asleep. */
#ifndef SOC_TIME_H
#define SOC_TIME_H

#include <stdint.h>

/* Starts the low-frequency clock and the counter. Call once. */
void time_init(void);

/* Stops the counter and its interrupt, as the program that is started next expects. */
void time_stop(void);

/* Milliseconds since time_init(); wraps after 49 days: compare differences. */
uint32_t time_ms(void);

/* Counter ticks of 1/32768 s since time_init(). */
uint64_t time_ticks(void);

/* Sleeps until time_ms() has reached `at_ms` or any interrupt is pending, whichever is first. To be
 * called with interrupts masked (cpu_interrupts_mask), so that an interrupt between the caller's
 * last look for work and the sleep is not missed. */
void time_idle_until(uint32_t at_ms);

/* Sleeps this long; interrupts are served. */
void time_sleep_ms(uint32_t duration_ms);

#endif
