/* Stepping core of the virtual Cortex-M4F.
 *
 * Unicorn executes the instructions; this file is what makes a Cortex-M4 of it: the clock, the
 * exceptions (ARMv7-M Architecture Reference Manual, B1.5), sleep, faults and lockup, and writes to
 * the flash. Everything that happens per instruction or per exception is here; register side
 * effects of peripherals and the event queue are in Python.
 *
 * The clock: one instruction is TICKS_PER_INSTRUCTION ticks. One code hook counts, and stops the
 * engine in front of the first instruction that would start at or after the limit. Whatever wants
 * the attention of the run loop lowers the limit to 0, which leads into the slow path of the hook.
 * The engine is stopped only there: it forgets a stop asked for elsewhere in an IT block.
 *
 * No heap, no recursion. Python shares `struct core` by ctypes (see core.py) and calls nothing here
 * from inside a callback but the functions that say so.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core.h"

#ifndef CORE_SOURCE_HASH
#error "build with hil/virtual/native/build.py, which names the hash of the sources"
#endif

/* The prefix lets the loader find the hash in the file, before it loads it. */
static const char tagged_hash[] __attribute__((used)) = "hil-core-sha256:" CORE_SOURCE_HASH;

EXPORT const char *core_source_hash(void) {
    return tagged_hash + sizeof("hil-core-sha256:") - 1;
}

EXPORT uint32_t core_size(void) {
    return (uint32_t)sizeof(struct core);
}

/* ---- engine -------------------------------------------------------------------------------- */

uint32_t core_get(struct core *c, int reg) {
    uint32_t value = 0;
    c->reg_read(c->engine, reg, &value);
    return value;
}

void core_set(struct core *c, int reg, uint32_t value) {
    c->reg_write(c->engine, reg, &value);
}

uint8_t *core_memory(struct core *c, uint32_t address, uint32_t length) {
    if (address < FLASH_SIZE)
        return length <= FLASH_SIZE - address ? c->flash + address : 0;
    if (address - RAM_BASE < RAM_SIZE)
        return length <= RAM_SIZE - (address - RAM_BASE) ? c->ram + (address - RAM_BASE) : 0;
    if (address - CODE_RAM_BASE < RAM_SIZE)
        return length <= RAM_SIZE - (address - CODE_RAM_BASE) ? c->ram + (address - CODE_RAM_BASE)
                                                              : 0;
    return 0;
}

/* Drop translated code of [begin, end). Safe in callbacks. */
EXPORT void core_flush(struct core *c, uint64_t begin, uint64_t end) {
    c->quiet = 1; /* the engine looks the page up, and must not be told of a fault by that */
    c->control(c->engine, ENGINE_REMOVE_CACHE, begin, end);
    c->quiet = 0;
}

static uint32_t halfword(struct core *c, uint32_t address) {
    const uint8_t *from = core_memory(c, address & ~1u, 2);
    return from ? (uint32_t)(from[0] | from[1] << 8) : 0;
}

/* Whether the instruction takes two halfwords (A5.1). */
bool core_is_wide(struct core *c, uint32_t address) {
    return halfword(c, address) >> 11 >= 0x1D;
}

/* The one-instruction hints of WFI, WFE and SEV, narrow or wide (A7.7: 0xBFx0 or F3AF 80xx). */
static bool is_hint(struct core *c, uint32_t address, uint32_t hint) {
    uint32_t first = halfword(c, address);
    return first == (0xBF00u | hint << 4) ||
           (first == 0xF3AF && halfword(c, address + 2) == (0x8000u | hint));
}

/* ---- instruction clock --------------------------------------------------------------------- */

/* Whether the instruction may change PRIMASK, FAULTMASK or BASEPRI: CPS, MSR, or not to be read. */
static bool changes_mask(struct core *c, uint32_t address) {
    uint32_t code = halfword(c, address);
    return code == 0 || (code & 0xFFE8) == 0xB660 || (code & 0xFFE0) == 0xF380;
}

static bool at_breakpoint(const struct core *c, uint32_t address) {
    for (uint32_t i = 0; i < c->breakpoints && i < MAX_BREAKPOINTS; i++)
        if (c->breakpoint[i] == address)
            return true;
    return false;
}

