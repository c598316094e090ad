/* The processor: interrupts, sleep, reset. */
#ifndef SOC_CPU_H
#define SOC_CPU_H

#include <stdint.h>

/* Masks interrupts and returns the former state for cpu_interrupts_restore(). */
static inline uint32_t cpu_interrupts_mask(void) {
    uint32_t primask;
    __asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(primask)::"memory");
    return primask;
}

static inline void cpu_interrupts_restore(uint32_t primask) {
    __asm volatile("msr primask, %0" ::"r"(primask) : "memory");
}

/* Sleeps until an interrupt is pending, also one that is masked: mask, look for work, sleep,
 * unmask. */
static inline void cpu_sleep(void) {
    __asm volatile("dsb\n\twfi\n\tisb" ::: "memory");
}

/* System reset by AIRCR.SYSRESETREQ. */
_Noreturn void cpu_reset(void);

/* Enables an interrupt at a priority, 0 (highest) to 7. */
void cpu_interrupt_enable(uint32_t irq, uint32_t priority);

/* Starts the program whose vector table lies at `vectors`: all interrupts off and cleared, the RAM
 * in [ram_start, ram_end), whole words, set to zero, VTOR, MSP, jump. */
_Noreturn void cpu_start_program(uint32_t vectors, uint32_t ram_start, uint32_t ram_end);

#endif
