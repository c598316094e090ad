/* Write protection of flash regions until the next reset (the ACL peripheral). */
#ifndef SOC_LOCK_H
#define SOC_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Locks [start, end), whole pages, in ACL region `region` (0..7), against writing and erasing, with
 * `unreadable` against reading too. True when the registers read back as written. */
bool lock_flash(uint32_t region, uint32_t start, uint32_t end, bool unreadable);

#endif
