#include "boot/encrypted.h"

#include <stddef.h>
#include <string.h>

#ifdef HIL_ENCRYPTED_IMAGES

enum boot_refusal encrypted_open(const struct image *image, const struct tlvs *tlvs,
                                 const struct provisioning *page, struct cipher *cipher) {
    (void)memset(cipher, 0, sizeof *cipher);
    if ((image->flags & IMAGE_FLAG_ENCRYPTED_AES128) == 0u) {
        return BOOT_REFUSAL_NONE;
    }
    if (tlvs->encrypted_key == NULL || page->decryption_key_present == 0u ||
        !crypto_ecies_p256_unwrap(page->decryption_key, tlvs->encrypted_key, cipher->key)) {
        return BOOT_REFUSAL_ENCRYPTION;
    }
    cipher->active = true;
    cipher->payload_start = image->header_size;
    cipher->payload_size = image->payload_size;
    return BOOT_REFUSAL_NONE;
}

void encrypted_apply(const struct cipher *cipher, uint32_t offset, uint8_t *data, uint32_t length) {
    if (!cipher->active || offset + length <= cipher->payload_start ||
        offset >= cipher->payload_start + cipher->payload_size) {
        return;
    }
    uint32_t skip = 0u;
    if (offset < cipher->payload_start) {
        skip = cipher->payload_start - offset;
    }
    uint32_t count = length - skip;
    const uint32_t left = cipher->payload_start + cipher->payload_size - (offset + skip);
    if (count > left) {
        count = left;
    }
    crypto_aes128_ctr(cipher->key, offset + skip - cipher->payload_start, &data[skip], count);
}

#else

enum boot_refusal encrypted_open(const struct image *image, const struct tlvs *tlvs,
                                 const struct provisioning *page, struct cipher *cipher) {
    (void)image;
    (void)tlvs;
    (void)page;
    cipher->active = false;
    return BOOT_REFUSAL_NONE; /* image_read() refuses the flag */
}

void encrypted_apply(const struct cipher *cipher, uint32_t offset, uint8_t *data, uint32_t length) {
    (void)cipher;
    (void)offset;
    (void)data;
    (void)length;
}

#endif
