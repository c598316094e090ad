/* Stepping core of the virtual Cortex-M4F: the engines, and the run loop that makes a CPU of them.
 *
 * Unicorn executes the instructions; what makes a Cortex-M4 of it is here and beside it: the clock,
 * the exceptions (ARMv7-M Architecture Reference Manual, B1.5), sleep, faults and lockup,
 * protection, and writes to the flash. Everything that happens per instruction or per exception is
 * native; register side effects of peripherals and the event queue are in Python.
 *
 * There are two engines with the same memory. One runs whole blocks of instructions at the speed of
 * the engine by itself; the other tells of each instruction, at a third of it. The registers live
 * in the first, and move to the second for the part of a block that must not be run as a whole: at
 * the end of a slice, for single steps, or where an instruction needs more than the engine knows
 * of.
 *
 * The engines are stopped from the hooks in clock.c, and by an access that is refused (access.c): a
 * stop asked for elsewhere is forgotten in an IT block.
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

EXPORT uint32_t core_tables_size(void) {
    return (uint32_t)sizeof(struct core_tables);
}

/* ---- engines ------------------------------------------------------------------------------- */

uint32_t core_get(struct core *c, int reg) {
    uint32_t value = 0;
    c->reg_read(c->engine, reg, &value);
    return value;
}

/* The registers that are not moved for a few plain instructions. */
uint32_t core_get_special(struct core *c, int reg) {
    uint32_t value = 0;
    c->reg_read(c->special, reg, &value);
    return value;
}

void core_set(struct core *c, int reg, uint32_t value) {
    c->reg_write(c->engine, reg, &value);
}

uint8_t *core_memory(const struct core *c, uint32_t address, uint32_t length) {
    if (address < FLASH_SIZE)
        return length <= FLASH_SIZE - address ? c->flash + address : 0;
    if (address - RAM_BASE < RAM_SIZE)
        return length <= RAM_SIZE - (address - RAM_BASE) ? c->ram + (address - RAM_BASE) : 0;
    if (address - CODE_RAM_BASE < RAM_SIZE)
        return length <= RAM_SIZE - (address - CODE_RAM_BASE) ? c->ram + (address - CODE_RAM_BASE)
                                                              : 0;
    return 0;
}

/* Drop translated code of the pages of [begin, end). Safe in callbacks. */
EXPORT void core_flush(struct core *c, uint64_t begin, uint64_t end) {
    for (uint64_t at = begin & ~(uint64_t)(PAGE - 1); at < end; at += PAGE) {
        int page = core_page((uint32_t)at);
        if (page < 0 || !c->tables->code[page])
            continue;
        c->quiet = 1; /* the engine looks the page up, and must not be told of a fault by that */
        for (int which = 0; which < ENGINES; which++)
            c->control(c->engines[which], ENGINE_REMOVE_CACHE, at, at + PAGE);
        c->quiet = 0;
        if (page < FLASH_PAGES) {
            c->tables->code[page] = 0;
            c->tables->generation[page]++;
        }
    }
}

/* Flags last, since they hold the exception number: that decides which stack pointer SP is. */
static const int plain_registers[] = {
    REG_XPSR_NZCVQG, REG_R0,      REG_R0 + 1, REG_R0 + 2, REG_R0 + 3, REG_R0 + 4,
    REG_R0 + 5,      REG_R0 + 6,  REG_R0 + 7, REG_R0 + 8, REG_R0 + 9, REG_R0 + 10,
    REG_R0 + 11,     REG_R0 + 12, REG_LR,     REG_SP,
};
enum { PLAIN = sizeof plain_registers / sizeof *plain_registers, DOUBLES = 16 };

static void move_plain(struct core *c, void *from, void *to) {
    uint32_t value[PLAIN];
    void *at[PLAIN];
    int reading[PLAIN];
    for (int i = 0; i < PLAIN; i++) {
        at[i] = &value[i];
        reading[i] = plain_registers[i];
    }
    reading[0] = REG_XPSR;
    c->read_batch(from, reading, at, PLAIN);
    c->write_batch(to, plain_registers, at, PLAIN);
}

static void move_float(struct core *c, void *from, void *to) {
    uint64_t value[DOUBLES];
    void *at[DOUBLES];
    int registers[DOUBLES];
    for (int i = 0; i < DOUBLES; i++) {
        at[i] = &value[i];
        registers[i] = REG_D0 + i;
    }
    c->read_batch(from, registers, at, DOUBLES);
    c->write_batch(to, registers, at, DOUBLES);
    uint32_t status = 0;
    c->reg_read(from, REG_FPSCR, &status);
    c->reg_write(to, REG_FPSCR, &status);
}

