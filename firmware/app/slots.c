#include "slots.h"

#include <string.h>

#include "ble/endian.h"
#include "crypto/crypto.h"
#include "flash_map.h"
#include "test_build.h"

#define HEADER_MAGIC 0x96F3B83Du
#define HEADER_SIZE 32u
#define FLAG_NON_BOOTABLE 0x10u
#define TLV_MAGIC 0x6907u
#define TLV_PROTECTED_MAGIC 0x6908u
#define TLV_SHA256 0x10u
#define TLV_AREA_HEADER 4u
#define TLV_ENTRY_HEADER 4u

/* The trailer, counted back from the slot's end. */
#define TRAILER_MAGIC 16u
#define TRAILER_IMAGE_OK 24u
#define TRAILER_COPY_DONE 32u
#define TRAILER_SWAP_INFO 40u
#define FLAG_SET 0x01u
#define SWAP_INFO_TEST 2u
#define SWAP_INFO_PERMANENT 3u

static const uint8_t trailer_magic[16] = {0x77, 0xC2, 0x95, 0xF3, 0x60, 0xD2, 0xEF, 0x7F,
                                          0x35, 0x52, 0x50, 0x0F, 0x2C, 0xB6, 0x79, 0x80};

static const uint8_t *flash_at(uint32_t address) {
    return (const uint8_t *)(uintptr_t)address;
}

static uint32_t slot_end(uint32_t slot) {
    return slot == 0 ? FLASH_MAP_PRIMARY_START + FLASH_MAP_PRIMARY_SIZE
                     : FLASH_MAP_SECONDARY_START + FLASH_MAP_SECONDARY_SIZE;
}

/* Looks for the SHA-256 in the unprotected TLVs at `at`, which may extend to `end`. */
static void read_hash(struct slot_image *image, uint32_t at, uint32_t end) {
    uint32_t area_end;

    if (end - at < TLV_AREA_HEADER || get_le16(flash_at(at)) != TLV_MAGIC ||
        get_le16(flash_at(at + 2)) > end - at) {
        return;
    }
    area_end = at + get_le16(flash_at(at + 2));
    at += TLV_AREA_HEADER;
    while (at < area_end && area_end - at >= TLV_ENTRY_HEADER) {
        uint16_t type = get_le16(flash_at(at));
        uint16_t length = get_le16(flash_at(at + 2));

        at += TLV_ENTRY_HEADER;
        if (length > area_end - at) {
            return;
        }
        if (type == TLV_SHA256 && length == sizeof(image->hash)) {
            memcpy(image->hash, flash_at(at), sizeof(image->hash));
            image->has_hash = true;
            return;
        }
        at += length;
    }
}

static bool read_image(uint32_t address, uint32_t end, struct slot_image *image) {
    const uint8_t *header = flash_at(address);
    uint32_t header_size;
    uint32_t protected_size;
    uint32_t payload_size;
    uint32_t room = end - FLASH_MAP_PAGE_SIZE - address; /* the last page is the trailer's */

    memset(image, 0, sizeof(*image));
    if (get_le32(&header[0]) != HEADER_MAGIC) {
        return false;
    }
    header_size = get_le16(&header[8]);
    protected_size = get_le16(&header[10]);
    payload_size = get_le32(&header[12]);
    if (header_size < HEADER_SIZE || payload_size > room ||
        header_size + protected_size > room - payload_size) {
        return false;
    }
    image->address = address;
    image->hashed_size = header_size + payload_size + protected_size;
    image->bootable = (get_le32(&header[16]) & FLAG_NON_BOOTABLE) == 0;
    image->version.major = header[20];
    image->version.minor = header[21];
    image->version.revision = get_le16(&header[22]);
    image->version.build = get_le32(&header[24]);
    read_hash(image, address + image->hashed_size, address + room);
    return true;
}

bool slot_read(uint32_t slot, struct slot_image *image) {
    if (slot == 0) {
        return read_image(FLASH_MAP_PRIMARY_START, slot_end(0), image);
    }
    /* An update lies from the second page on; after a swap the former image lies at the first
     * (swap-offset). */
    return read_image(FLASH_MAP_SECONDARY_START + FLASH_MAP_SECONDARY_UPDATE_OFFSET, slot_end(1),
                      image) ||
           read_image(FLASH_MAP_SECONDARY_START, slot_end(1), image);
}