/* Count the instruction and ask the engine to stop in front of it. It treats an IT block as one
 * instruction, so this one may execute all the same: `execute` takes it back if it did not. */
static void ask_to_stop(struct core *c, uint32_t address) {
    c->ticks += TICKS_PER_INSTRUCTION;
    c->before_asked = c->address;
    c->address = address;
    c->stopped = 1;
    c->stop(c->engine);
}

static void __attribute__((noinline)) slow_path(struct core *c, uint32_t address) {
    if (c->stopped) {
        c->late++;
        ask_to_stop(c, address);
        return;
    }
    bool want = c->attention || c->fault || c->stall || c->watch_hit || c->ticks >= c->hard ||
                (c->step && c->stepped);
    if (!want && c->breakpoints && at_breakpoint(c, address)) {
        c->halt = HALT_BREAKPOINT;
        want = true;
    }
    if (!want && c->poll) {
        want = c->mask_touched && core_would_preempt(c);
        c->mask_touched = changes_mask(c, address);
    }
    if (want) {
        ask_to_stop(c, address);
        return;
    }
    c->stepped = 1;
    c->ticks += TICKS_PER_INSTRUCTION;
    c->address = address;
    c->limit = (c->poll || c->step || c->breakpoints) ? 0 : c->hard;
}

EXPORT void core_on_instruction(void *engine, uint64_t address, uint32_t size, void *user) {
    struct core *c = user;
    (void)engine;
    (void)size;
    if (__builtin_expect(c->ticks < c->limit, 1)) {
        c->ticks += TICKS_PER_INSTRUCTION;
        c->address = (uint32_t)address;
        return;
    }
    slow_path(c, (uint32_t)address);
}

EXPORT void core_on_interrupt(void *engine, uint32_t number, void *user) {
    struct core *c = user;
    (void)engine;
    c->engine_exception = number;
    c->stop(c->engine);
}

/* ---- accesses ------------------------------------------------------------------------------ */

/* Remember that the access in progress faults. The engine finishes the instruction; the run loop
 * then puts the registers back, so that the fault is precise. The first fault wins. Safe in
 * callbacks. */
EXPORT void core_bus_fault(struct core *c, uint32_t address, uint32_t kind) {
    if (c->fault)
        return;
    c->fault = kind;
    c->fault_address = address;
    c->fault_pc = c->address;
    for (int i = 0; i < 13; i++)
        c->saved[i] = core_get(c, REG_R0 + i);
    c->saved[13] = core_get(c, REG_SP);
    c->saved[14] = core_get(c, REG_LR);
    c->saved[15] = core_get(c, REG_XPSR);
    c->limit = 0;
}

/* Firmware polls: a value that nothing can have changed is not asked for again. */
EXPORT uint64_t core_bus_read(void *engine, uint64_t offset, uint32_t size, void *user) {
    const struct core_region *region = user;
    struct core *c = region->core;
    uint32_t address = region->base + (uint32_t)offset;
    struct core_kept *kept = &c->kept[(address >> 2 ^ address >> 12) & (KEPT - 1)];
    (void)engine;
    if (size == 4 && kept->address == address && kept->generation == c->generation)
        return kept->value;
    c->keep = 0;
    uint32_t value = c->bus_read(address, size);
    if (c->keep && size == 4) {
        kept->address = address;
        kept->value = value;
        kept->generation = c->generation;
    } else {
        c->generation++;
    }
    return value;
}

/* Take a store to a register that Python left to this core. */
static bool latched(struct core *c, uint32_t address, uint32_t size, uint32_t value) {
    for (uint32_t i = 0; i < LATCHES; i++) {
        struct core_latch *latch = c->latch[i];
        if (!latch || latch->address != address || !latch->direct || size != 4)
            continue;
        latch->value = value & latch->mask;
        if (i == LATCH_NVMC_CONFIG)
            c->nvm_write_enable = latch->value == NVMC_CONFIG_WEN;
        return true;
    }
    return false;
}

