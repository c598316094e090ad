/* The keys that may sign images: those in the provisioning page, but never a publicly known one. */
#ifndef BOOT_KEYS_H
#define BOOT_KEYS_H

#include <stdint.h>

#include "boot/boot_info.h"
#include "boot/provision.h"

/* Finds the provisioned key of this type whose SubjectPublicKeyInfo has this SHA-256 (MCUboot's
 * KEYHASH). */
enum boot_refusal keys_find(const struct provisioning *page, enum provisioning_key_type type,
                            const uint8_t key_hash[32], const struct provisioning_key **key);

#endif
