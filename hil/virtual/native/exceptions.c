/* Exceptions of ARMv7-M (Architecture Reference Manual B1.5): which is taken, entry and return with
 * their frames, faults and their escalation, lockup, and what wakes a sleeping core. */
#include "core.h"

/* CONTROL.FPCA, and the bit that TrustZone calls SFPA: the engine always runs in its secure state,
 * and takes FPCA alone for a floating-point context that is not the program's own: it clears FPSCR.
 */
#define FP_CONTEXT (1u << 2 | 1u << 3)

enum { LOWEST = 256 }; /* priority of thread mode with nothing active */

static uint64_t bit(uint32_t n) {
    return 1ull << n;
}

static int group(const struct core *c, uint32_t n) {
    int priority = c->priority[n];
    return priority < 0 ? priority : (int)((uint32_t)priority & c->group_mask);
}

static int active_priority(const struct core *c) {
    int lowest = LOWEST;
    for (uint64_t left = c->active; left; left &= left - 1) {
        int priority = group(c, (uint32_t)__builtin_ctzll(left));
        if (priority < lowest)
            lowest = priority;
    }
    return lowest;
}

/* Execution priority (B1.5.4); WFI wakes up as if PRIMASK were clear. */
static int execution_priority(struct core *c, bool with_primask) {
    int priority = active_priority(c);
    uint32_t base = core_get(c, REG_BASEPRI) & 0xFF;
    if (base && (int)(base & c->group_mask) < priority)
        priority = (int)(base & c->group_mask);
    if (with_primask && (core_get(c, REG_PRIMASK) & 1) && priority > 0)
        priority = 0;
    if ((core_get(c, REG_FAULTMASK) & 1) && priority > -1)
        priority = -1;
    return priority;
}

/* The pending exception of the best priority, or 0; of equals the lowest number (B1.5.4). */
static uint32_t best_pending(const struct core *c) {
    uint64_t left = c->pending & c->enabled;
    if (c->mask_interrupts) /* DHCSR.C_MASKINTS: PendSV, SysTick and the interrupts */
        left &= bit(PENDSV) - 1;
    uint32_t best = 0;
    int priority = LOWEST;
    for (; left; left &= left - 1) {
        uint32_t n = (uint32_t)__builtin_ctzll(left);
        if (c->priority[n] < priority) {
            priority = c->priority[n];
            best = n;
        }
    }
    return best;
}

bool core_would_preempt(struct core *c) {
    uint32_t n = best_pending(c);
    return n && group(c, n) < execution_priority(c, true);
}

bool core_wakes(struct core *c) {
    uint32_t n = best_pending(c);
    if (c->sleeping == SLEEP_EVENT)
        return c->event || (n && group(c, n) < execution_priority(c, true));
    return n && group(c, n) < execution_priority(c, false);
}

/* ---- pending ------------------------------------------------------------------------------- */

/* Pend an exception. Safe in callbacks. */
EXPORT void core_pend(struct core *c, uint32_t n) {
    if (n == 0 || n >= EXCEPTIONS)
        return;
    if (!(c->pending & bit(n)) && (c->scr & SCR_SEVONPEND))
        c->event = 1;
    c->pending |= bit(n);
    c->attention = 1;
    c->limit = 0;
}

/* Take pending state back; a level that is still high pends again. Safe in callbacks. */
EXPORT void core_unpend(struct core *c, uint64_t mask) {
    c->pending &= ~(mask & ~(c->lines & ~c->active));
}

/* Drive the level of an interrupt line. Safe in callbacks. */
EXPORT void core_line(struct core *c, uint32_t n, uint32_t level) {
    if (n < 16 || n >= EXCEPTIONS)
        return;
    if (!level) {
        c->lines &= ~bit(n);
    } else if (!(c->lines & bit(n))) {
        c->lines |= bit(n);
        core_pend(c, n);
    }
}

/* Let the run loop look at the exceptions after this instruction. Safe in callbacks. */
EXPORT void core_attend(struct core *c) {
    c->attention = 1;
    c->limit = 0;
}

/* ---- faults -------------------------------------------------------------------------------- */

static void lock_up(struct core *c) {
    c->lockup = 1;
    c->pc = 0xFFFFFFFE;
}

static void hard_fault(struct core *c, uint32_t bits) {
    c->hfsr |= bits;
    if (execution_priority(c, true) <= -1)
        lock_up(c);
    else
        c->pending |= bit(HARD_FAULT);
}

/* Pend a synchronous fault, or escalate it when it is disabled or could not preempt (B1.5.9). */
static void configurable_fault(struct core *c, uint32_t n, uint32_t bits) {
    c->cfsr |= bits;
    if ((c->enabled & bit(n)) && group(c, n) < execution_priority(c, true))
        c->pending |= bit(n);
    else
        hard_fault(c, HFSR_FORCED);
}

void core_usage_fault(struct core *c, uint32_t bits) {
    configurable_fault(c, USAGE_FAULT, bits);
}

