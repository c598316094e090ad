/* The trailer at the end of a slot: MCUboot's design document, "Image trailer", in swap-offset's
 * layout with 4-byte writes, a maximum alignment of 8 and 128 sectors. From the slot's end
 * downwards:
 *
 *   -16 magic | -24 image_ok | -32 copy_done | -40 swap info | -48 plain TLV sizes | -56 swap size
 * | (encrypted: -72, -88 keys) | swap status, two words a page
 *
 * A flag is set when its first byte is 1 and unset when that is 0xFF; anything else was torn. */
#ifndef BOOT_TRAILER_H
#define BOOT_TRAILER_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"
#include "crypto/crypto.h"

enum trailer_slot {
    TRAILER_PRIMARY,
    TRAILER_SECONDARY,
};

enum trailer_flag {
    TRAILER_IMAGE_OK,
    TRAILER_COPY_DONE,
};

bool trailer_magic_is_good(enum trailer_slot slot);
bool trailer_flag_is_set(enum trailer_slot slot, enum trailer_flag flag);
/* True when the flag's word is as an erase leaves it. */
bool trailer_flag_is_erased(enum trailer_slot slot, enum trailer_flag flag);

/* The swap type, BOOT_SWAP_NONE when none is written or the number is no swap's of image 0. */
enum boot_swap trailer_swap_type(enum trailer_slot slot);
uint32_t trailer_swap_size(enum trailer_slot slot);
/* Plain TLV sizes: primary image in the low half, secondary image in the high half. */
uint32_t trailer_tlv_sizes(enum trailer_slot slot);
void trailer_key(enum trailer_slot slot, uint32_t image, uint8_t key[CRYPTO_AES128_KEY_SIZE]);

/* What swap_begin writes into a trailer, the magic last. */
struct trailer_content {
    enum boot_swap type;
    bool image_ok;
    bool copy_done;
    uint32_t swap_size;
    uint32_t tlv_sizes;
    uint8_t keys[2][CRYPTO_AES128_KEY_SIZE]; /* of the primary and of the secondary slot's image;
                                                zeros when not encrypted */
};

/* Erases the trailer's page and writes this; returns when it reads back as written. */
void trailer_make(enum trailer_slot slot, const struct trailer_content *content);

/* Programs magic and set flags once more, so that a word whose programming was cut short becomes
 * what it reads as. False: it reads otherwise now. */
bool trailer_settle(enum trailer_slot slot);

/* Makes the magic invalid by clearing its last word. */
void trailer_invalidate(enum trailer_slot slot);
void trailer_erase(enum trailer_slot slot);
void trailer_set_flag(enum trailer_slot slot, enum trailer_flag flag);

/* How many status records the primary slot's trailer holds, that is how many of `total` steps are
 * finished. */
uint32_t trailer_steps_done(uint32_t total);
/* Records step `index` as finished; again when its record was already begun. */
void trailer_record_step(uint32_t index);

#endif
