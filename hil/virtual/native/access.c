/* Loads and stores outside plain memory: registers on the bus, programming flash, pages that are
 * protected. The engine asks here for each of them, and knows the program counter when it does.
 *
 * Mostly the instruction then goes on. When something must come before the next one (an exception,
 * an event, the end of the slice) the engine cannot stop behind the access inside a block: the
 * instruction is abandoned, and begun again by single instructions. What it has done already is
 * remembered and not done twice.
 */
#include <string.h>

#include "core.h"

/* ---- faults -------------------------------------------------------------------------------- */

/* Keep the registers as they are in front of the instruction in progress. */
void core_save_registers(struct core *c) {
    for (int i = 0; i < 13; i++)
        c->saved[i] = core_get(c, REG_R0 + i);
    c->saved[13] = core_get(c, REG_SP);
    c->saved[14] = core_get(c, REG_LR);
    c->saved[15] = core_get(c, REG_XPSR);
    if (c->engine == c->engines[STEPWISE]) { /* the engine's own is behind */
        c->saved[15] &= ~XPSR_IF_THEN;
        c->saved[15] |= (c->then_now & 0xFC) << 8 | (c->then_now & 3) << 25;
    }
    c->fault_pc = c->address;
}

/* And go back to there. */
void core_restore_registers(struct core *c) {
    for (int i = 0; i < 13; i++)
        core_set(c, REG_R0 + i, c->saved[i]);
    core_set(c, REG_XPSR_NZCVQG, c->saved[15]);
    core_set(c, REG_SP, c->saved[13]);
    core_set(c, REG_LR, c->saved[14]);
    c->pc = c->fault_pc;
}

/* LDRD of its own base: when the second word is asked about, the first is in the base register
 * already. The address tells what was there. */
static void save_base(struct core *c, uint32_t address) {
    uint32_t first = core_halfword(c, c->address),
             offset = (core_halfword(c, c->address + 2) & 0xFF) * 4;
    uint32_t added = first & 0x100 ? (first & 0x80 ? offset : 0u - offset) : 0;
    uint32_t base = first & 0xF;
    if (base < 13 && c->saved[base] != address - added)
        c->saved[base] = address - 4 - added;
}

/* Remember that the instruction in progress faults; the run loop puts the registers back and takes
 * it. The first fault wins. */
void core_fault(struct core *c, uint32_t address, uint32_t kind) {
    if (c->fault)
        return;
    c->fault = kind;
    c->fault_address = address;
    core_save_registers(c);
    if (core_loads_own_base(c, c->address))
        save_base(c, address);
    c->limit = 0;
    if (kind == FAULT_MEM_READ || kind == FAULT_MEM_WRITE)
        c->forget_pages = 1; /* the engine does not ask a second time about a page it knows */
}

/* The access in progress faults. Safe in callbacks. */
EXPORT void core_bus_fault(struct core *c, uint32_t address, uint32_t kind) {
    core_fault(c, address, kind);
}

/* ---- going on or not ----------------------------------------------------------------------- */

/* Whether the engine may go on behind the access it asked about. */
static bool may_go_on(struct core *c, uint32_t address, bool write) {
    if (c->engine == c->engines[STEPWISE]) {
        if (c->fault && write)
            c->abandoned = 1;
        return !c->fault;
    }
    uint32_t left = c->block_count - c->counted;
    uint64_t next = c->ticks + c->stall;
    uint64_t last = next + (left ? (uint64_t)(left - 1) * TICKS_PER_INSTRUCTION : 0);
    if (!c->fault && (!left || (!c->attention && last < c->hard))) {
        c->ticks = next;
        c->stall = 0;
        return true;
    }
    if (!c->fault) { /* begin it again */
        c->replay = 0;
        c->replay_end = c->accesses;
        c->ticks -= TICKS_PER_INSTRUCTION;
        c->instructions--;
        c->counted--;
        write = write || core_loads_own_base(c, c->address);
        if (write)
            core_save_registers(c);
        if (core_loads_own_base(c, c->address))
            save_base(c, address);
        core_begin_exact(c, c->address, c->address + core_length(c, c->address));
    }
    /* A store in an IT block does not end it: what follows is undone with the registers. */
    if (write)
        c->abandoned = 1;
    return false;
}

/* Answer from what the instruction has done before it was begun again. */
static bool replayed(struct core *c, uint32_t address) {
    if (c->replay >= c->replay_end)
        return false;
    if (c->access_at[c->replay] != address) { /* not what was done: nothing of it holds */
        c->replay = c->replay_end = 0;
        return false;
    }
    c->bus_value = c->access[c->replay++];
    if (c->replay == c->replay_end)
        c->replay = c->replay_end = 0;
    return true;
}

static void remember(struct core *c, uint32_t address, uint32_t value) {
    if (c->accesses < MAX_ACCESSES) {
        c->access_at[c->accesses] = address;
        c->access[c->accesses++] = value;
    }
    c->bus_value = value;
}

/* ---- the bus ------------------------------------------------------------------------------- */

#define STIR 0xE000EF00u
#define XPSR_THUMB (1u << 24)

