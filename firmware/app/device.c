#include "device.h"

#include <string.h>

#include "battery.h"
#include "behaviour.h"
#include "ble/hci.h"
#include "boot/boot_info.h"
#include "log.h"
#include "selftest.h"
#include "services.h"
#include "slots.h"
#include "smp.h"
#include "smp_ble.h"
#include "smp_serial.h"
#include "soc/cpu.h"
#include "soc/device.h"
#include "soc/power.h"
#include "terminal.h"
#include "text.h"
#include "upload.h"

#define WAKE_MS 1000u     /* at the latest, to feed the watchdog */
#define BATTERY_MS 10000u /* between measurements for notifications */
#define RESET_MS                                                                                   \
    250u /* from the answer to a reset request to the end of the link: time for the last packets   \
          */
#define CLOSE_POLL_MS 10u /* while the link is being ended */

/* Advertising data, Core Specification Supplement, Part A. */
#define AD_FLAGS 0x01
#define AD_UUID128_COMPLETE 0x07
#define AD_NAME_COMPLETE 0x09
#define FLAGS_GENERAL_NO_BREDR 0x06

static struct hci_config bluetooth;
static uint32_t battery_at_ms;
static uint8_t battery_last;
static bool reset_armed;
static uint32_t reset_at_ms;
static bool controller_reported;

static void add_advertising(uint8_t type, const void *data, uint8_t length) {
    uint8_t *to = &bluetooth.advertising[bluetooth.advertising_length];

    if (bluetooth.advertising_length + 2u + length > sizeof(bluetooth.advertising)) {
        return;
    }
    to[0] = (uint8_t)(1 + length);
    to[1] = type;
    memcpy(&to[2], data, length);
    bluetooth.advertising_length = (uint8_t)(bluetooth.advertising_length + 2 + length);
}

static void link_changed(bool connected) {
    log_text(connected ? "connected" : "disconnected");
    smp_ble_reset();
}

static void open_bluetooth(void) {
    uint8_t flags = FLAGS_GENERAL_NO_BREDR;

    device_address(bluetooth.address);
    add_advertising(AD_FLAGS, &flags, 1);
    add_advertising(AD_UUID128_COMPLETE, services_smp_uuid, sizeof(services_smp_uuid));
    add_advertising(AD_NAME_COMPLETE, SERVICES_NAME, sizeof(SERVICES_NAME) - 1);
    bluetooth.link_changed = link_changed;
    hci_open(&bluetooth);
}

static void report_start(void) {
    struct slot_image image;
    char version[TEXT_VERSION_MAX];

#ifdef HIL_TEST_BUILD
    log_text("TEST BUILD WITH A DEFECT, NOT FOR USE");
#endif
    if (slot_read(0, &image)) {
        text_version(version, &image.version);
        log_pair("version", version);
    }
    if (!boot_info_valid(BOOT_INFO)) {
        log_text("started without the bootloader");
        return;
    }
    log_hexadecimal("reset reason", BOOT_INFO->reset_reason);
    log_number("swap done", BOOT_INFO->images[0].swap);
    if (BOOT_INFO->images[0].refusal != BOOT_REFUSAL_NONE) {
        log_number("update refused, reason", BOOT_INFO->images[0].refusal);
    }
}

static void report_controller(void) {
    if (!controller_reported && hci_ready()) {
        controller_reported = true;
        log_number("Bluetooth controller ready, HCI version", hci_controller_version());
    }
}

static void poll_battery(uint32_t now) {
    uint8_t percent;

    if (!hci_connected() || now - battery_at_ms < BATTERY_MS) {
        return;
    }
    battery_at_ms = now;
    percent = battery_percent();
    if (percent != battery_last) {
        battery_last = percent;
        services_battery_changed(percent);
    }
}

static void poll_supply(void) {
    if (power_has_recovered()) {
        log_text("supply was low: Bluetooth controller is set up anew");
        hci_restart();
    }
}

static void poll_reset(uint32_t now) {
    if (!smp_reset_wanted()) {
        return;
    }
    if (!reset_armed) {
        reset_armed = true;
        reset_at_ms = now + RESET_MS;
        log_text("reset by request");
    }
    if ((int32_t)(now - reset_at_ms) < 0) {
        return;
    }
    hci_close(now);
    if (hci_closed()) {
        terminal_flush();
        cpu_reset();
    }
}

void device_open(uint32_t now_ms) {
    power_fail_warning_enable();
    terminal_open();
    report_start();
    behaviour_at_start();
    upload_init();
    smp_serial_open();
    open_bluetooth();
    selftest_init(behaviour_may_confirm(), now_ms);
}

void device_poll(uint32_t now_ms) {
    terminal_poll(); /* first: what it has sent makes room for the others */
    hci_poll(now_ms);
    smp_ble_poll();
    smp_serial_poll();
    selftest_poll(now_ms);
    report_controller();
    poll_supply();
    poll_battery(now_ms);
    poll_reset(now_ms);
}

bool device_has_work(void) {
    return hci_has_work() || smp_ble_has_work() || smp_serial_has_work() || terminal_has_work() ||
           selftest_wants_time();
}

uint32_t device_wakes_at(uint32_t now_ms) {
    if (!reset_armed) {
        return now_ms + WAKE_MS;
    }
    return (int32_t)(reset_at_ms - now_ms) > 0 ? reset_at_ms : now_ms + CLOSE_POLL_MS;
}
