#include "boot/steady.h"

#include "boot/battery.h"
#include "boot/log.h"
#include "soc/cpu.h"
#include "soc/flash.h"
#include "soc/time.h"
#include "soc/watchdog.h"

#define RETRY_SECONDS 60u

_Noreturn void steady_failed(uint32_t address) {
    log_begin("flash page ");
    log_number(address / FLASH_PAGE_SIZE);
    log_text(" cannot be written, trying again in a minute");
    log_end();
    for (uint32_t i = 0; i < RETRY_SECONDS; i++) {
        watchdog_feed();
        time_sleep_ms(1000u);
    }
    cpu_reset();
}

void steady_erase(uint32_t address) {
    uint32_t failures = 0u;
    for (;;) {
        watchdog_feed();
        battery_wait("swap");
        const enum flash_result result = flash_erase_page(address);
        if (result == FLASH_OK) {
            return;
        }
        if (result != FLASH_POWER_LOW) {
            failures++;
            if (failures >= STEADY_ATTEMPTS) {
                steady_failed(address);
            }
        }
    }
}

bool steady_write(uint32_t address, const void *data, uint32_t length) {
    for (;;) {
        watchdog_feed();
        const enum flash_result result = flash_rewrite(address, data, length);
        if (result == FLASH_OK) {
            return true;
        }
        if (result != FLASH_POWER_LOW) {
            return false;
        }
        battery_wait("swap");
        time_sleep_ms(1u);
    }
}
