/* POWER and SAADC: power-fail warning, reset reason, battery voltage. */
#include "soc/power.h"

#include "soc/nrf52840/nrf52840.h"

/* 1.9 V: above the brown-out reset (1.6 V), below any sensible swap minimum. */
#define THRESHOLD POWER_POFCON_THRESHOLD(POWER_POFCON_THRESHOLD_V19)

/* The comparator answers within microseconds of being switched on; this many register reads outlast
 * it. */
#define SETTLE_READS 64u

/* SAADC: 12 bits, gain 1/6, internal 0.6 V reference: full scale is 3.6 V. */
#define FULL_SCALE_MV 3600
#define FULL_SCALE_COUNTS 4096

void power_fail_warning_enable(void) {
    POWER_EVENTS_POFWARN = 0u;
    POWER_POFCON = THRESHOLD | POWER_POFCON_POF;
    for (uint32_t i = 0; i < SETTLE_READS && POWER_EVENTS_POFWARN == 0u; i++) {
    }
}

static bool fell; /* since power_has_recovered() last said so */

bool power_fail_warning(void) {
    if (POWER_EVENTS_POFWARN == 0u) {
        return false;
    }
    fell = true;
    /* The event marks the fall below the threshold, not the state: ask again to see whether the
     * supply is back. */
    POWER_POFCON = THRESHOLD;
    power_fail_warning_enable();
    return POWER_EVENTS_POFWARN != 0u;
}

bool power_has_recovered(void) {
    const bool low = power_fail_warning();
    const bool recovered = fell && !low;
    if (recovered) {
        fell = false;
    }
    return recovered;
}

uint32_t power_take_reset_reason(void) {
    const uint32_t reason = POWER_RESETREAS;
    POWER_RESETREAS = 0xFFFFFFFFu; /* writing ones clears */
    return reason;
}

uint32_t power_supply_mv(void) {
    volatile int16_t sample[2] = {0, 0}; /* two, so that the EasyDMA target is a whole word */
    SAADC_RESOLUTION = SAADC_RESOLUTION_12BIT;
    SAADC_OVERSAMPLE = 0u;
    SAADC_CH0_PSELP = SAADC_CH_PSELP_VDD;
    SAADC_CH0_PSELN = SAADC_CH_PSELP_NC;
    SAADC_CH0_CONFIG =
        SAADC_CH_CONFIG_GAIN1_6 | SAADC_CH_CONFIG_REFSEL_INTERNAL | SAADC_CH_CONFIG_TACQ_10US;
    SAADC_ENABLE = 1u;
    SAADC_RESULT_PTR = (uint32_t)(uintptr_t)sample;
    SAADC_RESULT_MAXCNT = 1u;
    SAADC_EVENTS_STARTED = 0u;
    SAADC_EVENTS_END = 0u;
    SAADC_EVENTS_STOPPED = 0u;
    SAADC_TASKS_START = 1u;
    while (SAADC_EVENTS_STARTED == 0u) {
    }
    SAADC_TASKS_SAMPLE = 1u;
    while (SAADC_EVENTS_END == 0u) {
    }
    SAADC_TASKS_STOP = 1u;
    while (SAADC_EVENTS_STOPPED == 0u) {
    }
    SAADC_ENABLE = 0u;
    SAADC_CH0_PSELP = SAADC_CH_PSELP_NC;
    __asm volatile("dsb" ::: "memory");
    const int32_t counts = (sample[0] > 0) ? sample[0] : 0;
    return (uint32_t)((counts * FULL_SCALE_MV) / FULL_SCALE_COUNTS);
}

uint32_t power_battery_percent(uint32_t supply_mv, uint32_t empty_mv, uint32_t full_mv) {
    if (supply_mv <= empty_mv || full_mv <= empty_mv) {
        return 0u;
    }
    if (supply_mv >= full_mv) {
        return 100u;
    }
    return ((supply_mv - empty_mv) * 100u) / (full_mv - empty_mv);
}
