/* The security counter page: the highest counter of any image that was confirmed. It never goes
 * back.
 *
 * Entries of two words, the counter and its complement, are appended; an entry torn by a power loss
 * does not match its complement and is passed over. */
#ifndef BOOT_COUNTER_H
#define BOOT_COUNTER_H

#include <stdint.h>

/* The highest entry, 0 when there is none. */
uint32_t counter_read(void);

/* Raises it; lower or equal values change nothing. */
void counter_raise(uint32_t value);

#endif
