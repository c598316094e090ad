/* Vector table and start-up of both programs, the bootloader and the application. */
#include <stdint.h>

#include "soc/cpu.h"
#include "soc/nrf52840/nrf52840.h"

extern uint32_t linker_stack_top[];
extern uint32_t linker_data_start[], linker_data_end[];
extern const uint32_t linker_data_load[];
extern uint32_t linker_bss_start[], linker_bss_end[];

int main(void);
void Reset_Handler(void);

/* An exception nobody handles: a reset is the safe way out, and the watchdog's cause would come too
 * late. */
void Unhandled_Handler(void) {
    cpu_reset();
}

#define WEAK_HANDLER(name) void name(void) __attribute__((weak, alias("Unhandled_Handler")))
WEAK_HANDLER(NMI_Handler);
WEAK_HANDLER(HardFault_Handler);
WEAK_HANDLER(MemManage_Handler);
WEAK_HANDLER(BusFault_Handler);
WEAK_HANDLER(UsageFault_Handler);
WEAK_HANDLER(SVC_Handler);
WEAK_HANDLER(DebugMon_Handler);
WEAK_HANDLER(PendSV_Handler);
WEAK_HANDLER(SysTick_Handler);
WEAK_HANDLER(POWER_CLOCK_IRQHandler);
WEAK_HANDLER(RADIO_IRQHandler);
WEAK_HANDLER(UARTE0_IRQHandler);
WEAK_HANDLER(TWI0_SPI0_IRQHandler);
WEAK_HANDLER(TWI1_SPI1_IRQHandler);
WEAK_HANDLER(NFCT_IRQHandler);
WEAK_HANDLER(GPIOTE_IRQHandler);
WEAK_HANDLER(SAADC_IRQHandler);
WEAK_HANDLER(TIMER0_IRQHandler);
WEAK_HANDLER(TIMER1_IRQHandler);
WEAK_HANDLER(TIMER2_IRQHandler);
WEAK_HANDLER(RTC0_IRQHandler);
WEAK_HANDLER(TEMP_IRQHandler);
WEAK_HANDLER(RNG_IRQHandler);
WEAK_HANDLER(ECB_IRQHandler);
WEAK_HANDLER(CCM_AAR_IRQHandler);
WEAK_HANDLER(WDT_IRQHandler);
WEAK_HANDLER(RTC1_IRQHandler);
WEAK_HANDLER(UARTE1_IRQHandler);

typedef void (*const vector)(void);

/* Sixteen system exceptions, then 48 interrupts, in the order of the product specification's
 * instantiation table. */
__attribute__((section(".vectors"), used)) vector vectors[64] = {
    [0] = (vector)(uintptr_t)linker_stack_top,
    [1] = Reset_Handler,
    [2] = NMI_Handler,
    [3] = HardFault_Handler,
    [4] = MemManage_Handler,
    [5] = BusFault_Handler,
    [6] = UsageFault_Handler,
    [11] = SVC_Handler,
    [12] = DebugMon_Handler,
    [14] = PendSV_Handler,
    [15] = SysTick_Handler,
    [16 + 0] = POWER_CLOCK_IRQHandler,
    [16 + 1] = RADIO_IRQHandler,
    [16 + 2] = UARTE0_IRQHandler,
    [16 + 3] = TWI0_SPI0_IRQHandler,
    [16 + 4] = TWI1_SPI1_IRQHandler,
    [16 + 5] = NFCT_IRQHandler,
    [16 + 6] = GPIOTE_IRQHandler,
    [16 + 7] = SAADC_IRQHandler,
    [16 + 8] = TIMER0_IRQHandler,
    [16 + 9] = TIMER1_IRQHandler,
    [16 + 10] = TIMER2_IRQHandler,
    [16 + 11] = RTC0_IRQHandler,
    [16 + 12] = TEMP_IRQHandler,
    [16 + 13] = RNG_IRQHandler,
    [16 + 14] = ECB_IRQHandler,
    [16 + 15] = CCM_AAR_IRQHandler,
    [16 + 16] = WDT_IRQHandler,
    [16 + 17] = RTC1_IRQHandler,
    [16 + 40] = UARTE1_IRQHandler,
    /* the rest is never enabled */
    [16 + 18] = Unhandled_Handler,
};

__attribute__((noreturn, used)) void Reset_Handler(void) {
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
    /* Build code Fx0 and later closes the debug port at each reset, unless UICR and software agree
     * that it is open: so UICR decides, as it does alone on earlier ones. */
    APPROTECT_DISABLE = UICR_APPROTECT;
    const uint32_t *from = linker_data_load;
    for (volatile uint32_t *to = linker_data_start; to < linker_data_end; to++) {
        *to = *from++;
    }
    for (volatile uint32_t *to = linker_bss_start; to < linker_bss_end; to++) {
        *to = 0u;
    }
    (void)main();
    cpu_reset();
}