void core_invalid_state(struct core *c) {
    c->thumb = 0;
    configurable_fault(c, USAGE_FAULT, UFSR_INVSTATE);
}

void core_fetch_fault(struct core *c, bool never_execute) {
    if (never_execute)
        configurable_fault(c, MEM_MANAGE, MMFSR_IACCVIOL);
    else
        configurable_fault(c, BUS_FAULT, BFSR_IBUSERR);
}

/* Undo the instruction whose access faulted and take the fault for it. */
void core_take_data_fault(struct core *c) {
    uint32_t kind = c->fault;
    c->fault = FAULT_NONE;
    bool bus = kind == FAULT_BUS_READ || kind == FAULT_BUS_WRITE;
    if (bus && (c->ccr & CCR_BFHFNMIGN) &&
        execution_priority(c, true) < 0) { /* B3.2.8: handlers of priority -1 and -2 may probe;
                                              where the engine gave up, go past it */
        if (c->pc == c->address)
            c->pc += core_is_wide(c, c->address) ? 4 : 2;
        return;
    }
    for (int i = 0; i < 13; i++)
        core_set(c, REG_R0 + i, c->saved[i]);
    core_set(c, REG_SP, c->saved[13]);
    core_set(c, REG_LR, c->saved[14]);
    core_set(c, REG_XPSR_NZCVQG, c->saved[15] & 0xF80F01FFu);
    c->pc = c->fault_pc;
    c->sleeping = SLEEP_NONE;
    if (bus) {
        c->bfar = c->fault_address;
        configurable_fault(c, BUS_FAULT, BFSR_PRECISERR | BFSR_BFARVALID);
    } else {
        c->mmfar = c->fault_address;
        configurable_fault(c, MEM_MANAGE, MMFSR_DACCVIOL | MMFSR_MMARVALID);
    }
}

void core_supervisor_call(struct core *c) {
    if (group(c, SVCALL) < execution_priority(c, true))
        c->pending |= bit(SVCALL);
    else
        hard_fault(c, HFSR_FORCED);
}

/* BKPT (C1.4.2): halt with a debugger, else DebugMonitor, else HardFault. */
void core_breakpoint(struct core *c) {
    if (c->debug_enabled)
        c->halt = HALT_BREAKPOINT;
    else if ((c->enabled & bit(DEBUG_MONITOR)) &&
             group(c, DEBUG_MONITOR) < execution_priority(c, true))
        c->pending |= bit(DEBUG_MONITOR);
    else
        hard_fault(c, HFSR_DEBUGEVT);
}

/* ---- entry --------------------------------------------------------------------------------- */

static void store(uint8_t *at, uint32_t value) {
    __builtin_memcpy(at, &value, 4);
}

static uint32_t load(const uint8_t *at) {
    uint32_t value;
    __builtin_memcpy(&value, at, 4);
    return value;
}

static bool push_frame(struct core *c, uint32_t frame, uint32_t sp, bool extended) {
    uint32_t length = extended ? 0x68 : 0x20;
    uint8_t *to = frame >= RAM_BASE ? core_memory(c, frame, length) : 0;
    if (!to)
        return false;
    for (int i = 0; i < 4; i++)
        store(to + 4 * i, core_get(c, REG_R0 + i));
    store(to + 16, core_get(c, REG_R12));
    store(to + 20, core_get(c, REG_LR));
    store(to + 24, c->pc);
    uint32_t xpsr = core_get(c, REG_XPSR) & ~((1u << 9) | (1u << 24));
    store(to + 28, xpsr | (sp & 4) << 7 | (c->thumb ? 1u << 24 : 0));
    if (extended) {
        for (int i = 0; i < 16; i++)
            store(to + 32 + 4 * i, core_get(c, REG_S0 + i));
        store(to + 96, core_get(c, REG_FPSCR));
        store(to + 100, 0);
        c->fpcar = frame + 0x20;
    }
    return true;
}

static void enter(struct core *c, uint32_t n) {
    uint32_t ipsr = core_get(c, REG_IPSR) & 0x1FF;
    uint32_t control = core_get(c, REG_CONTROL);
    uint32_t sp = core_get(c, REG_SP);
    bool extended = (control & 4) && (c->fpccr & FPCCR_ASPEN);
    bool process_stack = !ipsr && (control & 2);
    uint32_t frame = (sp - (extended ? 0x68 : 0x20)) & ~7u;
    bool pushed = push_frame(c, frame, sp, extended);

    core_set(c, REG_SP, frame);
    core_set(c, REG_IPSR, n); /* first: what follows needs a privileged mode */
    core_set(c, REG_CONTROL, control & 1);
    core_set(c, REG_EPSR, 1u << 24);
    core_set(c, REG_LR,
             (extended ? 0xFFFFFFE1u : 0xFFFFFFF1u) | (ipsr ? 0 : 8) | (process_stack ? 4 : 0));
    c->pending &= ~bit(n);
    c->active |= bit(n);
    c->event = 1;
    c->sleeping = SLEEP_NONE;
    c->ticks += ENTRY_TICKS;
    c->taken++;
    if (c->catch_mask & bit(n))
        c->halt = HALT_CATCH;

    const uint8_t *vector = core_memory(c, c->vtor + 4 * n, 4);
    if (vector) {
        c->pc = load(vector) & ~1u;
        c->thumb = load(vector) & 1;
    } else if (n == HARD_FAULT || n == NMI) {
        lock_up(c);
    } else {
        hard_fault(c, HFSR_VECTTBL);
    }
    if (!pushed) /* derived exception, B1.5.11 */
        configurable_fault(c, BUS_FAULT, BFSR_STKERR);
}

