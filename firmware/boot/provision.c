#include "boot/provision.h"

#include <stdbool.h>

#include "boot/boot_info.h"
#include "boot/bytes.h"
#include "flash_map.h"

static bool content_is_sound(const struct provisioning *page) {
    if (page->key_count == 0u || page->key_count > PROVISIONING_KEYS) {
        return false;
    }
    for (uint32_t i = 0; i < page->key_count; i++) {
        if (page->keys[i].type != PROVISIONING_KEY_P256 &&
            page->keys[i].type != PROVISIONING_KEY_ED25519) {
            return false;
        }
    }
    return page->battery_empty_mv < page->battery_full_mv && page->upload_minimum_percent <= 100u &&
           page->swap_minimum_percent + page->swap_hysteresis_percent <= 100u &&
           page->decryption_key_present <= 1u;
}

const struct provisioning *provision_read(void) {
    const uint8_t *bytes = (const uint8_t *)FLASH_MAP_PROVISIONING_START;
    const struct provisioning *page = (const struct provisioning *)(const void *)bytes;
    if (page->magic != PROVISIONING_MAGIC || page->layout < PROVISIONING_LAYOUT ||
        page->length < sizeof(struct provisioning) ||
        page->length > FLASH_MAP_PROVISIONING_SIZE - sizeof(uint32_t)) {
        return NULL;
    }
    if (boot_crc32(bytes, page->length) != bytes_u32(&bytes[page->length])) {
        return NULL;
    }
    return content_is_sound(page) ? page : NULL;
}
