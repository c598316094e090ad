/* The application as a whole: its parts opened, and polled in turn. Everything above the
 * processor's sleep. */
#ifndef APP_DEVICE_H
#define APP_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* Opens everything. Does not return for the variants that hang, fault or reset. */
void device_open(uint32_t now_ms);

/* Lets each part do the next small piece of what it has to do. */
void device_poll(uint32_t now_ms);

/* Whether device_poll() has something to do right now. To be asked with interrupts masked, before
 * sleep. */
bool device_has_work(void);

/* When device_poll() is to be called at the latest. */
uint32_t device_wakes_at(uint32_t now_ms);

#endif