void core_dispatch(struct core *c) {
    c->poll = 0;
    while (!c->lockup) {
        uint32_t n = best_pending(c);
        if (!n || group(c, n) >= active_priority(c))
            return; /* only an exception return can let it in, and that comes back here */
        if (group(c, n) >= execution_priority(c, true)) {
            c->poll = 1; /* held back by a mask only: watch for the instruction that lifts it */
            return;
        }
        enter(c, n);
    }
}

/* ---- return -------------------------------------------------------------------------------- */

/* Whether EXC_RETURN and what is active agree (B1.5.8, ExceptionReturn integrity checks). */
static bool may_return(const struct core *c, uint32_t n, uint32_t exc_return) {
    uint32_t kind = exc_return & 0xF;
    if (!(c->active & bit(n)) || (exc_return & 0x0FFFFFE0) != 0x0FFFFFE0)
        return false;
    if (kind != 0x1 && kind != 0x9 && kind != 0xD)
        return false;
    bool nested = (c->active & ~bit(n)) != 0;
    if (kind == 0x1)
        return nested;
    return !nested || (c->ccr & CCR_NONBASETHRDENA);
}

static void deactivate(struct core *c, uint32_t n) {
    c->active &= ~bit(n);
    if (n != NMI)
        core_set(c, REG_FAULTMASK, 0);
    if (c->lines & bit(n)) /* the level is sampled again on return */
        core_pend(c, n);
    c->event = 1;
}

/* Return from the exception in IPSR with EXC_RETURN in the program counter. */
void core_leave(struct core *c, uint32_t exc_return) {
    uint32_t n = core_get(c, REG_IPSR) & 0x1FF;
    bool thread = exc_return & 8, process_stack = exc_return & 4, extended = !(exc_return & 16);
    if (n >= EXCEPTIONS || !may_return(c, n, exc_return)) {
        if (n < EXCEPTIONS)
            deactivate(c, n);
        core_set(c, REG_LR, 0xF0000000u | (exc_return & 0x0FFFFFFF));
        core_usage_fault(c, UFSR_INVPC);
        return;
    }
    deactivate(c, n);
    uint32_t frame = core_get(c, process_stack ? REG_PSP : REG_MSP);
    uint32_t length = extended ? 0x68 : 0x20;
    const uint8_t *from = frame >= RAM_BASE ? core_memory(c, frame & ~3u, length) : 0;
    if (!from) {
        configurable_fault(c, BUS_FAULT, BFSR_UNSTKERR);
        return;
    }
    uint32_t xpsr = load(from + 28);
    if (thread != !(xpsr & 0x1FF)) {
        core_usage_fault(c, UFSR_INVPC);
        return;
    }
    if (extended) {
        for (int i = 0; i < 16; i++)
            core_set(c, REG_S0 + i, load(from + 32 + 4 * i));
        core_set(c, REG_FPSCR, load(from + 96));
    }
    uint32_t privilege = core_get(c, REG_CONTROL) & 1;
    core_set(c, process_stack ? REG_PSP : REG_MSP, frame + length + (xpsr >> 7 & 4));
    if (thread) { /* SPSEL can be written only in privileged thread mode */
        core_set(c, REG_CONTROL, 0);
        core_set(c, REG_IPSR, 0);
        core_set(c, REG_CONTROL,
                 (process_stack ? 2u : 0) | (extended ? FP_CONTEXT : 0) | privilege);
    } else {
        core_set(c, REG_CONTROL, privilege | (extended ? FP_CONTEXT : 0));
        core_set(c, REG_IPSR, xpsr & 0x1FF);
    }
    for (int i = 0; i < 4; i++)
        core_set(c, REG_R0 + i, load(from + 4 * i));
    core_set(c, REG_R12, load(from + 16));
    core_set(c, REG_LR, load(from + 20));
    core_set(c, REG_XPSR_NZCVQG, xpsr & 0xF80F01FFu); /* this writes IPSR too */
    core_set(c, REG_EPSR, xpsr & 0x0700FC00u);
    c->pc = load(from + 24) & ~1u;
    c->thumb = xpsr >> 24 & 1;
    c->ticks += EXIT_TICKS;
    if (thread && (c->scr & SCR_SLEEPONEXIT))
        c->sleeping = SLEEP_INTERRUPT;
}
