/* The supply: battery voltage, power-fail warning, reset reason. */
#ifndef SOC_POWER_H
#define SOC_POWER_H

#include <stdbool.h>
#include <stdint.h>

/* Switches the power-fail comparator on (1.9 V). */
void power_fail_warning_enable(void);

/* True while the supply is below the power-fail threshold. */
bool power_fail_warning(void);

/* True once after the supply has been below the power-fail threshold, however briefly, and is back
 * above it. */
bool power_has_recovered(void);

/* POWER.RESETREAS, which is cleared. Only the bootloader calls it; the application reads boot_info.
 */
uint32_t power_take_reset_reason(void);

/* VDD in millivolts, measured now by the SAADC (about 20 us). */
uint32_t power_supply_mv(void);

/* Battery percent, linear from empty to full, held to 0..100. full_mv must be greater than
 * empty_mv. */
uint32_t power_battery_percent(uint32_t supply_mv, uint32_t empty_mv, uint32_t full_mv);

#endif
