/* The provisioning page: what makes the one bootloader binary belong to a product. Written over SWD
 * on the bench (hil/image/provisioning.py), locked by the bootloader before the application runs.
 *
 * Little endian. `length` counts the bytes from the magic to the last field; a CRC-32 (IEEE 802.3)
 * over those bytes follows them. A later layout only appends fields and raises `layout`: this
 * firmware reads the part it knows. */
#ifndef PROVISIONING_H
#define PROVISIONING_H

#include <stdint.h>

#define PROVISIONING_MAGIC 0x56505248u /* "HRPV" */
#define PROVISIONING_LAYOUT 1u
#define PROVISIONING_KEYS 4u

enum provisioning_key_type {
    PROVISIONING_KEY_NONE = 0,
    PROVISIONING_KEY_P256 = 1,    /* X || Y, big endian */
    PROVISIONING_KEY_ED25519 = 2, /* 32 bytes, then zeros */
};

/* Policy flags. */
#define PROVISIONING_REQUIRE_VENDOR 0x1u   /* an image must carry the vendor UUID TLV */
#define PROVISIONING_REQUIRE_CLASS 0x2u    /* an image must carry the class UUID TLV */
#define PROVISIONING_REQUIRE_HARDWARE 0x4u /* an image must carry the hardware revision TLV */
#define PROVISIONING_REQUIRE_SECURITY_COUNTER                                                      \
    0x8u /* an image must carry the security counter TLV */

struct provisioning_key {
    uint8_t type;
    uint8_t reserved[3];
    uint8_t public_key[64];
};

struct provisioning {
    uint32_t magic;
    uint16_t layout;
    uint16_t length;
    uint32_t hardware_revision;
    uint32_t policy;
    uint8_t vendor[16];
    uint8_t class_id[16];
    uint16_t battery_empty_mv;
    uint16_t battery_full_mv;
    uint8_t upload_minimum_percent;
    uint8_t swap_minimum_percent;
    uint8_t swap_hysteresis_percent; /* a swap that waits goes on at swap minimum plus this */
    uint8_t key_count;
    struct provisioning_key keys[PROVISIONING_KEYS];
    uint8_t decryption_key_present;
    uint8_t reserved[3];
    uint8_t decryption_key[32]; /* P-256 private scalar, big endian */
};

_Static_assert(sizeof(struct provisioning) == 364, "hil/image/provisioning.py writes this layout");

#endif
