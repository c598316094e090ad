#include "boot/validate.h"

#include <stddef.h>
#include <string.h>

#include "boot/bytes.h"
#include "boot/counter.h"
#include "boot/der.h"
#include "boot/keys.h"
#include "flash_map.h"
#include "soc/watchdog.h"
#include "test_build.h"

/* Hashed in pieces of this, the watchdog fed in between: 16 KB take about 16 ms. */
#define HASH_PIECE 0x4000u
/* Ciphertext is decrypted to RAM in pieces of this; a multiple of the cipher's 16-byte blocks. */
#define CIPHER_PIECE 256u

static void hash_plain(struct crypto_sha256 *context, const uint8_t *data, uint32_t length) {
    while (length > 0u) {
        const uint32_t piece = (length < HASH_PIECE) ? length : HASH_PIECE;
        crypto_sha256_update(context, data, piece);
        watchdog_feed();
        data += piece;
        length -= piece;
    }
}

static void hash_decrypted(struct crypto_sha256 *context, const struct cipher *cipher,
                           const struct image *image) {
    uint8_t piece[CIPHER_PIECE];
    uint32_t at = image->header_size;
    const uint32_t end = image->header_size + image->payload_size;
    while (at < end) {
        const uint32_t length = (end - at < CIPHER_PIECE) ? (end - at) : CIPHER_PIECE;
        (void)memcpy(piece, image->base + at, length);
        encrypted_apply(cipher, at, piece, length);
        crypto_sha256_update(context, piece, length);
        watchdog_feed();
        at += length;
    }
}

/* SHA-256 over header, payload (as plain text) and protected TLVs. */
static void hash_image(const struct image *image, const struct cipher *cipher,
                       uint8_t digest[CRYPTO_SHA256_SIZE]) {
    struct crypto_sha256 context;
    const uint32_t payload_end = image->header_size + image->payload_size;
    crypto_sha256_init(&context);
    if (cipher->active && image->in_secondary) {
        crypto_sha256_update(&context, image->base, image->header_size);
        hash_decrypted(&context, cipher, image);
        crypto_sha256_update(&context, image->base + payload_end, image->protected_size);
    } else {
        hash_plain(&context, image->base, payload_end + image->protected_size);
    }
    crypto_sha256_final(&context, digest);
}

#ifdef HIL_SIGNATURE_ED25519
#define KEY_TYPE PROVISIONING_KEY_ED25519
#define SIGNATURE_TYPE TLV_ED25519

static bool signature_verifies(const struct tlvs *tlvs, const uint8_t digest[CRYPTO_SHA256_SIZE],
                               const struct provisioning_key *key) {
    return crypto_ed25519_verify(tlvs->signature, key->public_key, digest, CRYPTO_SHA256_SIZE);
}
#else
#define KEY_TYPE PROVISIONING_KEY_P256
#define SIGNATURE_TYPE TLV_ECDSA

static bool signature_verifies(const struct tlvs *tlvs, const uint8_t digest[CRYPTO_SHA256_SIZE],
                               const struct provisioning_key *key) {
    uint8_t signature[64];
    return der_read_ecdsa(tlvs->signature, tlvs->signature_length, signature) &&
           crypto_p256_verify(digest, signature, key->public_key);
}
#endif

static enum boot_refusal check_signature(const struct tlvs *tlvs,
                                         const uint8_t digest[CRYPTO_SHA256_SIZE],
                                         const struct provisioning *page) {
#ifdef HIL_DEFECT_SIGNATURE
    (void)tlvs;
    (void)digest;
    (void)page;
    (void)signature_verifies;
    return BOOT_REFUSAL_NONE;
#else
    const struct provisioning_key *key = NULL;
    if (tlvs->key_hash == NULL || tlvs->signature == NULL ||
        tlvs->signature_type != SIGNATURE_TYPE) {
        return BOOT_REFUSAL_TLV;
    }
    const enum boot_refusal refusal = keys_find(page, KEY_TYPE, tlvs->key_hash, &key);
    if (refusal != BOOT_REFUSAL_NONE) {
        return refusal;
    }
    return signature_verifies(tlvs, digest, key) ? BOOT_REFUSAL_NONE : BOOT_REFUSAL_SIGNATURE;
#endif
}

/* True when an identifier is the provisioned one, or is absent and may be. */
static bool identifier_fits(const uint8_t *found, const uint8_t *expected, bool required) {
    return (found == NULL) ? !required : (memcmp(found, expected, 16u) == 0);
}

static enum boot_refusal check_hardware(const struct tlvs *tlvs, const struct provisioning *page) {
#ifdef HIL_DEFECT_HARDWARE
    (void)identifier_fits;
    (void)tlvs;
    (void)page;
    return BOOT_REFUSAL_NONE;
#else
    if (!identifier_fits(tlvs->vendor, page->vendor,
                         (page->policy & PROVISIONING_REQUIRE_VENDOR) != 0u) ||
        !identifier_fits(tlvs->class_id, page->class_id,
                         (page->policy & PROVISIONING_REQUIRE_CLASS) != 0u)) {
        return BOOT_REFUSAL_HARDWARE;
    }
    if (tlvs->hardware == NULL) {
        return ((page->policy & PROVISIONING_REQUIRE_HARDWARE) != 0u) ? BOOT_REFUSAL_HARDWARE
                                                                      : BOOT_REFUSAL_NONE;
    }
    const uint32_t revision = page->hardware_revision;
    const bool fits =
        bytes_u32(tlvs->hardware) <= revision && revision <= bytes_u32(tlvs->hardware + 4);
    return fits ? BOOT_REFUSAL_NONE : BOOT_REFUSAL_HARDWARE;
#endif
}

