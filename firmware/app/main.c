/* The DFU application: a Bluetooth peripheral that can be updated. One loop, asleep when there is
 * nothing to do. The watchdog is fed here only, so that a part that hangs is noticed. */
#include "device.h"
#include "soc/cpu.h"
#include "soc/time.h"
#include "soc/watchdog.h"

int main(void) {
    time_init();
    watchdog_start();
    device_open(time_ms());
    for (;;) {
        uint32_t now = time_ms();
        uint32_t primask;

        watchdog_feed();
        device_poll(now);
        primask = cpu_interrupts_mask();
        if (!device_has_work()) {
            time_idle_until(device_wakes_at(now));
        }
        cpu_interrupts_restore(primask);
    }
}