bool slot_image_is_intact(const struct slot_image *image) {
    struct crypto_sha256 context;
    uint8_t digest[CRYPTO_SHA256_SIZE];

    crypto_sha256_init(&context);
    crypto_sha256_update(&context, flash_at(image->address), image->hashed_size);
    crypto_sha256_final(&context, digest);
    return image->has_hash && memcmp(digest, image->hash, sizeof(digest)) == 0;
}

static bool magic_is_good(uint32_t slot) {
    return memcmp(flash_at(slot_end(slot) - TRAILER_MAGIC), trailer_magic, sizeof(trailer_magic)) ==
           0;
}

static bool flag_is_set(uint32_t slot, uint32_t field) {
    return *flash_at(slot_end(slot) - field) == FLAG_SET;
}

enum slot_swap slot_next_swap(void) {
    if (magic_is_good(1)) {
        return flag_is_set(1, TRAILER_IMAGE_OK) ? SLOT_SWAP_PERMANENT : SLOT_SWAP_TEST;
    }
    if (magic_is_good(0) && flag_is_set(0, TRAILER_COPY_DONE) &&
        !flag_is_set(0, TRAILER_IMAGE_OK)) {
        return SLOT_SWAP_REVERT;
    }
    return SLOT_SWAP_NONE;
}

static enum flash_result write_field(uint32_t slot, uint32_t field, uint8_t value) {
    uint8_t bytes[8] = {value, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

    return flash_write(slot_end(slot) - field, bytes, sizeof(bytes));
}

enum flash_result slot_set_pending(bool permanent) {
    enum flash_result result = FLASH_OK;

    /* A test that is made permanent keeps its swap_info: image_ok decides. Without the magic
     * nothing in the page counts, and it may hold what a power cut left of another request: fields
     * that cannot be written over, and an image_ok that nobody asks for now. No image reaches into
     * that page. */
    if (!magic_is_good(1)) {
        result = flash_erase_page(slot_end(1) - FLASH_MAP_PAGE_SIZE);
        if (result == FLASH_OK) {
            result =
                write_field(1, TRAILER_SWAP_INFO, permanent ? SWAP_INFO_PERMANENT : SWAP_INFO_TEST);
        }
    }
    if (result == FLASH_OK && permanent) {
        result = write_field(1, TRAILER_IMAGE_OK, FLAG_SET);
    }
    /* The magic is what counts, so it comes last: a power cut before leaves nothing pending. */
    if (result == FLASH_OK) {
        result = flash_write(slot_end(1) - TRAILER_MAGIC, trailer_magic, sizeof(trailer_magic));
    }
    return result;
}

enum flash_result slot_confirm(void) {
    /* Without a trailer the image was put there by a programmer and is not up for a revert. */
    if (!magic_is_good(0) || flag_is_set(0, TRAILER_IMAGE_OK)) {
        return FLASH_OK;
    }
    return write_field(0, TRAILER_IMAGE_OK, FLAG_SET);
}

#ifdef HIL_DEFECT_FACTORY_RESET
enum flash_result slot_request_revert(void) {
    const uint32_t swap_info = 0xFFFFFF04u;
    enum flash_result result = flash_erase_page(slot_end(1) - FLASH_MAP_PAGE_SIZE);

    if (result == FLASH_OK) {
        result = flash_write(slot_end(1) - TRAILER_SWAP_INFO, &swap_info, sizeof(swap_info));
    }
    if (result == FLASH_OK) {
        result = write_field(1, TRAILER_COPY_DONE, FLAG_SET);
    }
    if (result == FLASH_OK) {
        result = flash_write(slot_end(1) - TRAILER_MAGIC, trailer_magic, sizeof(trailer_magic));
    }
    return result;
}
#endif

bool slot_version_is_greater(const struct boot_version *a, const struct boot_version *b) {
    if (a->major != b->major) {
        return a->major > b->major;
    }
    if (a->minor != b->minor) {
        return a->minor > b->minor;
    }
    if (a->revision != b->revision) {
        return a->revision > b->revision;
    }
    return a->build > b->build;
}
