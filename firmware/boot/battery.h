/* The battery threshold of a swap, with hysteresis. */
#ifndef BOOT_BATTERY_H
#define BOOT_BATTERY_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/provision.h"

/* Takes the thresholds; call before the others. */
void battery_configure(const struct provisioning *page);

uint32_t battery_percent(void);

/* True when a swap may be started. */
bool battery_allows_swap(void);

/* Returns at once when the battery allows a swap; else sleeps, the watchdog fed and the flash
 * untouched, until it is above the threshold by the hysteresis. `what` names what waits, for the
 * console. */
void battery_wait(const char *what);

#endif
