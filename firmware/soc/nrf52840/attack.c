/* nRF52840 Product Specification v1.7, chapters "NVMC", "ACL", "UICR" and "EasyDMA". */
#include "soc/attack.h"

#include "flash_map.h"
#include "nrf52840.h"

#define NVMC_ERASEALL REGISTER(0x4001E50Cu)
#define NVMC_ERASEPAGEPARTIAL REGISTER(0x4001E518u)
#define NVMC_ERASEPAGEPARTIALCFG REGISTER(0x4001E51Cu)
#define UICR_NRFFW0                                                                                \
    REGISTER(0x10001014u) /* the bootloader's address, for Nordic's master boot record */
#define ACL_REGIONS 8u
#define WORD_OFFSET 0x04u   /* reset vector, layout version: not 0 already, so that a write shows */
#define PARTIAL_MS 80u      /* of the 85 ms of a whole erase */
#define WAIT_LOOPS 2000000u /* well below the watchdog */
#define CFSR_PRECISE 0x00000200u
#define XPSR_IT_MASK 0x0600FC00u

static volatile bool under_way;
static volatile uint32_t faults;
static volatile uint32_t last_status;

static uint32_t page_of(enum attack_target target) {
    return target == ATTACK_ON_BOOTLOADER ? FLASH_MAP_BOOT_START : FLASH_MAP_PROVISIONING_START;
}

static uint32_t checksum(uint32_t page) {
    const volatile uint32_t *word = (const volatile uint32_t *)(uintptr_t)page;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < FLASH_MAP_PAGE_SIZE / 4u; i++) {
        sum = (sum << 1 | sum >> 31) + word[i];
    }
    return sum;
}

static void wait_ready(void) {
    for (uint32_t i = 0; i < WAIT_LOOPS && NVMC_READY == 0u; i++) {
    }
}

static void barrier(void) {
    __asm volatile("dsb\n\tisb" ::
                       : "memory"); /* a write that is buffered faults here at the latest */
}

static void word_write(uint32_t address) {
    NVMC_CONFIG = NVMC_CONFIG_WEN;
    wait_ready();
    REGISTER(address) = 0u;
    barrier();
    wait_ready();
    NVMC_CONFIG = NVMC_CONFIG_REN;
}

static void page_erase(uint32_t page) {
    NVMC_CONFIG = NVMC_CONFIG_EEN;
    wait_ready();
    NVMC_ERASEPAGE = page;
    barrier();
    wait_ready();
    NVMC_CONFIG = NVMC_CONFIG_REN;
}

static void partial_erase(uint32_t page) {
    NVMC_ERASEPAGEPARTIALCFG = PARTIAL_MS;
    NVMC_CONFIG = NVMC_CONFIG_EEN;
    wait_ready();
    NVMC_ERASEPAGEPARTIAL = page;
    barrier();
    wait_ready();
    NVMC_CONFIG = NVMC_CONFIG_REN;
}

static void erase_all(void) {
    NVMC_CONFIG = NVMC_CONFIG_EEN;
    wait_ready();
    NVMC_ERASEALL = 1u;
    barrier();
    wait_ready();
    NVMC_CONFIG = NVMC_CONFIG_REN;
}

static void rewrite_acl(uint32_t address) {
    for (uint32_t region = 0; region < ACL_REGIONS; region++) {
        ACL_PERM(region) = 0u;
        ACL_SIZE(region) = 0u;
        ACL_ADDR(region) = 0u;
        barrier();
    }
    word_write(address);
}

static void uicr_write(void) {
    NVMC_CONFIG = NVMC_CONFIG_WEN;
    wait_ready();
    UICR_NRFFW0 = FLASH_MAP_PRIMARY_START;
    barrier();
    wait_ready();
    NVMC_CONFIG = NVMC_CONFIG_REN;
}