EXPORT void core_bus_write(void *engine, uint64_t offset, uint32_t size, uint64_t value,
                           void *user) {
    const struct core_region *region = user;
    struct core *c = region->core;
    uint32_t address = region->base + (uint32_t)offset;
    (void)engine;
    if (latched(c, address, size, (uint32_t)value))
        return;
    c->bus_write(address, size, (uint32_t)value);
    c->generation++;
}

/* A store to flash, UICR or FICR (nRF52840 PS, NVMC): whole aligned words, only with write enable,
 * only where ACL lets it; a bit goes from 1 to 0 and never back. */
static void program(struct core *c, uint32_t address, uint32_t size, uint32_t value) {
    uint8_t *at = 0;
    if (address < FLASH_SIZE) {
        uint32_t page = address / FLASH_PAGE;
        if (!(c->write_protect[page / 64] >> (page % 64) & 1))
            at = c->flash + address;
    } else if (address - UICR_BASE < UICR_SIZE) {
        at = c->uicr + (address - UICR_BASE);
    }
    if (!at || size != 4 || (address & 3) || !c->nvm_write_enable) {
        core_bus_fault(c, address, FAULT_BUS_WRITE);
        return;
    }
    if (c->fault || c->nvm_mode == NVM_IGNORE)
        return;
    if (c->nvm_mode == NVM_HANG) {
        c->hung = 1;
        c->attention = 1;
        c->limit = 0;
        return;
    }
    if (c->nvm_operations == c->nvm_stop_at) {
        c->on_nvm_stop();
        c->generation++;
        if (c->off)
            return; /* power was cut before the operation began */
    }
    uint32_t old;
    memcpy(&old, at, 4);
    value &= old;
    memcpy(at, &value, 4);
    c->nvm_operations++;
    c->nvm_address = address;
    c->nvm_old = old;
    c->nvm_new = value;
    c->nvm_start = c->ticks - TICKS_PER_INSTRUCTION + c->stall;
    c->nvm_end = c->nvm_start + NVM_WRITE_TICKS;
    c->stall += NVM_WRITE_TICKS;
    c->limit = 0;
    core_flush(c, address, address + 4);
}

EXPORT bool core_on_bad_access(void *engine, int type, uint64_t address, int size, int64_t value,
                               void *user) {
    struct core *c = user;
    (void)engine;
    if (c->quiet)
        return false;
    switch (type) {
    case ACCESS_WRITE_PROTECTED:
        program(c, (uint32_t)address, (uint32_t)size, (uint32_t)value);
        return true; /* handled: the engine drops the store */
    case ACCESS_READ_PROTECTED:
        core_bus_fault(c, (uint32_t)address, FAULT_BUS_READ);
        return true;
    case ACCESS_READ_UNMAPPED:
        core_bus_fault(c, (uint32_t)address, FAULT_BUS_READ);
        return false;
    case ACCESS_WRITE_UNMAPPED:
        core_bus_fault(c, (uint32_t)address, FAULT_BUS_WRITE);
        return false;
    default: /* instruction fetch: the run loop sees the error and the program counter */
        return false;
    }
}

EXPORT void core_on_watched_access(void *engine, int type, uint64_t address, int size,
                                   int64_t value, void *user) {
    struct core *c = user;
    (void)engine;
    (void)value;
    uint32_t kind = type == ACCESS_WRITE ? WATCH_WRITE : WATCH_READ;
    for (uint32_t i = 0; i < c->watchpoints && i < MAX_WATCHPOINTS; i++) {
        const struct core_watchpoint *w = &c->watchpoint[i];
        if ((w->kind & kind) && address < (uint64_t)w->address + w->length &&
            w->address < address + (uint64_t)size) {
            c->watch_hit |= 1u << i;
            c->limit = 0;
        }
    }
}

/* ---- run loop ------------------------------------------------------------------------------ */

static bool never_execute(uint32_t address) { /* B3.1: peripheral, device and system regions */
    return address - 0x40000000u < 0x20000000u || address >= 0xA0000000u;
}

/* Wait for event; a SEV right in front of it is seen here, since the engine takes it for a NOP. */
static void wait_for_event(struct core *c) {
    if (c->event || is_hint(c, c->address - 2, HINT_SEV) || is_hint(c, c->address - 4, HINT_SEV)) {
        c->event = 0;
        return;
    }
    c->sleeping = SLEEP_EVENT;
}