static enum boot_refusal check_counter(const struct tlvs *tlvs, const struct provisioning *page,
                                       uint32_t *counter) {
    if (tlvs->security_counter == NULL &&
        (page->policy & PROVISIONING_REQUIRE_SECURITY_COUNTER) != 0u) {
        return BOOT_REFUSAL_SECURITY_COUNTER;
    }
    *counter = (tlvs->security_counter != NULL) ? bytes_u32(tlvs->security_counter) : 0u;
#ifdef HIL_DEFECT_COUNTER
    return BOOT_REFUSAL_NONE;
#endif
    return (*counter >= counter_read()) ? BOOT_REFUSAL_NONE : BOOT_REFUSAL_SECURITY_COUNTER;
}

/* The first two words of the payload, which is a vector table, must lead into RAM and into the
 * image, at the place it runs from. */
static enum boot_refusal check_vectors(const struct image *image, const struct cipher *cipher) {
    uint8_t words[16];
    if (image->payload_size < sizeof words) {
        return BOOT_REFUSAL_VECTORS;
    }
    (void)memcpy(words, image->base + image->header_size, sizeof words);
    if (image->in_secondary) {
        encrypted_apply(cipher, image->header_size, words, sizeof words);
    }
    const uint32_t stack = bytes_u32(&words[0]);
    const uint32_t entry = bytes_u32(&words[4]);
    const uint32_t start = FLASH_MAP_PRIMARY_START + image->header_size;
    const bool stack_fits = stack > FLASH_MAP_RAM_START &&
                            stack <= FLASH_MAP_BOOT_INFO_START + FLASH_MAP_BOOT_INFO_SIZE &&
                            (stack & 3u) == 0u;
    const bool entry_fits =
        (entry & 1u) == 1u && entry > start && entry < start + image->payload_size;
#ifdef HIL_DEFECT_VECTORS
    (void)stack_fits;
    (void)entry_fits;
    return BOOT_REFUSAL_NONE;
#endif
    return (stack_fits && entry_fits) ? BOOT_REFUSAL_NONE : BOOT_REFUSAL_VECTORS;
}

enum boot_refusal validate_image(const struct image *image, const struct provisioning *page,
                                 struct cipher *cipher, uint32_t *security_counter) {
    struct tlvs tlvs;
    struct cipher own_cipher;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    uint32_t counter = 0u;
    struct cipher *used = (cipher != NULL) ? cipher : &own_cipher;

    used->active = false;
    enum boot_refusal refusal = tlv_read(image, &tlvs);
    if (refusal != BOOT_REFUSAL_NONE) {
        return refusal;
    }
    if (tlvs.sha256 == NULL) {
        return BOOT_REFUSAL_TLV;
    }
    if (image->in_secondary || cipher != NULL) {
        refusal = encrypted_open(image, &tlvs, page, used);
        if (refusal != BOOT_REFUSAL_NONE) {
            return refusal;
        }
    }
#ifdef HIL_DEFECT_HASH
    (void)hash_image;
    (void)memcpy(digest, tlvs.sha256, sizeof digest);
#else
    hash_image(image, used, digest);
#endif
    if (!crypto_equal(digest, tlvs.sha256, CRYPTO_SHA256_SIZE)) {
        return BOOT_REFUSAL_HASH;
    }
    refusal = check_signature(&tlvs, digest, page);
    if (refusal == BOOT_REFUSAL_NONE) {
        refusal = check_hardware(&tlvs, page);
    }
    if (refusal == BOOT_REFUSAL_NONE) {
        refusal = check_counter(&tlvs, page, &counter);
    }
    if (refusal == BOOT_REFUSAL_NONE) {
        refusal = check_vectors(image, used);
    }
    if (refusal == BOOT_REFUSAL_NONE && security_counter != NULL) {
        *security_counter = counter;
    }
    return refusal;
}

/* Each dependency names an image and the lowest version that must be installed. There is one image,
 * number 0: an update may depend on the version it replaces, and on nothing else. */
static enum boot_refusal check_dependencies(const struct image *update,
                                            const struct image *installed) {
    struct tlvs tlvs;
#ifdef HIL_DEFECT_DEPENDENCY
    (void)installed;
    return tlv_read(update, &tlvs);
#endif
    const enum boot_refusal refusal = tlv_read(update, &tlvs);
    if (refusal != BOOT_REFUSAL_NONE) {
        return refusal;
    }
    for (uint32_t i = 0; i < tlvs.dependency_count; i++) {
        const uint8_t *entry = tlvs.dependencies[i];
        const struct boot_version lowest = {entry[4], entry[5], bytes_u16(entry + 6),
                                            bytes_u32(entry + 8)};
        if (entry[0] != 0u || installed == NULL ||
            image_compare_versions(&installed->version, &lowest) < 0) {
            return BOOT_REFUSAL_DEPENDENCY;
        }
    }
    return BOOT_REFUSAL_NONE;
}

enum boot_refusal validate_update(const struct image *update, const struct image *installed) {
#ifndef HIL_DEFECT_VERSION
    if (installed != NULL && image_compare_versions(&update->version, &installed->version) <= 0) {
        return BOOT_REFUSAL_VERSION;
    }
#endif
    return check_dependencies(update, installed);
}