/* The SAADC's result pointer is aimed at the flash, with writing enabled. */
static void dma_into_flash(uint32_t address) {
    NVMC_CONFIG = NVMC_CONFIG_WEN;
    wait_ready();
    SAADC_ENABLE = 1u;
    SAADC_CH0_PSELP = SAADC_CH_PSELP_VDD;
    SAADC_RESOLUTION = SAADC_RESOLUTION_12BIT;
    SAADC_RESULT_PTR = address;
    SAADC_RESULT_MAXCNT = 1u;
    SAADC_EVENTS_STARTED = 0u;
    SAADC_EVENTS_END = 0u;
    SAADC_EVENTS_STOPPED = 0u;
    SAADC_TASKS_START = 1u;
    for (uint32_t i = 0; i < WAIT_LOOPS && SAADC_EVENTS_STARTED == 0u; i++) {
    }
    SAADC_TASKS_SAMPLE = 1u;
    for (uint32_t i = 0; i < WAIT_LOOPS && SAADC_EVENTS_END == 0u; i++) {
    }
    SAADC_TASKS_STOP = 1u;
    for (uint32_t i = 0; i < WAIT_LOOPS && SAADC_EVENTS_STOPPED == 0u; i++) {
    }
    SAADC_CH0_PSELP = SAADC_CH_PSELP_NC;
    SAADC_ENABLE = 0u;
    NVMC_CONFIG = NVMC_CONFIG_REN;
}

/* The console's transmitter is aimed at the flash: what it sends is what it could read. */
static void dma_out_of_flash(uint32_t address) {
    UARTE_INTENCLR(UARTE0_BASE) = UARTE_INT_ENDTX;
    UARTE_EVENTS_ENDTX(UARTE0_BASE) = 0u;
    UARTE_TXD_PTR(UARTE0_BASE) = address;
    UARTE_TXD_MAXCNT(UARTE0_BASE) = 16u;
    UARTE_TASKS_STARTTX(UARTE0_BASE) = 1u;
    for (uint32_t i = 0; i < WAIT_LOOPS && UARTE_EVENTS_ENDTX(UARTE0_BASE) == 0u; i++) {
    }
    UARTE_EVENTS_ENDTX(UARTE0_BASE) = 0u;
    UARTE_INTENSET(UARTE0_BASE) = UARTE_INT_ENDTX;
}

struct attack_outcome attack_run(enum attack attack, enum attack_target target) {
    uint32_t page = page_of(target);
    uint32_t before = checksum(page);
    struct attack_outcome outcome;

    faults = 0;
    last_status = 0;
    under_way = true;
    barrier();
    switch (attack) {
    case ATTACK_WORD_WRITE:
        word_write(page + WORD_OFFSET);
        break;
    case ATTACK_PAGE_ERASE:
        page_erase(page);
        break;
    case ATTACK_PARTIAL_ERASE:
        partial_erase(page);
        break;
    case ATTACK_ERASE_ALL:
        erase_all();
        break;
    case ATTACK_REWRITE_ACL:
        rewrite_acl(page + WORD_OFFSET);
        break;
    case ATTACK_UICR_WRITE:
        uicr_write();
        break;
    case ATTACK_DMA_INTO_FLASH:
        dma_into_flash(page + WORD_OFFSET);
        break;
    case ATTACK_DMA_OUT_OF_FLASH:
        dma_out_of_flash(page + WORD_OFFSET);
        break;
    case ATTACK_NONE:
    case ATTACK_COUNT:
        break;
    }
    barrier();
    under_way = false;
    NVMC_CONFIG = NVMC_CONFIG_REN; /* also where a fault passed over the attempt's own */
    outcome.faults = faults;
    outcome.fault_status = last_status;
    outcome.changed = checksum(page) != before;
    return outcome;
}

bool attack_absorbs_fault(uint32_t *frame, uint32_t fault_status) {
    if (!under_way) {
        return false;
    }
    faults++;
    last_status = fault_status;
    if ((fault_status & CFSR_PRECISE) != 0u) {
        uint16_t instruction = *(const uint16_t *)(uintptr_t)frame[6];

        /* 32-bit Thumb instructions start with 0b11101, 0b11110 or 0b11111 (ARMv7-M ARM, A5.1). */
        frame[6] += (instruction >> 11) >= 0x1Du ? 4u : 2u;
        frame[7] &= ~XPSR_IT_MASK;
    }
    return true;
}
