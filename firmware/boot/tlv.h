/* The TLVs of an image, found and checked for form. */
#ifndef BOOT_TLV_H
#define BOOT_TLV_H

#include "boot/image.h"

#define TLV_KEYHASH 0x01u
#define TLV_SHA256 0x10u
#define TLV_ECDSA 0x22u
#define TLV_ED25519 0x24u
#define TLV_ENCRYPTED_EC256 0x32u
#define TLV_DEPENDENCY 0x40u
#define TLV_SECURITY_COUNTER 0x50u
#define TLV_VENDOR 0x74u
#define TLV_CLASS 0x75u
/* Vendor-specific range of MCUboot's types: lowest and highest hardware revision the image runs on,
 * two 32-bit numbers. */
#define TLV_HARDWARE 0xA0u

#define TLV_DEPENDENCIES 4u

/* Each points into flash, or is NULL when the image does not have it; lengths are checked. */
struct tlvs {
    const uint8_t *sha256;   /* 32 bytes */
    const uint8_t *key_hash; /* 32 bytes */
    const uint8_t *signature;
    uint32_t signature_length;
    uint16_t signature_type;                       /* TLV_ECDSA or TLV_ED25519 */
    const uint8_t *encrypted_key;                  /* 113 bytes */
    const uint8_t *vendor;                         /* 16 bytes, protected */
    const uint8_t *class_id;                       /* 16 bytes, protected */
    const uint8_t *hardware;                       /* 8 bytes, protected */
    const uint8_t *security_counter;               /* 4 bytes, protected */
    const uint8_t *dependencies[TLV_DEPENDENCIES]; /* 12 bytes each, protected */
    uint32_t dependency_count;
};

/* Reads both areas: entries fill them exactly, none of those above is there twice, and what the
 * signature must cover is in the protected area. Types not named above are passed over, as
 * MCUboot's iterator does. */
enum boot_refusal tlv_read(const struct image *image, struct tlvs *tlvs);

#endif
