#include "battery.h"

#include "boot/boot_info.h"
#include "soc/power.h"

/* What holds when the device was started without its bootloader, by a debugger. */
#define DEFAULT_UPLOAD_MINIMUM_PERCENT 20
#define DEFAULT_EMPTY_MV 2000
#define DEFAULT_FULL_MV 3000

uint8_t battery_percent(void) {
    uint32_t empty = DEFAULT_EMPTY_MV;
    uint32_t full = DEFAULT_FULL_MV;

    if (boot_info_valid(BOOT_INFO) && BOOT_INFO->battery_full_mv > BOOT_INFO->battery_empty_mv) {
        empty = BOOT_INFO->battery_empty_mv;
        full = BOOT_INFO->battery_full_mv;
    }
    return (uint8_t)power_battery_percent(power_supply_mv(), empty, full);
}

bool battery_allows_upload(void) {
    uint8_t minimum = DEFAULT_UPLOAD_MINIMUM_PERCENT;

    if (boot_info_valid(BOOT_INFO)) {
        minimum = BOOT_INFO->upload_minimum_percent;
    }
    return battery_percent() >= minimum;
}
