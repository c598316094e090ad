/* The internal flash by the NVMC.
 *
 * Power: with the power-fail comparator on and the supply below its threshold the NVMC prevents operations, and on revisions
 * with anomaly 242 the CPU hangs when one is started during POFWARN. So each operation asks for the warning first and does
 * nothing while it stands; then the comparator is off for the few microseconds (a word) or milliseconds (a page) that the
 * operation takes, and is asked a last time with the comparator already off, since it could have fired in between. */
#include "soc/flash.h"

#include "soc/nrf52840/nrf52840.h"
#include "soc/power.h"
#include "test_build.h"

#define WORD_ERASED 0xFFFFFFFFu

static volatile uint32_t *word_at(uint32_t address)
{
    return (volatile uint32_t *)(uintptr_t)address;
}

static bool range_is_valid(uint32_t address, uint32_t length, uint32_t unit)
{
    return (address % unit) == 0u && (length % unit) == 0u && address < FLASH_SIZE &&
           length <= FLASH_SIZE - address;
}

static void wait_ready(void)
{
    while ((NVMC_READY & 1u) == 0u) {
    }
}

#ifndef HIL_DEFECT_ANOMALY242
/* Switches the comparator off for one operation; false: the supply is low, nothing may be started. */
static bool begin_operation(uint32_t *pofcon)
{
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

static void end_operation(uint32_t pofcon)
{
    POWER_POFCON = pofcon;
}
#else
/* Test build: shows that the case for anomaly 242 fails without the workaround. */
static bool begin_operation(uint32_t *pofcon)
{
    *pofcon = POWER_POFCON;
    return true;
}

static void end_operation(uint32_t pofcon)
{
    (void)pofcon;
}
#endif

static enum flash_result write_word(uint32_t address, uint32_t value)
{
    uint32_t pofcon = 0u;
    if (!begin_operation(&pofcon)) {
        return FLASH_POWER_LOW;
    }
    NVMC_CONFIG = NVMC_CONFIG_WEN;
    *word_at(address) = value;
    wait_ready();
    NVMC_CONFIG = NVMC_CONFIG_REN;
    end_operation(pofcon);
    return (*word_at(address) == value) ? FLASH_OK : FLASH_BAD_READBACK;
}

static enum flash_result write_words(uint32_t address, const void *data, uint32_t length, bool again)
{
    if (!range_is_valid(address, length, 4u)) {
        return FLASH_BAD_RANGE;
    }
    const uint8_t *from = data;
    for (uint32_t i = 0; i < length; i += 4u) {
        const uint32_t value = (uint32_t)from[i] | ((uint32_t)from[i + 1u] << 8) |
                               ((uint32_t)from[i + 2u] << 16) | ((uint32_t)from[i + 3u] << 24);
        if (*word_at(address + i) == value && !(again && value != WORD_ERASED)) {
            continue;
        }
        const enum flash_result result = write_word(address + i, value);
        if (result != FLASH_OK) {
            return result;
        }
    }
    return FLASH_OK;
}

enum flash_result flash_write(uint32_t address, const void *data, uint32_t length)
{
    return write_words(address, data, length, false);
}

enum flash_result flash_rewrite(uint32_t address, const void *data, uint32_t length)
{
    return write_words(address, data, length, true);
}

enum flash_result flash_erase_page(uint32_t address)
{
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

bool flash_is_erased(uint32_t address, uint32_t length)
{
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
