/* Runs for a moment, then calls its way down to a read of an address where nothing is. */
#include <stdint.h>

#define R(a) (*(volatile uint32_t *)(a))

__attribute__((noinline)) uint32_t read_nothing(uint32_t address) {
    uint32_t value = R(address);
    return value + 1;
}

__attribute__((noinline)) uint32_t middle(uint32_t address) {
    uint32_t value = read_nothing(address);
    __asm__ volatile("" ::: "memory");
    return value * 3;
}

void Reset_Handler(void) {
    R(0x40000FFC) = 1; /* a register that no block has */
    R(0x20000000) = middle(0x60000000);
    for (;;)
        ;
}
static void HardFault_Handler(void) {
    for (;;)
        ;
}
__attribute__((section(".vectors"), used)) void (*const vectors[64])(void) = {
    (void (*)(void))0x20010000, Reset_Handler, HardFault_Handler, HardFault_Handler};
