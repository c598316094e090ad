/* The device's GATT services: GAP, GATT, Device Information, Battery, SMP, and a throughput sink.
 */
#ifndef APP_SERVICES_H
#define APP_SERVICES_H

#include <stdint.h>

#define SERVICES_NAME "hil-dut"

/* Handles of the values that notify, in the order of the table. */
#define SERVICES_BATTERY_HANDLE 18
#define SERVICES_SMP_HANDLE 22

/* The SMP service's UUID, least significant byte first, for the advertising data. */
extern const uint8_t services_smp_uuid[16];

/* Notifies the battery level to a client that wants it; `percent` is 0 to 100. */
void services_battery_changed(uint8_t percent);

#endif
