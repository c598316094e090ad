/* Processor faults, as the application reports them. */
#ifndef SOC_FAULT_H
#define SOC_FAULT_H

#include <stdint.h>

/* Arm fault status registers and the stacked registers; pc and lr are 0 where the stack itself was
 * bad. */
struct fault {
    uint32_t cfsr;
    uint32_t hfsr;
    uint32_t bfar;
    uint32_t pc;
    uint32_t lr;
};

/* Supplied by the application: called in the fault handler, where no interrupt runs; a reset
 * follows. */
void fault_report(const struct fault *fault);

#endif
