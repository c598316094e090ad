/* The internal flash by the NVMC.
 *
 * Power: with the power-fail comparator on and the supply below its threshold the NVMC prevents
 * operations, and on revisions with anomaly 242 the CPU hangs when one is started during POFWARN.
 * The anomaly's workaround is to switch the comparator off, to look at the event a last time, since
 * it could have fired in between, and to switch it on again after the operation. So nothing is
 * started while the warning stands, and nobody watches the supply while an operation takes place.
 *
 * Words are written in runs, the comparator off for a whole run: 32 words of at most 42.5 us
 * are 1.4 ms, which adds nothing to the time that the supply has to last in any case, the 85 ms
 * to 89.7 ms of a page's erase. What is lost with the power in a run is what is lost in a word: the
 * run is not acknowledged, and its writer begins at a page or a record again. */
#include "soc/flash.h"

#include "soc/nrf52840/nrf52840.h"
#include "soc/power.h"
#include "test_build.h"

#define WORD_ERASED 0xFFFFFFFFu
#define RUN_WORDS 32u

static volatile uint32_t *word_at(uint32_t address) {
    return (volatile uint32_t *)(uintptr_t)address;
}

static bool range_is_valid(uint32_t address, uint32_t length, uint32_t unit) {
    return (address % unit) == 0u && (length % unit) == 0u && address < FLASH_SIZE &&
           length <= FLASH_SIZE - address;
}

static void wait_ready(void) {
    while ((NVMC_READY & 1u) == 0u) {
    }
}

#ifndef HIL_DEFECT_ANOMALY242
/* Switches the comparator off for one erase or one run of words; false: the supply is low, nothing
 * may be started. */
static bool begin_operation(uint32_t *pofcon) {
    if (power_fail_warning()) {
        return false;
    }
    *pofcon = POWER_POFCON;
    POWER_POFCON = *pofcon & ~POWER_POFCON_POF;
    if (POWER_EVENTS_POFWARN != 0u) {
        POWER_POFCON = *pofcon;
        return false;
    }
    return true;
}

static void end_operation(uint32_t pofcon) {
    POWER_POFCON = pofcon;
}
#else
/* Test build: shows that the case for anomaly 242 fails without the workaround. */
static bool begin_operation(uint32_t *pofcon) {
    *pofcon = POWER_POFCON;
    return true;
}

static void end_operation(uint32_t pofcon) {
    (void)pofcon;
}
#endif

static uint32_t word_from(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8) | ((uint32_t)bytes[2] << 16) |
           ((uint32_t)bytes[3] << 24);
}

/* Whether the word at `address` is to be programmed. */
static bool needs_writing(uint32_t address, uint32_t value, bool again) {
    return *word_at(address) != value || (again && value != WORD_ERASED);
}

/* Programs at most RUN_WORDS words. */
static enum flash_result write_run(uint32_t address, const uint8_t *from, uint32_t length,
                                   bool again) {
    uint32_t pofcon = 0u;
    if (!begin_operation(&pofcon)) {
        return FLASH_POWER_LOW;
    }
    NVMC_CONFIG = NVMC_CONFIG_WEN;
    for (uint32_t i = 0; i < length; i += 4u) {
        const uint32_t value = word_from(&from[i]);
        if (needs_writing(address + i, value, again)) {
            *word_at(address + i) = value;
            wait_ready();
        }
    }
    NVMC_CONFIG = NVMC_CONFIG_REN;
    end_operation(pofcon);
    for (uint32_t i = 0; i < length; i += 4u) {
        if (*word_at(address + i) != word_from(&from[i])) {
            return FLASH_BAD_READBACK;
        }
    }
    return FLASH_OK;
}

static enum flash_result write_words(uint32_t address, const void *data, uint32_t length,
                                     bool again) {
    if (!range_is_valid(address, length, 4u)) {
        return FLASH_BAD_RANGE;
    }
    const uint8_t *from = data;
    uint32_t at = 0u;
    while (at < length) {
        if (!needs_writing(address + at, word_from(&from[at]), again)) {
            at += 4u;
            continue;
        }
        const uint32_t left = length - at;
        const uint32_t run = (left < RUN_WORDS * 4u) ? left : RUN_WORDS * 4u;
        const enum flash_result result = write_run(address + at, &from[at], run, again);
        if (result != FLASH_OK) {
            return result;
        }
        at += run;
    }
    return FLASH_OK;
}

enum flash_result flash_write(uint32_t address, const void *data, uint32_t length) {
    return write_words(address, data, length, false);
}

enum flash_result flash_rewrite(uint32_t address, const void *data, uint32_t length) {
    return write_words(address, data, length, true);
}

enum flash_result flash_erase_page(uint32_t address) {
    if (!range_is_valid(address, FLASH_PAGE_SIZE, FLASH_PAGE_SIZE)) {
        return FLASH_BAD_RANGE;
    }
    uint32_t pofcon = 0u;
    if (!begin_operation(&pofcon)) {
        return FLASH_POWER_LOW;
    }
    NVMC_CONFIG = NVMC_CONFIG_EEN;
    NVMC_ERASEPAGE = address;
    wait_ready();
    NVMC_CONFIG = NVMC_CONFIG_REN;
    end_operation(pofcon);
    return flash_is_erased(address, FLASH_PAGE_SIZE) ? FLASH_OK : FLASH_BAD_READBACK;
}

bool flash_is_erased(uint32_t address, uint32_t length) {
    if (!range_is_valid(address, length, 4u)) {
        return false;
    }
    for (uint32_t i = 0; i < length; i += 4u) {
        if (*word_at(address + i) != WORD_ERASED) {
            return false;
        }
    }
    return true;
}
