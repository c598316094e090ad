#include "boot/battery.h"

#include "boot/log.h"
#include "soc/console.h"
#include "soc/power.h"
#include "soc/time.h"
#include "soc/watchdog.h"
#include "test_build.h"

#define POLL_MS 1000u

static uint32_t empty_mv;
static uint32_t full_mv;
static uint32_t minimum_percent;
static uint32_t resume_percent;

void battery_configure(const struct provisioning *page) {
    empty_mv = page->battery_empty_mv;
    full_mv = page->battery_full_mv;
    minimum_percent = page->swap_minimum_percent;
    resume_percent = minimum_percent + page->swap_hysteresis_percent;
}

uint32_t battery_percent(void) {
    return power_battery_percent(power_supply_mv(), empty_mv, full_mv);
}

#ifdef HIL_DEFECT_BATTERY

bool battery_allows_swap(void) {
    return true;
}

void battery_wait(const char *what) {
    (void)what;
    (void)resume_percent;
}

#else

bool battery_allows_swap(void) {
    return battery_percent() >= minimum_percent && !power_fail_warning();
}

void battery_wait(const char *what) {
    if (battery_allows_swap()) {
        return;
    }
    log_image(0u);
    log_text(what);
    log_text(" waits: battery ");
    log_number(battery_percent());
    log_text(" %, goes on at ");
    log_number(resume_percent);
    log_text(" %");
    log_end();
    console_close();
    do {
        watchdog_feed();
        time_sleep_ms(POLL_MS);
    } while (battery_percent() < resume_percent || power_fail_warning());
    console_open();
    log_image(0u);
    log_text(what);
    log_text(" goes on");
    log_end();
}

#endif