static bool is_bus(uint32_t address) {
    return address - 0x40000000u < 0x20000000u || address >= 0xE0000000u ||
           address - QSPI_WINDOW < QSPI_WINDOW_SIZE;
}

/* The private peripheral bus is for privileged code only, whatever the MPU says (B3.1.3); but for
 * STIR, which privileged code may open to all (B3.2.26). */
static bool may_touch(struct core *c, uint32_t address, uint32_t right) {
    if (address >= 0xE0000000u) {
        if (core_privileged(c))
            return true;
        if (address == STIR && right == MAY_WRITE && (c->ccr & CCR_USERSETMPEND))
            return true;
        core_fault(c, address, right == MAY_WRITE ? FAULT_BUS_WRITE : FAULT_BUS_READ);
        return false;
    }
    if (!c->mpu_view || (core_rights(c, c->mpu_view, address) & right))
        return true;
    core_fault(c, address, right == MAY_WRITE ? FAULT_MEM_WRITE : FAULT_MEM_READ);
    return false;
}

/* Firmware polls: a value that nothing can have changed is not asked for again. */
static uint32_t bus_read(struct core *c, uint32_t address, uint32_t size) {
    struct core_kept *kept = &c->kept[(address >> 2 ^ address >> 12) & (KEPT - 1)];
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

static void bus_write(struct core *c, uint32_t address, uint32_t size, uint32_t value) {
    if (latched(c, address, size, value))
        return;
    c->bus_write(address, size, value);
    c->generation++;
}

/* ---- flash --------------------------------------------------------------------------------- */

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
        core_fault(c, address, FAULT_BUS_WRITE);
        return;
    }
    if (c->nvm_mode == NVM_IGNORE)
        return;
    if (c->nvm_mode == NVM_HANG) {
        c->hung = 1;
        c->attention = 1;
        c->limit = 0;
        return;
    }
    if (c->nvm_operations == c->nvm_stop_at) {
        c->nvm_next = address;
        c->nvm_asked = value;
        c->on_nvm_stop();
        c->generation++;
        if (c->off)
            return; /* power was cut before the operation began */
    }
    uint32_t old;
    memcpy(&old, at, 4);
    value &= old;
    memcpy(at, &value, 4);
    uint8_t *writes =
        c->nvm_writes + (address < FLASH_SIZE ? address : FLASH_SIZE + address - UICR_BASE) / 4;
    if (*writes < 255)
        ++*writes;
    if (*writes > NVM_WRITES_BETWEEN_ERASES)
        c->on_nvm_excess(address);
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

/* ---- memory -------------------------------------------------------------------------------- */

static uint32_t memory_read(struct core *c, uint32_t address, uint32_t size) {
    uint32_t value = 0;
    const uint8_t *from = core_memory(c, address, size);
    if (from)
        memcpy(&value, from, size);
    return value;
}

/* A store to a page of RAM that something in is protected, or that code was translated from. */
static void memory_write(struct core *c, uint32_t address, uint32_t size, uint32_t value) {
    uint8_t *to = core_memory(c, address, size);
    if (!to) {
        core_fault(c, address, FAULT_BUS_WRITE);
        return;
    }
    memcpy(to, &value, size);
    core_flush(c, address, address + size);
}

/* ---- what the engine asks ------------------------------------------------------------------ */

/* A read of a page that is watched: the first one is told. */
static void note_read(struct core *c, uint32_t address) {
    uint32_t page = address / FLASH_PAGE;
    if (address >= FLASH_SIZE || !(c->read_watch[page / 64] >> (page % 64) & 1) ||
        (c->read_seen[page / 64] >> (page % 64) & 1))
        return;
    c->read_seen[page / 64] |= 1ull << (page % 64);
    c->on_first_read(page);
}

static bool read_protected(const struct core *c, uint32_t address) {
    uint32_t page = address / FLASH_PAGE;
    return address < FLASH_SIZE && (c->read_protect[page / 64] >> (page % 64) & 1);
}

/* The engine asks about an unaligned store first as a whole, and then byte by byte. */
static bool comes_in_parts(uint32_t address, uint32_t size) {
    return is_bus(address) && (address & (size - 1));
}

static bool on_read(struct core *c, uint32_t address, uint32_t size) {
    if (c->abandoned || c->fault)
        return false;
    core_synchronise(c);
    uint32_t step = address & 1 ? 1 : address & 2 ? 2 : 4;
    step = step < size ? step : size;
    uint64_t all = 0;
    for (uint32_t done = 0; done < size && !c->fault; done += step) {
        uint32_t value = 0, at = address + done;
        if (!replayed(c, at)) {
            if (may_touch(c, at, MAY_READ)) {
                if (is_bus(at))
                    value = bus_read(c, at, step);
                else if (read_protected(c, at))
                    core_fault(c, at, FAULT_BUS_READ);
                else {
                    note_read(c, at);
                    value = memory_read(c, at, step);
                }
            }
            remember(c, at, value);
        }
        all |= (uint64_t)c->bus_value << 8 * done;
    }
    c->whole = all;
    c->whole_at = address;
    return c->replay_end ? true : may_go_on(c, address, false);
}

