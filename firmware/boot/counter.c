#include "boot/counter.h"

#include "boot/log.h"
#include "flash_map.h"
#include "soc/flash.h"

#define ENTRY_SIZE 8u
#define ENTRIES (FLASH_MAP_COUNTER_SIZE / ENTRY_SIZE)

static const uint32_t *entry_at(uint32_t index) {
    return (const uint32_t *)(FLASH_MAP_COUNTER_START + index * ENTRY_SIZE);
}

uint32_t counter_read(void) {
    uint32_t highest = 0u;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        const volatile uint32_t *entry = entry_at(i);
        const uint32_t value = entry[0];
        if (value == ~entry[1] && value > highest) {
            highest = value;
        }
    }
    return highest;
}

void counter_raise(uint32_t value) {
    if (value <= counter_read()) {
        return;
    }
    for (uint32_t i = 0; i < ENTRIES; i++) {
        const uint32_t address = FLASH_MAP_COUNTER_START + i * ENTRY_SIZE;
        if (!flash_is_erased(address, ENTRY_SIZE)) {
            continue;
        }
        const uint32_t entry[2] = {value, ~value};
        if (flash_write(address, entry, sizeof entry) == FLASH_OK) {
            return;
        }
        /* Low supply: the next start tries again. A bad word: the next entry may do. */
    }
    log_begin("security counter could not be raised to ");
    log_number(value);
    log_end();
}
