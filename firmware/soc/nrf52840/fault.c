/* Fault exceptions of the application (ARMv7-M Architecture Reference Manual, B1.5 and B3.2). */
#include "soc/fault.h"

#include "flash_map.h"
#include "nrf52840.h"
#include "soc/attack.h"
#include "soc/cpu.h"

#define SCB_CFSR REGISTER(0xE000ED28u)
#define SCB_HFSR REGISTER(0xE000ED2Cu)
#define SCB_BFAR REGISTER(0xE000ED38u)
#define FRAME_BYTES 32u
#define FRAME_LR 5
#define FRAME_PC 6

void HardFault_Handler(void);
void MemManage_Handler(void);
void BusFault_Handler(void);
void UsageFault_Handler(void);
void fault_handle(uint32_t *frame);

/* From the assembly below, with the stacked frame. */
__attribute__((used)) void fault_handle(uint32_t *frame) {
    uint32_t address = (uint32_t)(uintptr_t)frame;
    struct fault fault = {.cfsr = SCB_CFSR, .hfsr = SCB_HFSR, .bfar = SCB_BFAR};

    if (address >= FLASH_MAP_RAM_START && address <= FLASH_MAP_BOOT_INFO_START - FRAME_BYTES) {
        if (attack_absorbs_fault(frame, fault.cfsr)) {
            SCB_CFSR = fault.cfsr; /* written ones clear */
            SCB_HFSR = fault.hfsr;
            return;
        }
        fault.pc = frame[FRAME_PC];
        fault.lr = frame[FRAME_LR];
    }
    fault_report(&fault);
    cpu_reset();
}

__attribute__((naked)) void HardFault_Handler(void) {
    __asm volatile("tst lr, #4\n\t"
                   "ite eq\n\t"
                   "mrseq r0, msp\n\t"
                   "mrsne r0, psp\n\t"
                   "b fault_handle");
}

void MemManage_Handler(void) __attribute__((alias("HardFault_Handler")));
void BusFault_Handler(void) __attribute__((alias("HardFault_Handler")));
void UsageFault_Handler(void) __attribute__((alias("HardFault_Handler")));
