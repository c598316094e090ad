/* SMP over GATT: requests are put together from writes, answers are cut into notifications (Zephyr
 * documentation, "SMP transport specification", "Bluetooth low energy"). */
#ifndef APP_SMP_BLE_H
#define APP_SMP_BLE_H

#include <stdbool.h>
#include <stdint.h>

/* The SMP characteristic was written. Returns an ATT error code. A client that sends more messages
 * at once than the parameters allow loses those that find no room; their bytes are passed over, so
 * that the next one is understood. */
uint8_t smp_ble_write(const uint8_t *value, uint16_t length);

/* Answers what is complete. To be called whenever the main loop is awake. */
void smp_ble_poll(void);

/* Whether smp_ble_poll() has something to do right now. */
bool smp_ble_has_work(void);

/* Forgets half messages and answers of the connection that has ended. */
void smp_ble_reset(void);

/* Messages passed over for want of room since the start. */
uint32_t smp_ble_lost(void);

#endif
