/* What distinguishes this chip, and its random numbers. */
#ifndef SOC_DEVICE_H
#define SOC_DEVICE_H

#include <stdint.h>

/* The 64-bit device identifier from FICR. */
uint64_t device_id(void);

/* The factory's random static Bluetooth address, least significant byte first (the two top bits
 * set). */
void device_address(uint8_t address[6]);

/* Fills `data` from the RNG with bias correction. */
void device_random(uint8_t *data, uint32_t length);

#endif
