/* Cryptography of the firmware: a C interface over Zig's standard library (crypto.zig). No heap, no
 * state but the caller's. */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>

#define CRYPTO_SHA256_SIZE 32u
#define CRYPTO_AES128_KEY_SIZE 16u
#define CRYPTO_ECIES_P256_TLV_SIZE 113u /* ephemeral public key 65, tag 32, encrypted key 16 */

/* Incremental SHA-256. The content belongs to crypto.zig, which checks the size at compile time. */
struct crypto_sha256 {
    _Alignas(16) uint64_t state[16];
};

void crypto_sha256_init(struct crypto_sha256 *context);
void crypto_sha256_update(struct crypto_sha256 *context, const void *data, uint32_t length);
void crypto_sha256_final(struct crypto_sha256 *context, uint8_t digest[CRYPTO_SHA256_SIZE]);

/* ECDSA on P-256 (FIPS 186-5). `signature` is r || s, `public_key` X || Y, each number 32 bytes,
 * big endian. */
bool crypto_p256_verify(const uint8_t digest[32], const uint8_t signature[64],
                        const uint8_t public_key[64]);

/* Ed25519 (RFC 8032). */
bool crypto_ed25519_verify(const uint8_t signature[64], const uint8_t public_key[32],
                           const void *message, uint32_t length);

/* Unwraps MCUboot's ECIES-P256 TLV (HKDF-SHA256, HMAC-SHA256, AES-128-CTR): false when it does not
 * authenticate. */
bool crypto_ecies_p256_unwrap(const uint8_t private_key[32],
                              const uint8_t tlv[CRYPTO_ECIES_P256_TLV_SIZE],
                              uint8_t key[CRYPTO_AES128_KEY_SIZE]);

/* AES-128-CTR in place; `offset` is the position of `data` in the stream (a multiple of 16), nonce
 * 0. */
void crypto_aes128_ctr(const uint8_t key[CRYPTO_AES128_KEY_SIZE], uint32_t offset, void *data,
                       uint32_t length);

/* Compares in time that depends on the length alone. */
bool crypto_equal(const void *left, const void *right, uint32_t length);

#endif
