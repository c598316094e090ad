/* Flash operations that a swap must not give up: they wait for the battery, and repeat what the
 * flash did not take. */
#ifndef BOOT_STEADY_H
#define BOOT_STEADY_H

#include <stdbool.h>
#include <stdint.h>

/* Erases a page. Returns when it is erased. */
void steady_erase(uint32_t address);

/* Writes words, again also where they already read right (see flash_rewrite). False: the flash did
 * not take them, and the page must be erased first. */
bool steady_write(uint32_t address, const void *data, uint32_t length);

/* Called when a page failed for good: says so, sleeps, and starts again. Power and watchdog stay as
 * they are. */
_Noreturn void steady_failed(uint32_t address);

/* How often a page is erased and written again before it counts as failed. */
#define STEADY_ATTEMPTS 8u

#endif
