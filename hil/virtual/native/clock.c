/* The instruction clock: TICKS_PER_INSTRUCTION for each instruction, those that an IT block skips
 * too.
 *
 * The engine that runs whole blocks tells of each block it enters: its instructions are counted
 * then, all at once, and the block is entered only if its last instruction starts before the limit.
 * Where the clock must be known inside a block, at an access, the program counter tells how far it
 * is. A block that must not be run as a whole is left to the engine that tells of each instruction.
 *
 * So both engines give the same times, and stop in front of the same instruction. The one exception
 * is of the engine's making: it stops in no IT block, but after it.
 */
#include "core.h"

static void advance(struct core *c, uint32_t instructions) {
    c->instructions += instructions;
    c->ticks += (uint64_t)instructions * TICKS_PER_INSTRUCTION;
}

static void ask_engine_to_stop(struct core *c) {
    c->stopped = 1;
    c->stop(c->engine);
}

static bool breaks_in(const struct core *c, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < c->breakpoints && i < MAX_BREAKPOINTS; i++)
        if (c->breakpoint[i] >= from && c->breakpoint[i] < to)
            return true;
    return false;
}

/* ---- by blocks ----------------------------------------------------------------------------- */

/* Execute [from, to) by single instructions, until something leads out of it. */
void core_begin_exact(struct core *c, uint32_t from, uint32_t to) {
    c->exact = 1;
    c->exact_from = from;
    c->exact_to = to;
}

static void __attribute__((noinline)) slow_block(struct core *c, const struct core_block *block) {
    bool want = c->attention || c->fault || c->abandoned || c->stall || c->ticks >= c->hard;
    if (!want && c->mask_touched) {
        c->mask_touched = 0;
        want = core_would_preempt(c);
    }
    if (!want) {
        uint32_t end = block->address + block->size;
        uint64_t last = c->ticks + (uint64_t)(block->count - 1) * TICKS_PER_INSTRUCTION;
        bool alone = breaks_in(c, block->address, end) ||
                     (block->flags & c->traps &
                      (HAS_FLOAT | HAS_DIVIDE | HAS_UNPRIVILEGED | HAS_MODE_CHANGE));
        /* LDREX and STREX must find each other in one engine: they are not split. */
        alone = alone || !block->count || (last >= c->hard && !(block->flags & HAS_EXCLUSIVE));
        if (alone)
            core_begin_exact(c, block->address, end);
        want = alone;
    }
    if (want) {
        ask_engine_to_stop(c);
        return;
    }
    if (block->flags & c->traps & HAS_SEND_EVENT)
        c->event = 1; /* early, but before the WFE, which ends a block */
    c->mask_touched = !!(block->flags & c->traps & HAS_MASK_CHANGE);
    c->limit = c->breakpoints || c->mask_touched ? 0 : c->hard;
    c->block = block->address;
    c->block_size = block->size;
    c->block_count = block->count;
    c->counted = 0;
}

EXPORT void core_on_block(void *engine, uint64_t address, uint32_t size, void *user) {
    struct core *c = user;
    (void)engine;
    advance(c, c->block_count - c->counted);
    c->block_count = 0;
    c->counted = 0;
    const struct core_block *block = core_block(c, (uint32_t)address, size);
    uint64_t last = c->ticks + (uint64_t)(block->count - 1) * TICKS_PER_INSTRUCTION;
    if (__builtin_expect(last < c->limit && block->count && !(block->flags & c->traps), 1)) {
        c->block = (uint32_t)address;
        c->block_size = block->size;
        c->block_count = block->count;
        return;
    }
    slow_block(c, block);
}

/* Inside a block: bring the clock to the end of the instruction that makes an access. */
void core_synchronise(struct core *c) {
    if (c->engine == c->engines[STEPWISE])
        return;
    uint32_t pc = core_get(c, REG_PC) & ~1u;
    uint32_t done = core_count(c, c->block, pc) + 1;
    c->address = pc;
    if (done <= c->counted)
        return;
    advance(c, done - c->counted);
    c->counted = done;
    c->accesses = 0;
}

/* The engine has stopped: count what it did of the block. */
void core_settle(struct core *c) {
    if (!c->block_count)
        return;
    uint32_t done = c->block_count;
    if (c->pc - c->block < c->block_size) { /* on an instruction that did not complete */
        done = c->counted;
        if (!c->fault && !c->replay_end)
            done = core_count(c, c->block, c->pc) + 1;
        c->address = c->pc;
    } else {
        uint32_t at = c->block;
        for (uint32_t i = 1; i < c->block_count; i++)
            at += core_length(c, at);
        c->address = at;
    }
    if (done > c->counted)
        advance(c, done - c->counted);
    c->block_count = 0;
    c->counted = 0;
}

