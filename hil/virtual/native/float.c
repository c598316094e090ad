/* The floating-point state (ARMv7-M Architecture Reference Manual, B1.5.7): whether there is an
 * FPU, and its registers, which an exception saves only when they are needed. */
#include "core.h"
#include "frame.h"

void core_store_float(struct core *c, uint8_t *to) {
    for (int i = 0; i < 16; i++)
        store(to + 4 * i, core_get(c, REG_S0 + i));
    store(to + 64, core_get(c, REG_FPSCR));
    store(to + 68, 0);
}

/* CPACR lets what executes now use the FPU (B3.2.20). */
bool core_float_enabled(struct core *c) {
    uint32_t access = c->cpacr >> 20 & 3;
    return access == 3 || (access == 1 && core_privileged(c));
}

/* Save the registers that an exception left room for, now that they are about to change (B1.5.7,
 * PreserveFPState). False: that faulted, and the exception for it comes first. */
bool core_preserve_float(struct core *c) {
    if (!(c->fpccr & FPCCR_LSPACT))
        return true;
    uint32_t view = c->mpu_control & MPU_ENABLE ? 1 + !!(c->fpccr & FPCCR_USER) : 0;
    if (view && !(c->fpccr & FPCCR_HFRDY) && !(c->mpu_control & MPU_HFNMIENA))
        view = 0;
    uint32_t fault = 0;
    uint8_t *to =
        core_stack(c, c->fpcar, 0x48, MAY_WRITE, view, MMFSR_MLSPERR, BFSR_LSPERR, &fault);
    if (!to) {
        core_stack_fault(c, fault);
        c->attention = 1;
        return false;
    }
    core_store_float(c, to);
    c->fpccr &= ~(uint32_t)FPCCR_LSPACT;
    return true;
}

/* The first floating-point instruction since an exception was entered, or at all, has a context of
 * its own (A2.5, ExecuteFPCheck): FPSCR as FPDSCR says, if contexts are kept apart (FPCCR.ASPEN).
 */
bool core_begin_float(struct core *c) {
    uint32_t control = core_get(c, REG_CONTROL);
    if (control & 4)
        return false;
    uint32_t ipsr = core_get(c, REG_IPSR) & 0x1FF;
    core_set(c, REG_IPSR, HARD_FAULT); /* CONTROL is hidden from unprivileged code */
    core_set(c, REG_CONTROL, (control & 3) | FP_CONTEXT);
    core_set(c, REG_IPSR, ipsr);
    if (c->fpccr & FPCCR_ASPEN)
        core_set(c, REG_FPSCR, c->fpdscr);
    c->traps &= ~(uint32_t)HAS_FLOAT;
    return true;
}

/* Leave room for the floating-point registers, and remember for whom (B1.5.7, UpdateFPCCR). */
void core_reserve_float(struct core *c, uint32_t at, bool thread, bool privileged) {
    int priority = core_priority(c, true);
    c->fpcar = at & ~7u;
    c->fpccr &= FPCCR_ASPEN | FPCCR_LSPEN;
    c->fpccr |= FPCCR_LSPACT;
    c->fpccr |= privileged ? 0u : (uint32_t)FPCCR_USER;
    c->fpccr |= thread ? (uint32_t)FPCCR_THREAD : 0u;
    c->fpccr |= priority > -1 ? (uint32_t)FPCCR_HFRDY : 0u;
    c->fpccr |= (c->enabled & bit(BUS_FAULT)) && priority > core_group(c, BUS_FAULT)
                    ? (uint32_t)FPCCR_BFRDY
                    : 0u;
    c->fpccr |= (c->enabled & bit(MEM_MANAGE)) && priority > core_group(c, MEM_MANAGE)
                    ? (uint32_t)FPCCR_MMRDY
                    : 0u;
    c->fpccr |= (c->enabled & bit(DEBUG_MONITOR)) && priority > core_group(c, DEBUG_MONITOR)
                    ? (uint32_t)FPCCR_MONRDY
                    : 0u;
}
