/* Little-endian numbers at any alignment. */
#ifndef BOOT_BYTES_H
#define BOOT_BYTES_H

#include <stdint.h>

static inline uint16_t bytes_u16(const uint8_t *at) {
    return (uint16_t)(at[0] | ((uint32_t)at[1] << 8));
}

static inline uint32_t bytes_u32(const uint8_t *at) {
    return (uint32_t)at[0] | ((uint32_t)at[1] << 8) | ((uint32_t)at[2] << 16) |
           ((uint32_t)at[3] << 24);
}

#endif
