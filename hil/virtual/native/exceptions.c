/* Exceptions of ARMv7-M (Architecture Reference Manual B1.5): which is taken, entry and return with
 * their frames, faults and their escalation, lockup, and what wakes a sleeping core. */
#include "core.h"
#include "frame.h"

enum { LOWEST = 256 }; /* priority of thread mode with nothing active */

int core_group(const struct core *c, uint32_t n) {
    int priority = c->priority[n];
    return priority < 0 ? priority : (int)((uint32_t)priority & c->group_mask);
}

static int active_priority(const struct core *c) {
    int lowest = LOWEST;
    for (uint64_t left = c->active; left; left &= left - 1) {
        int priority = core_group(c, (uint32_t)__builtin_ctzll(left));
        if (priority < lowest)
            lowest = priority;
    }
    return lowest;
}

/* Execution priority (B1.5.4); WFI wakes up as if PRIMASK were clear. */
int core_priority(struct core *c, bool with_primask) {
    int priority = active_priority(c);
    uint32_t base = core_get_special(c, REG_BASEPRI) & 0xFF;
    if (base && (int)(base & c->group_mask) < priority)
        priority = (int)(base & c->group_mask);
    if (with_primask && (core_get_special(c, REG_PRIMASK) & 1) && priority > 0)
        priority = 0;
    if ((core_get_special(c, REG_FAULTMASK) & 1) && priority > -1)
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

/* Thread mode may have given its privilege away (CONTROL.nPRIV, B1.3.1). */
bool core_privileged(struct core *c) {
    return (core_get_special(c, REG_IPSR) & 0x1FF) || !(core_get_special(c, REG_CONTROL) & 1);
}

/* Priorities -1 and -2: HardFault, NMI, and FAULTMASK set. */
bool core_negative_priority(struct core *c) {
    return (c->active & (bit(NMI) | bit(HARD_FAULT))) || (core_get_special(c, REG_FAULTMASK) & 1);
}

bool core_would_preempt(struct core *c) {
    uint32_t n = best_pending(c);
    return n && core_group(c, n) < core_priority(c, true);
}

bool core_wakes(struct core *c) {
    uint32_t n = best_pending(c);
    if (c->sleeping == SLEEP_EVENT)
        return c->event || (n && core_group(c, n) < core_priority(c, true));
    return n && core_group(c, n) < core_priority(c, false);
}

/* ---- pending ------------------------------------------------------------------------------- */

/* Pend an exception. Safe in callbacks. */
EXPORT void core_pend(struct core *c, uint32_t n) {
    if (n == 0 || n >= EXCEPTIONS)
        return;
    if (!(c->pending & bit(n)) && (c->scr & SCR_SEVONPEND))
        c->event = 1;
    c->pending |= bit(n);
    if (c->inside && !core_would_preempt(c)) { /* held back: until a return, or a change of mask */
        c->poll = 1;
        c->traps |= HAS_MASK_CHANGE;
        c->mask_touched = 1; /* perhaps at the end of this very block */
        c->limit = 0;
        return;
    }
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
    if (core_priority(c, true) <= -1)
        lock_up(c);
    else
        c->pending |= bit(HARD_FAULT);
}

/* Pend a synchronous fault, or escalate it when it is disabled or could not preempt (B1.5.9). */
static void configurable_fault(struct core *c, uint32_t n, uint32_t bits) {
    c->cfsr |= bits;
    if ((c->enabled & bit(n)) && core_group(c, n) < core_priority(c, true))
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

/* Undo the instruction in progress and take the fault for it. */
void core_take_data_fault(struct core *c) {
    uint32_t kind = c->fault;
    c->fault = FAULT_NONE;
    bool bus = kind == FAULT_BUS_READ || kind == FAULT_BUS_WRITE;
    core_restore_registers(c);
    if (c->undo_size)
        __builtin_memcpy(core_memory(c, c->fault_address, c->undo_size), &c->undo, c->undo_size);
    c->undo_size = 0;
    c->sleeping = SLEEP_NONE;
    if (bus && (c->ccr & CCR_BFHFNMIGN) && core_negative_priority(c)) {
        c->pc += core_length(c, c->pc); /* B3.2.8: handlers of priority -1 and -2 may probe */
        return;
    }
    switch (kind) {
    case FAULT_BUS_READ:
    case FAULT_BUS_WRITE:
        c->bfar = c->fault_address;
        configurable_fault(c, BUS_FAULT, BFSR_PRECISERR | BFSR_BFARVALID);
        break;
    case FAULT_UNALIGNED:
        configurable_fault(c, USAGE_FAULT, UFSR_UNALIGNED);
        break;
    case FAULT_DIVIDE:
        configurable_fault(c, USAGE_FAULT, UFSR_DIVBYZERO);
        break;
    case FAULT_NO_FLOAT:
        configurable_fault(c, USAGE_FAULT, UFSR_NOCP);
        break;
    default:
        c->mmfar = c->fault_address;
        configurable_fault(c, MEM_MANAGE, MMFSR_DACCVIOL | MMFSR_MMARVALID);
    }
}

void core_supervisor_call(struct core *c) {
    if (core_group(c, SVCALL) < core_priority(c, true))
        c->pending |= bit(SVCALL);
    else
        hard_fault(c, HFSR_FORCED);
}

/* BKPT (C1.4.2): halt with a debugger, else DebugMonitor, else HardFault. */
void core_breakpoint(struct core *c) {
    if (c->call_hooks && c->on_call(c->pc))
        return;
    if (c->debug_enabled)
        c->halt = HALT_BREAKPOINT;
    else if ((c->enabled & bit(DEBUG_MONITOR)) &&
             core_group(c, DEBUG_MONITOR) < core_priority(c, true))
        c->pending |= bit(DEBUG_MONITOR);
    else
        hard_fault(c, HFSR_DEBUGEVT);
}

/* ---- entry --------------------------------------------------------------------------------- */

/* Where the hardware's own loads and stores of a stack go; null, and the status bits of the fault,
 * where they may not. `memory` and `bus` are the bits for either kind. */
uint8_t *core_stack(struct core *c, uint32_t address, uint32_t length, uint32_t right,
                    uint32_t view, uint32_t memory, uint32_t bus, uint32_t *fault) {
    for (uint32_t at = address & ~31u; view && at < address + length; at += 32) {
        uint32_t inside = at < address ? address : at;
        if (core_rights(c, view, inside) & right)
            continue;
        *fault = memory;
        return 0;
    }
    uint8_t *to = address >= CODE_RAM_BASE ? core_memory(c, address, length) : 0;
    if (!to)
        *fault = bus;
    return to;
}

/* A fault of the hardware's own access: no address is recorded for it (B3.2.15). */
void core_stack_fault(struct core *c, uint32_t bits) {
    configurable_fault(c, bits & 0xFF ? MEM_MANAGE : BUS_FAULT, bits);
}

/* Push the frame; 0, or the status bits of the fault that this made. */
static uint32_t push_frame(struct core *c, uint32_t frame, uint32_t sp, bool extended,
                           bool thread) {
    bool lazy = extended && (c->fpccr & FPCCR_LSPEN);
    uint32_t length = extended && !lazy ? 0x68 : 0x20;
    uint32_t fault = 0;
    uint8_t *to =
        core_stack(c, frame, length, MAY_WRITE, core_view(c), MMFSR_MSTKERR, BFSR_STKERR, &fault);
    if (!to)
        return fault;
    for (int i = 0; i < 4; i++)
        store(to + 4 * i, core_get(c, REG_R0 + i));
    store(to + 16, core_get(c, REG_R12));
    store(to + 20, core_get(c, REG_LR));
    store(to + 24, c->pc);
    uint32_t xpsr = core_get(c, REG_XPSR) & ~((1u << 9) | (1u << 24));
    store(to + 28,
          xpsr | ((sp & 4) && (c->ccr & CCR_STKALIGN) ? 1u << 9 : 0) | (c->thumb ? 1u << 24 : 0));
    if (lazy)
        core_reserve_float(c, frame + 0x20, thread, core_privileged(c));
    else if (extended)
        core_store_float(c, to + 0x20);
    return 0;
}

/* For who watches: the frame of the latest fault. */
static void note_fault(struct core *c, uint32_t n, uint32_t frame) {
    c->faults++;
    c->fault_exception = n;
    c->fault_frame = frame;
    c->fault_return = core_get(c, REG_LR);
}

/* Begin the handler of exception n, with the frame that it returns to already in place. */
static void take(struct core *c, uint32_t n, uint32_t exc_return, uint32_t frame) {
    core_set(c, REG_LR, exc_return);
    c->pending &= ~bit(n);
    c->active |= bit(n);
    c->event = 1;
    c->sleeping = SLEEP_NONE;
    c->taken++;
    if (n >= HARD_FAULT && n <= USAGE_FAULT)
        note_fault(c, n, frame);
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
}

static void enter(struct core *c, uint32_t n) {
    uint32_t ipsr = core_get(c, REG_IPSR) & 0x1FF;
    uint32_t control = core_get(c, REG_CONTROL);
    uint32_t sp = core_get(c, REG_SP);
    bool extended = (control & 4) && (c->fpccr & FPCCR_ASPEN);
    bool process_stack = !ipsr && (control & 2);
    uint32_t alignment = extended || (c->ccr & CCR_STKALIGN) ? 7 : 3;
    uint32_t frame = (sp - (extended ? 0x68 : 0x20)) & ~alignment;
    uint32_t fault = push_frame(c, frame, sp, extended, !ipsr);
    if (fault && n > HARD_FAULT) {
        /* A derived exception (B1.5.11): the more urgent one is taken now, the other stays pending.
         */
        core_stack_fault(c, fault);
        uint32_t best = best_pending(c);
        if (best && (core_group(c, best) < core_group(c, n) || best <= HARD_FAULT ||
                     (core_group(c, best) == core_group(c, n) && best < n)))
            n = best;
        if (c->lockup)
            return;
    }

    core_set(c, REG_SP, frame);
    core_set(c, REG_IPSR, n); /* first: what follows needs a privileged mode */
    core_set(c, REG_CONTROL, control & 1);
    core_set(c, REG_EPSR, 1u << 24);
    c->ticks += ENTRY_TICKS;
    take(c, n, (extended ? 0xFFFFFFE1u : 0xFFFFFFF1u) | (ipsr ? 0 : 8) | (process_stack ? 4 : 0),
         fault ? 0 : frame);
}

/* Tail-chaining (B1.5.12): what is pending and may preempt what is returned to begins with the
 * frame that is there. It is not read first: after a fault of stacking, nothing of it need be
 * valid. */
static bool tail_chain(struct core *c, uint32_t exc_return) {
    uint32_t n = best_pending(c);
    if (!n || core_group(c, n) >= core_priority(c, true))
        return false;
    core_set(c, REG_IPSR, n);
    core_set(c, REG_CONTROL, core_get(c, REG_CONTROL) & 1);
    core_set(c, REG_EPSR, 1u << 24);
    c->ticks += TAIL_CHAIN_TICKS;
    take(c, n, 0xF0000000u | (exc_return & 0x0FFFFFFF),
         core_get(c, exc_return & 4 ? REG_PSP : REG_MSP));
    return true;
}

void core_dispatch(struct core *c) {
    c->poll = 0;
    while (!c->lockup) {
        uint32_t n = best_pending(c);
        if (!n || core_group(c, n) >= active_priority(c))
            return; /* only an exception return can let it in, and that comes back here */
        if (core_group(c, n) >= core_priority(c, true)) {
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

/* A return that contradicts itself: the fault begins as if it had been chained to (B1.5.8). */
static void invalid_return(struct core *c, uint32_t exc_return) {
    core_usage_fault(c, UFSR_INVPC);
    tail_chain(c, exc_return);
}

/* How the MPU looks at the frame: with the privilege of what is returned to. */
static uint32_t return_view(struct core *c, bool thread) {
    uint32_t view = core_view(c);
    return view && thread && (core_get(c, REG_CONTROL) & 1) ? 2 : view;
}

/* Return from the exception in IPSR with EXC_RETURN in the program counter. */
void core_leave(struct core *c, uint32_t exc_return) {
    uint32_t n = core_get(c, REG_IPSR) & 0x1FF;
    bool thread = exc_return & 8, process_stack = exc_return & 4, extended = !(exc_return & 16);
    if (n >= EXCEPTIONS || !may_return(c, n, exc_return)) {
        if (n < EXCEPTIONS)
            deactivate(c, n);
        invalid_return(c, exc_return);
        return;
    }
    deactivate(c, n);
    if (tail_chain(c, exc_return))
        return;
    uint32_t frame = core_get(c, process_stack ? REG_PSP : REG_MSP);
    uint32_t length = extended ? 0x68 : 0x20, fault = 0;
    const uint8_t *from = core_stack(c, frame & ~3u, length, MAY_READ, return_view(c, thread),
                                     MMFSR_MUNSTKERR, BFSR_UNSTKERR, &fault);
    if (!from) {
        core_stack_fault(c, fault);
        tail_chain(c, exc_return);
        return;
    }
    uint32_t xpsr = load(from + 28);
    if (thread != !(xpsr & 0x1FF)) {
        invalid_return(c, exc_return);
        return;
    }
    if (extended && (c->fpccr & FPCCR_LSPACT)) { /* nobody touched them: they were never pushed */
        c->fpccr &= ~(uint32_t)FPCCR_LSPACT;
    } else if (extended) {
        for (int i = 0; i < 16; i++)
            core_set(c, REG_S0 + i, load(from + 32 + 4 * i));
        core_set(c, REG_FPSCR, load(from + 96));
    }
    uint32_t privilege = core_get(c, REG_CONTROL) & 1;
    bool padded = (xpsr >> 9 & 1) && (extended || (c->ccr & CCR_STKALIGN));
    core_set(c, process_stack ? REG_PSP : REG_MSP, (frame + length) | (padded ? 4 : 0));
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