static void write_word(struct core *c, uint32_t address, uint32_t size, uint32_t value) {
    if (!may_touch(c, address, MAY_WRITE))
        return;
    if (is_bus(address))
        bus_write(c, address, size, value);
    else if (address - RAM_BASE < RAM_SIZE || address - CODE_RAM_BASE < RAM_SIZE)
        memory_write(c, address, size, value);
    else
        program(c, address, size, value);
}

static bool on_write(struct core *c, uint32_t address, uint32_t size, uint64_t value) {
    if (c->abandoned || c->fault)
        return false;
    if (comes_in_parts(address, size))
        return true;
    uint32_t step = size > 4 ? 4 : size;
    bool before = true;
    for (uint32_t done = 0; done < size && !c->fault; done += step) {
        if (replayed(c, address + done))
            continue;
        if (before)
            core_synchronise(c);
        before = false;
        write_word(c, address + done, step, (uint32_t)(value >> 8 * done));
        remember(c, address + done, 0);
    }
    return before || may_go_on(c, address, true);
}

static bool on_nothing(struct core *c, uint32_t address, bool write) {
    if (c->abandoned || c->fault)
        return false;
    core_synchronise(c);
    if (may_touch(c, address, write ? MAY_WRITE : MAY_READ))
        core_fault(c, address, write ? FAULT_BUS_WRITE : FAULT_BUS_READ);
    return may_go_on(c, address, write);
}

/* The engine writes ITSTATE down where it asks, for the case that the access ends the block. When
 * it goes on, that is still there at the end, and what follows the block would be taken for a part
 * of an IT block. */
static void forget_if_then(struct core *c) {
    if (core_get(c, REG_XPSR) & XPSR_IF_THEN)
        core_set(c, REG_EPSR, XPSR_THUMB);
}

static bool go_on(struct core *c, bool may) {
    if (may)
        forget_if_then(c);
    return may;
}

EXPORT bool core_on_bad_access(void *engine, int type, uint64_t address, int size, int64_t value,
                               void *user) {
    struct core *c = user;
    (void)engine;
    if (c->quiet)
        return false;
    switch (type) {
    case ACCESS_WRITE_PROTECTED:
        return go_on(c, on_write(c, (uint32_t)address, (uint32_t)size, (uint64_t)value));
    case ACCESS_READ_PROTECTED:
        return go_on(c, on_read(c, (uint32_t)address, (uint32_t)size));
    case ACCESS_READ_UNMAPPED:
        return go_on(c, on_nothing(c, (uint32_t)address, false));
    case ACCESS_WRITE_UNMAPPED:
        return go_on(c, on_nothing(c, (uint32_t)address, true));
    default: /* instruction fetch: the run loop sees the error and the program counter */
        return false;
    }
}

/* The bus as the engine has it: it has asked above, and takes or drops the value here. */
EXPORT uint64_t core_on_bus_read(void *engine, uint64_t offset, uint32_t size, void *user) {
    const struct core *c = user;
    (void)engine;
    /* An unaligned access takes the aligned words around it; the offset is one in the page or
     * range. */
    int ahead = (int)((offset - c->whole_at) & (PAGE - 1));
    ahead = ahead < PAGE / 2 ? ahead : ahead - PAGE;
    if (ahead > 7 || ahead < -7)
        return 0;
    uint64_t value = ahead >= 0 ? c->whole >> 8 * ahead : c->whole << -8 * ahead;
    return size >= 8 ? value : value & ((1ull << 8 * size) - 1);
}

EXPORT void core_on_bus_write(void *engine, uint64_t offset, uint32_t size, uint64_t value,
                              void *user) {
    (void)engine;
    (void)offset;
    (void)size;
    (void)value;
    (void)user;
}

/* Each access, where the engine was told to show them all: watchpoints, and CCR.UNALIGN_TRP. */
EXPORT void core_on_watched_access(void *engine, int type, uint64_t address, int size,
                                   int64_t value, void *user) {
    struct core *c = user;
    (void)engine;
    (void)value;
    if ((c->ccr & CCR_UNALIGN_TRP) && (address & (uint64_t)(size - 1)) && !c->fault) {
        core_fault(c, (uint32_t)address, FAULT_UNALIGNED);
        const uint8_t *memory = core_memory(c, (uint32_t)address, (uint32_t)size);
        if (type == ACCESS_WRITE && memory && size <= 4) { /* the engine will store all the same */
            c->undo_size = (uint32_t)size;
            memcpy(&c->undo, memory, (size_t)size);
        }
        return;
    }
    uint32_t kind = type == ACCESS_WRITE ? WATCH_WRITE : WATCH_READ;
    for (uint32_t i = 0; i < c->watchpoints && i < MAX_WATCHPOINTS; i++) {
        const struct core_watchpoint *w = &c->watchpoint[i];
        if ((w->kind & kind) && address < (uint64_t)w->address + w->length &&
            w->address < address + (uint64_t)size) {
            c->watch_hit |= 1u << i;
            c->limit = 0;
        }
    }
    forget_if_then(c);
}
