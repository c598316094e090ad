/* What the bootloader tells the application, in RAM at FLASH_MAP_BOOT_INFO_START.
 *
 * The application checks it with boot_info_valid() before it believes it: after a start without the
 * bootloader (a debugger, a bench) that RAM holds noise. Little endian. Later layouts only append,
 * and raise `layout`. */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flash_map.h"

#define BOOT_INFO_MAGIC 0x49424C48u /* "HLBI" */
#define BOOT_INFO_LAYOUT 1u
#define BOOT_INFO_IMAGES                                                                           \
    2u /* room for a second image (a network core, a companion chip); one is used */

/* An image version as in MCUboot's image header. */
struct boot_version {
    uint8_t major;
    uint8_t minor;
    uint16_t revision;
    uint32_t build;
};

/* What the last start did with an image's slots. */
enum boot_swap {
    BOOT_SWAP_NONE = 1, /* the numbers are MCUboot's swap types */
    BOOT_SWAP_TEST = 2, /* swapped in for a test: reverted at the next reset unless confirmed */
    BOOT_SWAP_PERMANENT = 3, /* swapped in for good */
    BOOT_SWAP_REVERT = 4,    /* the unconfirmed image was swapped out again */
};

/* Why an image was refused. The numbers are stable: tools read them. */
enum boot_refusal {
    BOOT_REFUSAL_NONE = 0,
    BOOT_REFUSAL_HEADER = 1,    /* no image, or an impossible header */
    BOOT_REFUSAL_SIZE = 2,      /* a length that does not fit the slot */
    BOOT_REFUSAL_TLV = 3,       /* the TLV area is malformed, or a TLV is missing or there twice */
    BOOT_REFUSAL_HASH = 4,      /* the SHA-256 does not match the content */
    BOOT_REFUSAL_KEY = 5,       /* signed by a key that is not provisioned */
    BOOT_REFUSAL_DEBUG_KEY = 6, /* signed by a publicly known key */
    BOOT_REFUSAL_SIGNATURE = 7, /* the signature does not verify */
    BOOT_REFUSAL_HARDWARE = 8,  /* vendor, class or hardware revision is another one's */
    BOOT_REFUSAL_VERSION = 9,   /* not greater than the installed version */
    BOOT_REFUSAL_SECURITY_COUNTER = 10, /* lower than the highest confirmed one */
    BOOT_REFUSAL_DEPENDENCY = 11,       /* needs another image, or a newer one of it */
    BOOT_REFUSAL_BATTERY = 12, /* battery below the swap minimum: tried again at the next start */
    BOOT_REFUSAL_ENCRYPTION = 13, /* encrypted in a way this bootloader does not decrypt */
    BOOT_REFUSAL_VECTORS = 14, /* the entry point or the stack lies outside the image or the RAM */
};

struct boot_image_info {
    struct boot_version version; /* of the image in the primary slot */
    uint32_t security_counter;   /* of that image; 0 when it has none */
    uint8_t swap;                /* enum boot_swap: what this start did */
    uint8_t refusal;             /* enum boot_refusal: the last update refused at this start */
    uint8_t confirmed; /* 1: runs for good; 0: reverts at the next reset unless confirmed */
    uint8_t present;   /* 1: this entry is used */
};

struct boot_info {
    uint32_t magic;
    uint16_t layout;
    uint16_t length;      /* bytes of this structure, so that later ones may append */
    uint8_t image_number; /* the image that is started, from 0 */
    uint8_t image_count;
    uint8_t upload_minimum_percent; /* refuse an upload below this */
    uint8_t swap_minimum_percent;   /* the bootloader starts no swap below this */
    uint16_t battery_empty_mv;      /* 0 % */
    uint16_t battery_full_mv;       /* 100 %; linear in between */
    uint32_t
        reset_reason; /* POWER.RESETREAS at this start; the bootloader has cleared the register */
    uint32_t hardware_revision;
    uint32_t watchdog_ms;    /* feed the watchdog more often than this */
    uint8_t boot_version[4]; /* of the bootloader: major, minor, patch, 0 */
    struct boot_image_info images[BOOT_INFO_IMAGES];
    uint32_t crc; /* CRC-32 (IEEE 802.3) of all that precedes it */
};

_Static_assert(sizeof(struct boot_version) == 8, "layout");
_Static_assert(sizeof(struct boot_image_info) == 16, "layout");
_Static_assert(sizeof(struct boot_info) <= FLASH_MAP_BOOT_INFO_SIZE, "boot info must fit its RAM");

#define BOOT_INFO ((const struct boot_info *)FLASH_MAP_BOOT_INFO_START)

/* CRC-32 (IEEE 802.3, reflected, as zlib's), bitwise: it runs over a few hundred bytes, once a
 * start. */
static inline uint32_t boot_crc32(const void *data, uint32_t length) {
    const uint8_t *byte = data;
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < length; i++) {
        crc ^= byte[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1u) != 0u ? 0xEDB88320u : 0u);
        }
    }
    return ~crc;
}

static inline bool boot_info_valid(const struct boot_info *info) {
    return info->magic == BOOT_INFO_MAGIC && info->layout >= BOOT_INFO_LAYOUT &&
           info->crc == boot_crc32(info, (uint32_t)offsetof(struct boot_info, crc));
}

#endif
