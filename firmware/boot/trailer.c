#include "boot/trailer.h"

#include <string.h>

#include "boot/bytes.h"
#include "boot/steady.h"
#include "flash_map.h"
#include "soc/flash.h"
#include "test_build.h"

#define FROM_END_MAGIC 16u
#define FROM_END_IMAGE_OK 24u
#define FROM_END_COPY_DONE 32u
#define FROM_END_SWAP_INFO 40u
#define FROM_END_TLV_SIZES 48u
#define FROM_END_SWAP_SIZE 56u
#ifdef HIL_ENCRYPTED_IMAGES
#define KEYS_SIZE (2u * CRYPTO_AES128_KEY_SIZE)
#else
#define KEYS_SIZE 0u
#endif
#define SECTORS_MAX 128u
#define STEPS_PER_SECTOR 2u
#define RECORD_SIZE 4u
#define FROM_END_STATUS                                                                            \
    (FROM_END_SWAP_SIZE + KEYS_SIZE + SECTORS_MAX * STEPS_PER_SECTOR * RECORD_SIZE)

_Static_assert(FROM_END_STATUS <= FLASH_MAP_PAGE_SIZE, "the trailer must fit one page");
_Static_assert(FLASH_MAP_IMAGE_SIZE_MAX / FLASH_MAP_PAGE_SIZE <= SECTORS_MAX,
               "a status record for each page");

#define FLAG_SET 0x01u
#define WORD_ERASED 0xFFFFFFFFu
#define WORD_FLAG_SET 0xFFFFFF01u

static const uint8_t magic[16] = {0x77, 0xC2, 0x95, 0xF3, 0x60, 0xD2, 0xEF, 0x7F,
                                  0x35, 0x52, 0x50, 0x0F, 0x2C, 0xB6, 0x79, 0x80};

/* Address of what lies this far from the slot's end. */
static uint32_t address_of(enum trailer_slot slot, uint32_t from_end) {
    const uint32_t end = (slot == TRAILER_PRIMARY)
                             ? FLASH_MAP_PRIMARY_START + FLASH_MAP_PRIMARY_SIZE
                             : FLASH_MAP_SECONDARY_START + FLASH_MAP_SECONDARY_SIZE;
    return end - from_end;
}

static uint32_t flag_address(enum trailer_slot slot, enum trailer_flag flag) {
    return address_of(slot, (flag == TRAILER_IMAGE_OK) ? FROM_END_IMAGE_OK : FROM_END_COPY_DONE);
}

static const uint8_t *flash_at(uint32_t address) {
    return (const uint8_t *)(uintptr_t)address;
}

static uint32_t word_at(uint32_t address) {
    return *(const volatile uint32_t *)(uintptr_t)address;
}

bool trailer_magic_is_good(enum trailer_slot slot) {
    return memcmp(flash_at(address_of(slot, FROM_END_MAGIC)), magic, sizeof magic) == 0;
}

bool trailer_flag_is_set(enum trailer_slot slot, enum trailer_flag flag) {
    return (word_at(flag_address(slot, flag)) & 0xFFu) == FLAG_SET;
}

bool trailer_flag_is_erased(enum trailer_slot slot, enum trailer_flag flag) {
    return word_at(flag_address(slot, flag)) == WORD_ERASED;
}

enum boot_swap trailer_swap_type(enum trailer_slot slot) {
    /* Low half-byte: the type; high half-byte: the image number. */
    const uint32_t info = word_at(address_of(slot, FROM_END_SWAP_INFO)) & 0xFFu;
    return (info >= (uint32_t)BOOT_SWAP_TEST && info <= (uint32_t)BOOT_SWAP_REVERT)
               ? (enum boot_swap)info
               : BOOT_SWAP_NONE;
}

uint32_t trailer_swap_size(enum trailer_slot slot) {
    return word_at(address_of(slot, FROM_END_SWAP_SIZE));
}

uint32_t trailer_tlv_sizes(enum trailer_slot slot) {
    return word_at(address_of(slot, FROM_END_TLV_SIZES));
}

void trailer_key(enum trailer_slot slot, uint32_t image, uint8_t key[CRYPTO_AES128_KEY_SIZE]) {
    const uint32_t from_end = FROM_END_SWAP_SIZE + (image + 1u) * CRYPTO_AES128_KEY_SIZE;
    (void)memcpy(key, flash_at(address_of(slot, from_end)), CRYPTO_AES128_KEY_SIZE);
}

