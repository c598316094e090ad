#include "boot/image.h"

#include "boot/bytes.h"
#include "flash_map.h"

#define TLV_AREA_HEAD 4u
#define TLV_MAGIC_PROTECTED 0x6908u
#define TLV_MAGIC 0x6907u

/* Vector tables are aligned to their own size: 64 words. */
#define VECTORS_ALIGNMENT 0x100u

#ifdef HIL_ENCRYPTED_IMAGES
#define FLAGS_KNOWN (IMAGE_FLAG_ROM_FIXED | IMAGE_FLAG_ENCRYPTED_AES128)
#else
#define FLAGS_KNOWN IMAGE_FLAG_ROM_FIXED
#endif

/* The size of the TLV area at `offset`, which must have this magic and end inside the limit. */
static bool area_size(const struct image *image, uint32_t offset, uint16_t magic, uint32_t *size) {
    if (image->limit - offset < TLV_AREA_HEAD) {
        return false;
    }
    const uint8_t *head = image->base + offset;
    *size = bytes_u16(head + 2);
    return bytes_u16(head) == magic && *size >= TLV_AREA_HEAD && *size <= image->limit - offset;
}

enum boot_refusal image_read(struct image *image, uint32_t base, uint32_t limit,
                             bool in_secondary) {
    const uint8_t *header = (const uint8_t *)(uintptr_t)base;
    image->base = header;
    image->limit = limit;
    image->in_secondary = in_secondary;
    if (limit < IMAGE_HEADER_SIZE || bytes_u32(header) != IMAGE_MAGIC) {
        return BOOT_REFUSAL_HEADER;
    }
    image->header_size = bytes_u16(header + 8);
    image->protected_size = bytes_u16(header + 10);
    image->payload_size = bytes_u32(header + 12);
    image->flags = bytes_u32(header + 16);
    image->version.major = header[20];
    image->version.minor = header[21];
    image->version.revision = bytes_u16(header + 22);
    image->version.build = bytes_u32(header + 24);
    image->unprotected_size = 0u;
    image->total_size = 0u;

    if (image->header_size < IMAGE_HEADER_SIZE || (image->header_size % VECTORS_ALIGNMENT) != 0u) {
        return BOOT_REFUSAL_HEADER;
    }
    if ((image->flags & ~FLAGS_KNOWN) != 0u) {
        return ((image->flags & IMAGE_FLAG_ENCRYPTED_AES128) != 0u) ? BOOT_REFUSAL_ENCRYPTION
                                                                    : BOOT_REFUSAL_HEADER;
    }
    if ((image->flags & IMAGE_FLAG_ROM_FIXED) != 0u &&
        bytes_u32(header + 4) != FLASH_MAP_PRIMARY_START) {
        return BOOT_REFUSAL_HARDWARE;
    }
    /* Subtractions only from what is known to be larger: nothing can overflow. */
    if (image->header_size > limit || image->payload_size == 0u ||
        image->payload_size > limit - image->header_size) {
        return BOOT_REFUSAL_SIZE;
    }
    uint32_t end = image->header_size + image->payload_size;
    uint32_t size = 0u;
    if (image->protected_size != 0u) {
        if (!area_size(image, end, TLV_MAGIC_PROTECTED, &size) || size != image->protected_size) {
            return BOOT_REFUSAL_TLV;
        }
        end += size;
    }
    if (!area_size(image, end, TLV_MAGIC, &size)) {
        return BOOT_REFUSAL_TLV;
    }
    image->unprotected_size = size;
    image->total_size = end + size;
    return BOOT_REFUSAL_NONE;
}

enum boot_refusal image_read_primary(struct image *image) {
    return image_read(image, FLASH_MAP_PRIMARY_START, FLASH_MAP_IMAGE_SIZE_MAX, false);
}

enum boot_refusal image_read_update(struct image *image) {
    return image_read(image, FLASH_MAP_SECONDARY_START + FLASH_MAP_SECONDARY_UPDATE_OFFSET,
                      FLASH_MAP_IMAGE_SIZE_MAX, true);
}

enum boot_refusal image_read_former(struct image *image) {
    return image_read(image, FLASH_MAP_SECONDARY_START, FLASH_MAP_IMAGE_SIZE_MAX, true);
}

int image_compare_versions(const struct boot_version *left, const struct boot_version *right) {
    const uint32_t a[4] = {left->major, left->minor, left->revision, left->build};
    const uint32_t b[4] = {right->major, right->minor, right->revision, right->build};
    for (uint32_t i = 0; i < 4u; i++) {
        if (a[i] != b[i]) {
            return (a[i] < b[i]) ? -1 : 1;
        }
    }
    return 0;
}
