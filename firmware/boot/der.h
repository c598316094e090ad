/* The DER form of an ECDSA signature (RFC 3279, 2.2.3), strictly. */
#ifndef BOOT_DER_H
#define BOOT_DER_H

#include <stdbool.h>
#include <stdint.h>

/* SEQUENCE { INTEGER r, INTEGER s } to r || s of 32 bytes each. Refuses long-form lengths, negative
 * or padded integers, numbers above 256 bits and anything behind the sequence but zeros (old
 * imgtools pad the TLV to 72 bytes). */
bool der_read_ecdsa(const uint8_t *der, uint32_t length, uint8_t signature[64]);

#endif
