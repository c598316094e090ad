#include "boot/tlv.h"

#include <stddef.h>
#include <string.h>

#include "boot/bytes.h"
#include "crypto/crypto.h"

#define AREA_HEAD 4u
#define ENTRY_HEAD 4u
#define ECDSA_DER_MAX 72u
#define ED25519_SIZE 64u
#define DEPENDENCY_SIZE 12u

/* Takes one entry that may be there once, with this length. */
static bool take(const uint8_t **slot, const uint8_t *value, uint32_t length, uint32_t expected) {
    if (*slot != NULL || length != expected) {
        return false;
    }
    *slot = value;
    return true;
}

static bool take_signature(struct tlvs *tlvs, uint16_t type, const uint8_t *value,
                           uint32_t length) {
    const bool sound =
        (type == TLV_ECDSA) ? (length > 0u && length <= ECDSA_DER_MAX) : (length == ED25519_SIZE);
    if (tlvs->signature != NULL || !sound) {
        return false;
    }
    tlvs->signature = value;
    tlvs->signature_length = length;
    tlvs->signature_type = type;
    return true;
}

static bool take_dependency(struct tlvs *tlvs, const uint8_t *value, uint32_t length) {
    if (tlvs->dependency_count >= TLV_DEPENDENCIES || length != DEPENDENCY_SIZE) {
        return false;
    }
    tlvs->dependencies[tlvs->dependency_count] = value;
    tlvs->dependency_count++;
    return true;
}

static bool take_protected(struct tlvs *tlvs, uint16_t type, const uint8_t *value,
                           uint32_t length) {
    switch (type) {
    case TLV_VENDOR:
        return take(&tlvs->vendor, value, length, 16u);
    case TLV_CLASS:
        return take(&tlvs->class_id, value, length, 16u);
    case TLV_HARDWARE:
        return take(&tlvs->hardware, value, length, 8u);
    case TLV_SECURITY_COUNTER:
        return take(&tlvs->security_counter, value, length, 4u);
    case TLV_DEPENDENCY:
        return take_dependency(tlvs, value, length);
    case TLV_SHA256:
    case TLV_KEYHASH:
    case TLV_ECDSA:
    case TLV_ED25519:
        return false; /* they belong to the plain area: the hash covers this one */
    default:
        return true;
    }
}

static bool take_plain(struct tlvs *tlvs, uint16_t type, const uint8_t *value, uint32_t length) {
    switch (type) {
    case TLV_SHA256:
        return take(&tlvs->sha256, value, length, CRYPTO_SHA256_SIZE);
    case TLV_KEYHASH:
        return take(&tlvs->key_hash, value, length, CRYPTO_SHA256_SIZE);
    case TLV_ECDSA:
    case TLV_ED25519:
        return take_signature(tlvs, type, value, length);
    case TLV_ENCRYPTED_EC256:
        return take(&tlvs->encrypted_key, value, length, CRYPTO_ECIES_P256_TLV_SIZE);
    case TLV_VENDOR:
    case TLV_CLASS:
    case TLV_HARDWARE:
    case TLV_SECURITY_COUNTER:
    case TLV_DEPENDENCY:
        return false; /* without the signature's protection they mean nothing */
    default:
        return true;
    }
}

/* One area of `size` bytes, its head included; image_read() has checked that it lies in the slot.
 */
static bool read_area(const uint8_t *area, uint32_t size, bool is_protected, struct tlvs *tlvs) {
    uint32_t at = AREA_HEAD;
    while (at < size) {
        if (size - at < ENTRY_HEAD) {
            return false;
        }
        const uint16_t type = bytes_u16(area + at);
        const uint32_t length = bytes_u16(area + at + 2u);
        at += ENTRY_HEAD;
        if (length > size - at) {
            return false;
        }
        const bool taken = is_protected ? take_protected(tlvs, type, area + at, length)
                                        : take_plain(tlvs, type, area + at, length);
        if (!taken) {
            return false;
        }
        at += length;
    }
    return true;
}

enum boot_refusal tlv_read(const struct image *image, struct tlvs *tlvs) {
    (void)memset(tlvs, 0, sizeof *tlvs);
    const uint8_t *area = image->base + image->header_size + image->payload_size;
    if (image->protected_size != 0u && !read_area(area, image->protected_size, true, tlvs)) {
        return BOOT_REFUSAL_TLV;
    }
    if (!read_area(area + image->protected_size, image->unprotected_size, false, tlvs)) {
        return BOOT_REFUSAL_TLV;
    }
    return BOOT_REFUSAL_NONE;
}