static bool write_word(enum trailer_slot slot, uint32_t from_end, uint32_t value) {
    return steady_write(address_of(slot, from_end), &value, sizeof value);
}

static bool write_content(enum trailer_slot slot, const struct trailer_content *content) {
#ifdef HIL_DEFECT_MAGIC
    (void)steady_write(address_of(slot, FROM_END_MAGIC), magic, sizeof magic);
#endif
    bool written = write_word(slot, FROM_END_SWAP_INFO, 0xFFFFFF00u | (uint32_t)content->type) &&
                   write_word(slot, FROM_END_SWAP_SIZE, content->swap_size) &&
                   write_word(slot, FROM_END_TLV_SIZES, content->tlv_sizes);
    if (written && content->image_ok) {
        written = write_word(slot, FROM_END_IMAGE_OK, WORD_FLAG_SET);
    }
    if (written && content->copy_done) {
        written = write_word(slot, FROM_END_COPY_DONE, WORD_FLAG_SET);
    }
#ifdef HIL_ENCRYPTED_IMAGES
    for (uint32_t image = 0; written && image < 2u; image++) {
        const uint32_t from_end = FROM_END_SWAP_SIZE + (image + 1u) * CRYPTO_AES128_KEY_SIZE;
        written =
            steady_write(address_of(slot, from_end), content->keys[image], CRYPTO_AES128_KEY_SIZE);
    }
#endif
    /* The magic says that all the rest is there: it comes last. */
    return written && steady_write(address_of(slot, FROM_END_MAGIC), magic, sizeof magic);
}

void trailer_make(enum trailer_slot slot, const struct trailer_content *content) {
    for (uint32_t attempt = 0; attempt < STEADY_ATTEMPTS; attempt++) {
        trailer_erase(slot);
        if (write_content(slot, content)) {
            return;
        }
    }
    steady_failed(address_of(slot, FLASH_MAP_PAGE_SIZE));
}

static bool settle_flag(enum trailer_slot slot, enum trailer_flag flag) {
    const uint32_t value = WORD_FLAG_SET;
    if (trailer_flag_is_set(slot, flag)) {
        (void)steady_write(flag_address(slot, flag), &value, sizeof value);
        return trailer_flag_is_set(slot, flag);
    }
    return true;
}

bool trailer_settle(enum trailer_slot slot) {
    return settle_flag(slot, TRAILER_IMAGE_OK) && settle_flag(slot, TRAILER_COPY_DONE) &&
           steady_write(address_of(slot, FROM_END_MAGIC), magic, sizeof magic);
}

void trailer_invalidate(enum trailer_slot slot) {
    const uint32_t address = address_of(slot, 4u);
    const uint32_t zero = 0u;
    if (trailer_magic_is_good(slot) && !steady_write(address, &zero, sizeof zero) &&
        trailer_magic_is_good(slot)) {
        steady_failed(address & ~(FLASH_MAP_PAGE_SIZE - 1u));
    }
}

void trailer_erase(enum trailer_slot slot) {
    steady_erase(address_of(slot, FLASH_MAP_PAGE_SIZE));
}

void trailer_set_flag(enum trailer_slot slot, enum trailer_flag flag) {
    const uint32_t value = WORD_FLAG_SET;
    /* What counts is how the flag reads: its first byte. */
    if (!steady_write(flag_address(slot, flag), &value, sizeof value) &&
        !trailer_flag_is_set(slot, flag)) {
        steady_failed(flag_address(slot, flag) & ~(FLASH_MAP_PAGE_SIZE - 1u));
    }
}

static uint32_t record_address(uint32_t index) {
    return address_of(TRAILER_PRIMARY, FROM_END_STATUS) + index * RECORD_SIZE;
}

uint32_t trailer_steps_done(uint32_t total) {
    for (uint32_t done = total; done > 0u; done--) {
        if (word_at(record_address(done - 1u)) != WORD_ERASED) {
            return done;
        }
    }
    return 0u;
}

void trailer_record_step(uint32_t index) {
    const uint32_t value = 0xFFFFFF00u | (1u + (index % STEPS_PER_SECTOR));
    /* A record that was cut short reads as begun, and a step is finished before its record is
     * begun: that will do. */
    if (!steady_write(record_address(index), &value, sizeof value) &&
        word_at(record_address(index)) == WORD_ERASED) {
        steady_failed(record_address(index) & ~(FLASH_MAP_PAGE_SIZE - 1u));
    }
}
