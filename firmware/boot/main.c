/* The bootloader: checks, swaps, locks, starts. What it does not start it does not touch. */
#include <stddef.h>
#include <string.h>

#include "boot/battery.h"
#include "boot/boot_info.h"
#include "boot/log.h"
#include "boot/provision.h"
#include "boot/upgrade.h"
#include "flash_map.h"
#include "soc/console.h"
#include "soc/cpu.h"
#include "soc/lock.h"
#include "soc/power.h"
#include "soc/time.h"
#include "soc/watchdog.h"
#include "test_build.h"

#define BOOT_VERSION_MAJOR 1u
#define BOOT_VERSION_MINOR 0u
#define BOOT_VERSION_PATCH 0u

#define IMAGE_COUNT 1u
/* ACL regions used here; the other six stay free for the application. */
#define LOCK_BOOT 0u
#define LOCK_PROVISIONING 1u

/* Nothing can be started: sleeps for good, the watchdog fed, so that the console line stays the
 * last one and the battery lasts. A probe or a reset ends it. */
static _Noreturn void stay(const char *why) {
    log_begin(why);
    log_end();
    console_close();
    for (;;) {
        watchdog_feed();
        time_sleep_ms(WATCHDOG_TIMEOUT_MS / 2u);
    }
}

/* Writes to itself, the provisioning page and the counter page fault from here on, until the next
 * reset. */
static bool lock_boot_flash(const struct provisioning *page) {
#ifdef HIL_DEFECT_ACL
    (void)page;
    return true;
#else
    const bool locked = lock_flash(LOCK_BOOT, FLASH_MAP_LOCKED_START, FLASH_MAP_LOCKED_END, false);
    if (page->decryption_key_present == 0u) {
        return locked;
    }
    /* The page holds a secret: nor may the application read it. */
    return locked && lock_flash(LOCK_PROVISIONING, FLASH_MAP_PROVISIONING_START,
                                FLASH_MAP_PROVISIONING_START + FLASH_MAP_PROVISIONING_SIZE, true);
#endif
}

static void hand_over(const struct provisioning *page, uint32_t reset_reason,
                      const struct boot_image_info *image) {
    struct boot_info info;
    (void)memset(&info, 0, sizeof info);
    info.magic = BOOT_INFO_MAGIC;
    info.layout = BOOT_INFO_LAYOUT;
    info.length = sizeof info;
    info.image_count = IMAGE_COUNT;
    info.upload_minimum_percent = page->upload_minimum_percent;
    info.swap_minimum_percent = page->swap_minimum_percent;
    info.battery_empty_mv = page->battery_empty_mv;
    info.battery_full_mv = page->battery_full_mv;
    info.reset_reason = reset_reason;
    info.hardware_revision = page->hardware_revision;
    info.watchdog_ms = WATCHDOG_TIMEOUT_MS;
    info.boot_version[0] = BOOT_VERSION_MAJOR;
    info.boot_version[1] = BOOT_VERSION_MINOR;
    info.boot_version[2] = BOOT_VERSION_PATCH;
    info.images[0] = *image;
    info.crc = boot_crc32(&info, (uint32_t)offsetof(struct boot_info, crc));
    (void)memset((void *)FLASH_MAP_BOOT_INFO_START, 0, FLASH_MAP_BOOT_INFO_SIZE);
    (void)memcpy((void *)FLASH_MAP_BOOT_INFO_START, &info, sizeof info);
}

static const char *reset_name(uint32_t reason) {
    /* Bits of POWER.RESETREAS, the most telling first. */
    if ((reason & 0x2u) != 0u) {
        return "watchdog";
    }
    if ((reason & 0x8u) != 0u) {
        return "CPU lockup";
    }
    if ((reason & 0x4u) != 0u) {
        return "soft reset";
    }
    if ((reason & 0x1u) != 0u) {
        return "reset pin";
    }
    return (reason == 0u) ? "power on" : "other";
}

static void log_start(uint32_t reset_reason) {
    const struct boot_version version = {BOOT_VERSION_MAJOR, BOOT_VERSION_MINOR, BOOT_VERSION_PATCH,
                                         0u};
    log_begin("bootloader ");
    log_version(&version);
    log_text(", reset: ");
    log_text(reset_name(reset_reason));
#ifdef HIL_TEST_BUILD
    log_text(", TEST BUILD WITH A DEFECT, NOT FOR USE");
#endif
    log_end();
}

int main(void) {
    struct boot_image_info info;
    struct image image;

    const uint32_t reset_reason = power_take_reset_reason();
    time_init();
    watchdog_start();
    power_fail_warning_enable();
    console_open();
    log_start(reset_reason);

    const struct provisioning *page = provision_read();
    if (page == NULL) {
        stay("not provisioned: the provisioning page is blank or damaged, nothing is started or "
             "changed");
    }
    battery_configure(page);
    (void)memset(&info, 0, sizeof info);
    if (!upgrade_run(page, &info, &image)) {
        stay("no valid image, waiting for a probe");
    }
    /* Before the lock: the provisioning page may not be readable afterwards. */
    hand_over(page, reset_reason, &info);
    if (!lock_boot_flash(page)) {
        stay("the bootloader could not be locked, nothing is started");
    }
    log_image(0u);
    log_version(&info.version);
    log_text((info.confirmed != 0u) ? " starts" : " starts, unconfirmed");
    log_end();

    console_close();
    time_stop();
    watchdog_feed();
    cpu_start_program(FLASH_MAP_PRIMARY_START + image.header_size, FLASH_MAP_RAM_START,
                      FLASH_MAP_BOOT_INFO_START);
}