static void undefined(struct core *c) {
    if (c->pc != c->address) { /* the engine reports WFE and YIELD so, past the instruction */
        if (is_hint(c, c->address, HINT_WFE))
            wait_for_event(c);
        return;
    }
    core_usage_fault(c, UFSR_UNDEFINSTR);
}

/* What the engine's own exception means here (QEMU's numbers, target/arm/cpu.h). */
static void engine_exception(struct core *c) {
    switch (c->engine_exception) {
    case 2: /* SVC, past the instruction */
        core_supervisor_call(c);
        break;
    case 3: /* prefetch abort */
        core_fetch_fault(c, never_execute(c->pc));
        break;
    case 4: /* data abort: an access that must be aligned */
    case 22:
        core_usage_fault(c, UFSR_UNALIGNED);
        break;
    case 7: /* BKPT, on the instruction */
        core_breakpoint(c);
        break;
    case 8: /* EXC_RETURN in the program counter */
        core_leave(c, c->pc | 1);
        break;
    case 17:
        core_usage_fault(c, UFSR_NOCP);
        break;
    case 18:
        core_invalid_state(c);
        break;
    default:
        core_usage_fault(c, UFSR_UNDEFINSTR);
    }
}

static void execute(struct core *c) {
    if (!c->thumb) {
        core_invalid_state(c);
        return;
    }
    if (never_execute(c->pc)) {
        core_fetch_fault(c, true);
        return;
    }
    c->attention = 0;
    c->stopped = 0;
    c->engine_exception = 0;
    c->mask_touched = 0;
    c->limit = (c->poll || c->step || c->breakpoints) ? 0 : c->hard;
    c->inside = 1;
    int error = c->start(c->engine, c->pc | 1, 0xFFFFFFFE, 0, 0);
    c->inside = 0;
    c->slices++;
    c->pc = core_get(c, REG_PC) & ~1u;
    if (c->stopped && c->pc == c->address && !c->engine_exception &&
        !error) { /* it did stop in front */
        c->ticks -= TICKS_PER_INSTRUCTION;
        c->address = c->before_asked;
    }
    c->ticks += c->stall;
    c->stall = 0;
    if (c->fault)
        return; /* the rest of what the instruction did does not count */
    if (c->engine_exception)
        engine_exception(c);
    else if (error == ENGINE_INVALID_INSTRUCTION)
        undefined(c);
    else if (error == ENGINE_EXCEPTION)
        core_invalid_state(c);
    else if (error == ENGINE_FETCH_UNMAPPED || error == ENGINE_FETCH_PROTECTED)
        core_fetch_fault(c, never_execute(c->pc));
    else if (error)
        c->engine_error = (uint32_t)error;
    else if (!c->stopped)
        c->sleeping = SLEEP_INTERRUPT;
}

/* Run until something outside is needed; the reason is returned. `hard` is the tick to stop at. */
EXPORT uint32_t core_run(struct core *c) {
    c->generation++; /* anything may have happened since */
    for (;;) {
        if (c->engine_error)
            return CORE_ERROR;
        if (c->off || c->hung)
            return CORE_REQUEST;
        if (c->fault)
            core_take_data_fault(c);
        if (c->request) {
            c->request = 0;
            return CORE_REQUEST;
        }
        if (c->watch_hit) {
            c->halt = HALT_WATCHPOINT;
            c->watched = c->watch_hit;
            c->watch_hit = 0;
        }
        if (c->halt || c->lockup)
            return c->halt ? CORE_HALT : CORE_LOCKUP;
        if (c->ticks >= c->hard)
            return CORE_LIMIT;
        core_dispatch(c);
        if (c->step && c->stepped)
            c->halt = HALT_STEP;
        if (c->halt || c->lockup || c->ticks >= c->hard)
            continue;
        if (c->sleeping) {
            if (!c->step && !core_wakes(c)) {
                c->slept = 1;
                return CORE_SLEEP;
            }
            c->sleeping = 0;
            c->event = 0;
        }
        if (c->slept) { /* let Python see the waking before anything executes */
            c->slept = 0;
            return CORE_REQUEST;
        }
        execute(c);
    }
}
