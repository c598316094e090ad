/* The internal flash: pages of 4096 bytes, words of 4, writing only clears bits.
 *
 * Every operation is read back. None is started while the supply is below the power-fail threshold:
 * then the result is FLASH_POWER_LOW and the flash is as it was before that page or that run of
 * words (nRF52840 anomaly 242: an NVMC operation during POFWARN can hang the CPU, see
 * soc/nrf52840/flash.c). Reading is a plain memory access. */
#ifndef SOC_FLASH_H
#define SOC_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#define FLASH_PAGE_SIZE 4096u
#define FLASH_SIZE 0x100000u

enum flash_result {
    FLASH_OK = 0,
    FLASH_BAD_RANGE = 1,    /* not aligned, or outside the flash: nothing was done */
    FLASH_POWER_LOW = 2,    /* supply below the power-fail threshold: wait, then repeat */
    FLASH_BAD_READBACK = 3, /* the flash does not hold what was written, or is not erased */
};

/* Writes whole words: address and length are multiples of 4. Words that would not change are
 * skipped. */
enum flash_result flash_write(uint32_t address, const void *data, uint32_t length);

/* Like flash_write, but programs every word again even when it already reads as it should: a word
 * whose programming was cut by a power loss may read right now and wrong later. */
enum flash_result flash_rewrite(uint32_t address, const void *data, uint32_t length);

/* Erases one page (85 ms, the CPU stands still). */
enum flash_result flash_erase_page(uint32_t address);

bool flash_is_erased(uint32_t address, uint32_t length);

#endif