/* The stack pointers, masks and CONTROL; handler mode and thread mode in turn, since some are
 * hidden from unprivileged code, and CONTROL takes SPSEL in thread mode only. */
static void move_special(struct core *c, void *from, void *to) {
    static const int special[] = {REG_MSP, REG_PSP, REG_PRIMASK, REG_BASEPRI, REG_FAULTMASK};
    enum { SPECIAL = sizeof special / sizeof *special };
    uint32_t value[SPECIAL], exception = 0, control = 0;
    const uint32_t handler = HARD_FAULT, thread = 0, none = 0;
    void *at[SPECIAL];
    for (int i = 0; i < SPECIAL; i++)
        at[i] = &value[i];
    c->reg_read(from, REG_IPSR, &exception);
    c->reg_read(from, REG_CONTROL, &control);
    exception &= 0x1FF;
    c->reg_write(from, REG_IPSR, &handler);
    c->read_batch(from, special, at, SPECIAL);
    c->reg_write(from, REG_IPSR, &exception);

    c->reg_write(to, REG_IPSR, &handler);
    c->reg_write(to, REG_CONTROL, &none);
    c->write_batch(to, special, at, SPECIAL);
    c->reg_write(to, REG_IPSR, &thread);
    control = (control & 3) | (control & 4 ? FP_CONTEXT : 0);
    c->reg_write(to, REG_CONTROL, &control);
    c->reg_write(to, REG_IPSR, &exception);
}

/* Let the other engine go on from here. */
static void move_registers(struct core *c, int which, bool all) {
    void *from = c->engine, *to = c->engines[which];
    if (all) {
        move_special(c, from, to);
        move_float(c, from, to);
        c->special = to;
    }
    move_plain(c, from, to);
    c->engine = to;
}

/* ---- run loop ------------------------------------------------------------------------------ */

static bool never_execute(uint32_t address) { /* B3.1: peripheral, device and system regions */
    return address - 0x40000000u < 0x20000000u || address >= 0xA0000000u;
}

static void wait_for_event(struct core *c) {
    if (c->event)
        c->event = 0;
    else
        c->sleeping = SLEEP_EVENT;
}

