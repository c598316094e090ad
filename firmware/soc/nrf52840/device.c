/* FICR and RNG. */
#include "soc/device.h"

#include "soc/nrf52840/nrf52840.h"

uint64_t device_id(void) {
    return ((uint64_t)FICR_DEVICEID(1) << 32) | FICR_DEVICEID(0);
}

void device_address(uint8_t address[6]) {
    const uint32_t low = FICR_DEVICEADDR(0);
    const uint32_t high = FICR_DEVICEADDR(1);
    for (uint32_t i = 0; i < 4u; i++) {
        address[i] = (uint8_t)(low >> (8u * i));
    }
    address[4] = (uint8_t)high;
    address[5] =
        (uint8_t)((high >> 8) | 0xC0u); /* a static random address has its two top bits set */
}

void device_random(uint8_t *data, uint32_t length) {
    RNG_CONFIG = RNG_CONFIG_DERCEN;
    RNG_EVENTS_VALRDY = 0u;
    RNG_TASKS_START = 1u;
    for (uint32_t i = 0; i < length; i++) {
        while (RNG_EVENTS_VALRDY == 0u) {
        }
        RNG_EVENTS_VALRDY = 0u;
        data[i] = (uint8_t)RNG_VALUE;
    }
    RNG_TASKS_STOP = 1u;
}
