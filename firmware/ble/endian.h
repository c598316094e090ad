/* Little-endian fields of Bluetooth and MCUboot structures, read and written byte by byte, so that
 * no structure from outside is ever overlaid on memory. */
#ifndef BLE_ENDIAN_H
#define BLE_ENDIAN_H

#include <stdint.h>

static inline uint16_t get_le16(const uint8_t *from) {
    return (uint16_t)(from[0] | (uint16_t)from[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *from) {
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline void put_le16(uint8_t *to, uint16_t value) {
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static inline void put_le32(uint8_t *to, uint32_t value) {
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    to[2] = (uint8_t)(value >> 16);
    to[3] = (uint8_t)(value >> 24);
}

#endif
