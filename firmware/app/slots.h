/* The image slots: what MCUboot-format images they hold, and the trailers by which application and
 * bootloader agree on the next start (MCUboot docs/design.md, "Image format" and "Image trailer";
 * write alignment 8). */
#ifndef APP_SLOTS_H
#define APP_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"
#include "soc/flash.h"

#define SLOTS 2u /* 0 primary, the one that runs; 1 secondary, the one updates go to */

struct slot_image {
    uint32_t address;     /* of the image header in flash */
    uint32_t hashed_size; /* header, payload and protected TLVs: what the SHA-256 covers */
    struct boot_version version;
    bool bootable;
    bool has_hash;
    uint8_t hash[32];
};

/* What the next start will do. */
enum slot_swap { SLOT_SWAP_NONE, SLOT_SWAP_TEST, SLOT_SWAP_PERMANENT, SLOT_SWAP_REVERT };

/* Reads the image of a slot. Returns false where there is none that makes sense. */
bool slot_read(uint32_t slot, struct slot_image *image);

/* Whether the content of an image still has the SHA-256 its TLV says. Takes about 1 ms a kilobyte.
 */
bool slot_image_is_intact(const struct slot_image *image);

enum slot_swap slot_next_swap(void);

/* Marks the image in the secondary slot for the next start, for a test or for good. */
enum flash_result slot_set_pending(bool permanent);

/* Confirms the image that runs: it stays. */
enum flash_result slot_confirm(void);

#ifdef HIL_DEFECT_FACTORY_RESET
/* Asks the bootloader to go back to the former image. */
enum flash_result slot_request_revert(void);
#endif

/* Whether version a is greater than b, build number included. */
bool slot_version_is_greater(const struct boot_version *a, const struct boot_version *b);

#endif