static void undefined(struct core *c) {
    if (!c->thumb) { /* a branch to an even address: there is no other instruction set to go to */
        core_invalid_state(c);
        return;
    }
    if (c->pc != c->address) { /* the engine reports WFE and YIELD so, past the instruction */
        if (core_is_hint(c, c->address, HINT_WFE))
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

/* An engine that has looked a page up does not ask about reading it again. */
static void forget_pages(struct core *c) {
    c->forget_pages = 0;
    for (int which = 0; which < ENGINES; which++)
        c->control(c->engines[which], ENGINE_FORGET_PAGES);
}

static bool is_watched(const struct core *c, uint32_t address) {
    uint32_t page = address / FLASH_PAGE;
    return address < FLASH_SIZE && (c->read_watch[page / 64] >> (page % 64) & 1);
}

static void engine_error(struct core *c, int error) {
    bool forbidden;
    switch (error) {
    case ENGINE_INVALID_INSTRUCTION:
        undefined(c);
        break;
    case ENGINE_EXCEPTION:
        core_invalid_state(c);
        break;
    case ENGINE_FETCH_UNMAPPED:
    case ENGINE_FETCH_PROTECTED:
        if (is_watched(c, c->pc)) {
            c->reached = 1;
            c->hung = 1;
            return;
        }
        forbidden = never_execute(c->pc) || !(core_rights(c, c->mpu_view, c->pc) & MAY_EXECUTE);
        forget_pages(c); /* looked up, it could be read from now on */
        if (!forbidden && core_open_code(c, c->pc))
            return;
        core_fetch_fault(c, forbidden);
        break;
    default:
        c->engine_error = (uint32_t)error;
    }
}

/* An access was refused: the engine calls that an error of its own. */
static bool is_refusal(int error) {
    return error == ENGINE_READ_UNMAPPED || error == ENGINE_WRITE_UNMAPPED ||
           error == ENGINE_READ_PROTECTED || error == ENGINE_WRITE_PROTECTED;
}

/* Which blocks need attention now. */
static uint32_t traps(struct core *c) {
    uint32_t wanted = HAS_SEND_EVENT;
    if ((c->fpccr & FPCCR_LSPACT) || !core_float_enabled(c) || !(core_get(c, REG_CONTROL) & 4))
        wanted |= HAS_FLOAT;
    if (c->ccr & CCR_DIV_0_TRP)
        wanted |= HAS_DIVIDE;
    if (c->mpu_view == VIEW_PRIVILEGED)
        wanted |= HAS_UNPRIVILEGED;
    if ((c->mpu_control & MPU_ENABLE) || (c->cpacr >> 20 & 3) == 1)
        wanted |= HAS_MODE_CHANGE;
    if (c->poll)
        wanted |= HAS_MASK_CHANGE;
    return wanted;
}

/* Whether what single instructions are wanted for needs all registers moved, not only R0 to R15. */
static bool needs_all(struct core *c) {
    if (!c->exact)
        return true;
    for (uint32_t at = c->exact_from; at < c->exact_to; at += core_length(c, at))
        if (core_flags(c, at) & (HAS_SYSTEM | HAS_IF_THEN | HAS_EXCLUSIVE))
            return true;
    return false;
}

/* The rest of an IT block that execution starts in (ITSTATE, A7.3.2). */
static void find_then(struct core *c) {
    uint32_t xpsr = core_get(c, REG_XPSR);
    uint32_t mask = xpsr >> 10 & 3; /* ITSTATE<3:2> are bits 11:10, <1:0> are bits 26:25 */
    mask = mask << 2 | (xpsr >> 25 & 3);
    c->then_left = mask ? 4 - (uint32_t)__builtin_ctz(mask) : 0;
    c->then_state = (xpsr >> 8 & 0xFC) | (xpsr >> 25 & 3);
    c->then_next = c->pc;
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
    c->block_count = 0;
    c->counted = 0;
    c->traps = traps(c);
    bool stepwise = c->exact || c->step || c->watchpoints || (c->ccr & CCR_UNALIGN_TRP);
    bool all = stepwise && needs_all(c);
    if (stepwise) {
        if (c->pc >= FLASH_SIZE) /* the other engine may have changed the code */
            c->control(c->engines[STEPWISE], ENGINE_REMOVE_CACHE,
                       (uint64_t)c->pc & ~(uint64_t)(PAGE - 1), ((uint64_t)c->pc | (PAGE - 1)) + 1);
        find_then(c);
        move_registers(c, STEPWISE, all);
    }
    c->limit = c->breakpoints ? 0 : c->hard;
    c->abandoned = 0;
    c->inside = 1;
    int error = c->start(c->engine, c->pc | 1, 0xFFFFFFFE, 0, 0);
    c->inside = 0;
    c->slices++;
    c->pc = core_get(c, REG_PC) & ~1u;
    if (stepwise) {
        move_registers(c, BLOCKWISE, all);
        c->replay_end = 0;
        c->exact = 0;
    } else {
        core_settle(c);
    }
    c->thumb = core_get(c, REG_XPSR) >> 24 & 1;
    c->ticks += c->stall;
    c->stall = 0;
    if (c->forget_pages)
        forget_pages(c);
    if (c->fault)
        return; /* the rest of what the instruction did does not count */
    if (c->abandoned) {
        core_restore_registers(c);
        return;
    }
    if (c->engine_exception)
        engine_exception(c);
    else if (is_refusal(error))
        return;
    else if (error)
        engine_error(c, error);
    else if (!c->stopped)
        c->sleeping = SLEEP_INTERRUPT;
}

/* Who may access what depends on the mode; and on what was written to the MPU. */
static void look_at_rights(struct core *c) {
    uint32_t view = core_view(c);
    if (view == c->mpu_view && !c->pages_changed)
        return;
    bool all = view != c->mpu_view;
    c->mpu_view = view;
    core_apply_rights(c, all);
}

/* Run until something outside is needed; the reason is returned. `hard` is the tick to stop at. */
EXPORT uint32_t core_run(struct core *c) {
    c->generation++; /* anything may have happened since */
    for (;;) {
        if (c->engine_error)
            return CORE_ERROR;
        if (c->off || c->hung) {
            c->replay_end = 0;
            return CORE_REQUEST;
        }
        if (c->fault)
            core_take_data_fault(c);
        if (c->replay_end) { /* in the middle of an instruction: nothing comes in between */
            execute(c);
            continue;
        }
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
        if (c->mpu_control || c->mpu_view || c->pages_changed)
            look_at_rights(c);
        execute(c);
    }
}
