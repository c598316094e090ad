/* Exchanging the images of the two slots in place: MCUboot's swap-offset.
 *
 * The update lies one page further on in the secondary slot, so that each step copies one page into
 * one that is free: primary[i] to secondary[i], then secondary[i + 1] to primary[i]. A revert goes
 * from the last page down: primary[i] to secondary[i + 1], then secondary[i] to primary[i].
 *
 * Any cut is survived because
 * - a step destroys only what the step before it has copied, and a record follows each finished
 * step; a step that was begun is done again from its start;
 * - the last record found is programmed again before the next step, so that it cannot read as
 * unwritten later;
 * - a trailer's magic is written last and cleared by a word of its own before its page is erased,
 * so that a page erase that was torn never leaves a good magic over a torn content;
 * - the request in one trailer is destroyed only after the other trailer is complete and read back.
 */
#ifndef BOOT_SWAP_OFFSET_H
#define BOOT_SWAP_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/encrypted.h"
#include "boot/trailer.h"

/* A swap to be begun. The request stands in the secondary slot's trailer. */
struct swap_plan {
    enum boot_swap type;
    const struct image *primary; /* NULL when the primary slot holds no image */
    const struct image *secondary;
    const struct cipher *primary_cipher; /* NULL: not encrypted */
    const struct cipher *secondary_cipher;
};

/* True when a swap was begun and is not finished. */
bool swap_is_under_way(void);

/* Writes the request for a revert into the secondary slot's trailer, as an update's request is
 * written by the application. */
void swap_request_revert(const struct swap_plan *plan);

/* Turns the request into a swap under way. False: the request reads differently now, look again. */
bool swap_begin(const struct swap_plan *plan);

/* Carries the swap under way to its end and returns its type. */
enum boot_swap swap_finish(void);

#endif
