/* Processor control (ARMv7-M architecture reference manual, B1.5 and B3). */
#include "soc/cpu.h"

#include "soc/nrf52840/nrf52840.h"

_Noreturn void cpu_reset(void) {
    __asm volatile("dsb" ::: "memory");
    SCB_AIRCR = SCB_AIRCR_SYSRESETREQ;
    for (;;) {
        __asm volatile("dsb" ::: "memory");
    }
}

void cpu_interrupt_enable(uint32_t irq, uint32_t priority) {
    NVIC_IPR(irq) = (uint8_t)(priority << 5);
    NVIC_ICPR(irq / 32u) = 1u << (irq % 32u);
    NVIC_ISER(irq / 32u) = 1u << (irq % 32u);
}

_Noreturn void cpu_start_program(uint32_t vectors, uint32_t ram_start, uint32_t ram_end) {
    (void)cpu_interrupts_mask();
    SYSTICK_CSR = 0u;
    for (uint32_t i = 0; i < 2u; i++) {
        NVIC_ICER(i) = 0xFFFFFFFFu;
        NVIC_ICPR(i) = 0xFFFFFFFFu;
    }
    SCB_VTOR = vectors;
    uint32_t stack = REGISTER(vectors);
    uint32_t entry = REGISTER(vectors + 4u);
    /* From here on no C runs: its stack is erased with the rest of the RAM. Interrupts are unmasked
     * at the end, as after a reset; all are disabled. */
    __asm volatile("dsb\n\t"
                   "isb\n\t"
                   "movs r4, #0\n\t"
                   "1:\n\t"
                   "cmp %2, %3\n\t"
                   "bhs 2f\n\t"
                   "str r4, [%2], #4\n\t"
                   "b 1b\n\t"
                   "2:\n\t"
                   "msr msp, %0\n\t"
                   "cpsie i\n\t"
                   "bx %1\n\t"
                   : "+r"(stack), "+r"(entry), "+r"(ram_start), "+r"(ram_end)::"r4", "memory",
                     "cc");
    __builtin_unreachable();
}
