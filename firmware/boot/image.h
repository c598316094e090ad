/* An MCUboot image in flash: header and TLV areas, every length checked once, here.
 *
 * Format: MCUboot's design document, "Image format"; numbers from bootutil/image.h. All lengths are
 * relative to `base`. */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"

#define IMAGE_MAGIC 0x96F3B83Du
#define IMAGE_HEADER_SIZE 32u
#define IMAGE_FLAG_ENCRYPTED_AES128 0x00000004u
#define IMAGE_FLAG_ROM_FIXED 0x00000100u

struct image {
    const uint8_t *base;
    uint32_t limit; /* bytes that belong to the slot from `base` on */
    uint32_t header_size;
    uint32_t payload_size;
    uint32_t protected_size;   /* of the protected TLV area, 0 when there is none */
    uint32_t unprotected_size; /* of the plain TLV area */
    uint32_t total_size;       /* all of it: header, payload, both areas; at most `limit` */
    uint32_t flags;
    struct boot_version version;
    bool in_secondary; /* an encrypted image is ciphertext there, plain text in the primary slot */
};

/* Reads header and TLV area heads at `base`. BOOT_REFUSAL_NONE: every length of `image` is inside
 * `limit`. */
enum boot_refusal image_read(struct image *image, uint32_t base, uint32_t limit, bool in_secondary);

/* The image in the primary slot; in the secondary one the update (from the second page) or, after a
 * swap, the former image (from the first page). */
enum boot_refusal image_read_primary(struct image *image);
enum boot_refusal image_read_update(struct image *image);
enum boot_refusal image_read_former(struct image *image);

/* Below 0, 0 or above 0 as `left` is older than, equal to or newer than `right`; the build number
 * counts. */
int image_compare_versions(const struct boot_version *left, const struct boot_version *right);

#endif
