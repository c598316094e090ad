/* WDT: counts on the 32.768 kHz clock, also in sleep. Its configuration is frozen while it runs. */
#include "soc/watchdog.h"

#include <stdint.h>

#include "soc/nrf52840/nrf52840.h"

#define RELOAD_REGISTERS 8u

void watchdog_start(void) {
    if ((WDT_RUNSTATUS & 1u) == 0u) {
        WDT_CONFIG = WDT_CONFIG_RUN_IN_SLEEP;
        WDT_CRV = ((WATCHDOG_TIMEOUT_MS * 32768u) / 1000u) - 1u;
        WDT_RREN = 1u;
        WDT_TASKS_START = 1u;
    }
    watchdog_feed();
}

void watchdog_feed(void) {
    /* One that another program started may want every register it enabled. */
    const uint32_t enabled = WDT_RREN;
    for (uint32_t i = 0; i < RELOAD_REGISTERS; i++) {
        if ((enabled & (1u << i)) != 0u) {
            WDT_RR(i) = WDT_RR_RELOAD;
        }
    }
}
