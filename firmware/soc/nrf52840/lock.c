/* ACL: write-once region registers, cleared by a reset only (product specification, chapter "ACL").
 */
#include "soc/lock.h"

#include "soc/flash.h"
#include "soc/nrf52840/nrf52840.h"

#define REGIONS 8u

bool lock_flash(uint32_t region, uint32_t start, uint32_t end, bool unreadable) {
    if (region >= REGIONS || end <= start || (start % FLASH_PAGE_SIZE) != 0u ||
        (end % FLASH_PAGE_SIZE) != 0u || end > FLASH_SIZE) {
        return false;
    }
    const uint32_t permissions = ACL_PERM_WRITE_DISABLE | (unreadable ? ACL_PERM_READ_DISABLE : 0u);
    ACL_ADDR(region) = start;
    ACL_SIZE(region) = end - start;
    ACL_PERM(region) = permissions;
    __asm volatile("dsb" ::: "memory");
    return ACL_ADDR(region) == start && ACL_SIZE(region) == end - start &&
           ACL_PERM(region) == permissions;
}
