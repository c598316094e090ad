/* Encrypted images: MCUboot's ECIES on P-256, payload by AES-128-CTR with nonce 0 (MCUboot's
 * "Encrypted images"). The payload is ciphertext in the secondary slot and plain text in the
 * primary one; header and TLVs are always plain. */
#ifndef BOOT_ENCRYPTED_H
#define BOOT_ENCRYPTED_H

#include "boot/image.h"
#include "boot/provision.h"
#include "boot/tlv.h"
#include "crypto/crypto.h"

struct cipher {
    bool active;
    uint8_t key[CRYPTO_AES128_KEY_SIZE];
    uint32_t payload_start; /* in the image */
    uint32_t payload_size;
};

/* The cipher of an image, inactive when it is not encrypted. */
enum boot_refusal encrypted_open(const struct image *image, const struct tlvs *tlvs,
                                 const struct provisioning *page, struct cipher *cipher);

/* Encrypts or decrypts in place what of `data`, which lies at `offset` of the image, is payload.
 * Offsets and lengths are multiples of 16, but for an image's end. */
void encrypted_apply(const struct cipher *cipher, uint32_t offset, uint8_t *data, uint32_t length);

#endif