/* ---- by single instructions ---------------------------------------------------------------- */

/* ITSTATE for the next instruction (A7.3.2, ITAdvance). */
static uint32_t next_then(uint32_t state) {
    return (state & 7) ? (state & 0xE0) | (state << 1 & 0x1F) : 0;
}

/* Count what an IT block skipped on the way to this instruction: the engine does not tell of it.
 * True: the instruction is in an IT block, where the engine does not stop. */
static bool count_skipped(struct core *c, uint32_t address) {
    while (c->then_left && c->then_next != address) {
        advance(c, 1);
        c->then_next += core_length(c, c->then_next);
        c->then_left--;
        c->then_state = next_then(c->then_state);
    }
    if (c->then_left) {
        c->then_next += core_length(c, address);
        c->then_left--;
        return true;
    }
    c->then_left = core_then_length(c, address);
    c->then_state = core_halfword(c, address) & 0xFF;
    c->then_next = address + 2;
    return false;
}

/* LDRT and STRT go by what unprivileged code may do (A7.7.67): an immediate above Rn. */
static bool unprivileged_access(struct core *c, uint32_t address) {
    uint32_t first = core_halfword(c, address), second = core_halfword(c, address + 2);
    int base = first & 0xF;
    int reg = base == 13 ? REG_SP : base == 14 ? REG_LR : REG_R0 + base;
    uint32_t at = core_get(c, reg) + (second & 0xFF);
    uint32_t right = first & 0x10 ? MAY_READ : MAY_WRITE;
    if (core_rights(c, VIEW_USER, at) & right)
        return true;
    core_fault(c, at, right == MAY_READ ? FAULT_MEM_READ : FAULT_MEM_WRITE);
    return false;
}

/* What the engine does not do by itself for this instruction. True: it must not be executed. */
static bool prepare(struct core *c, uint32_t address) {
    uint32_t flags = core_flags(c, address) & c->traps;
    if (flags & HAS_SEND_EVENT)
        c->event = 1;
    if (flags & HAS_FLOAT) {
        if (!core_float_enabled(c)) {
            core_fault(c, address, FAULT_NO_FLOAT);
            return true;
        }
        if (!core_preserve_float(c))
            return true;
        if (core_begin_float(c))
            return true; /* what the engine makes of it depends on that from the block's start */
    }
    if (flags & HAS_DIVIDE) { /* SDIV and UDIV: the divisor is Rm, which may be the link register */
        int divisor = core_halfword(c, address + 2) & 0xF;
        if (!core_get(c, divisor == 14 ? REG_LR : REG_R0 + divisor)) {
            core_fault(c, address, FAULT_DIVIDE);
            return true;
        }
    }
    if ((flags & HAS_UNPRIVILEGED) && !unprivileged_access(c, address))
        return true;
    c->mask_touched = !!(flags & HAS_MASK_CHANGE);
    if (flags & HAS_MODE_CHANGE)
        c->attention = 1; /* the run loop looks who may access what now */
    return false;
}

/* Whether something comes before the instruction at this address. */
static bool must_wait(struct core *c, uint32_t address) {
    if (c->attention || c->fault || c->abandoned || c->stall || c->watch_hit ||
        c->ticks >= c->hard || (c->step && c->stepped))
        return true;
    if (c->exact && address - c->exact_from >= c->exact_to - c->exact_from)
        return true;
    if (c->mask_touched) {
        c->mask_touched = 0;
        if (core_would_preempt(c))
            return true;
    }
    if (!breaks_in(c, address, address + 1))
        return false;
    c->halt = HALT_BREAKPOINT;
    return true;
}

EXPORT void core_on_instruction(void *engine, uint64_t at, uint32_t size, void *user) {
    struct core *c = user;
    uint32_t address = (uint32_t)at;
    (void)engine;
    (void)size;
    bool unstoppable = count_skipped(c, address);
    /* What is begun again is completed before anything else. */
    if (!unstoppable && !c->replay_end && must_wait(c, address)) {
        ask_engine_to_stop(c);
        return;
    }
    c->address = address;
    c->accesses = 0;
    c->then_now = unstoppable ? c->then_state : 0;
    bool refused = c->traps && prepare(c, address);
    if (unstoppable)
        c->then_state = next_then(c->then_state);
    if (refused && !unstoppable) {
        ask_engine_to_stop(c);
        return;
    }
    c->stepped = 1;
    c->instructions_stepped++;
    advance(c, 1);
}

EXPORT void core_on_interrupt(void *engine, uint32_t number, void *user) {
    struct core *c = user;
    (void)engine;
    c->engine_exception = number;
    c->stop(c->engine);
}
