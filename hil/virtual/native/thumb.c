/* What an instruction is, told from its code (ARMv7-M Architecture Reference Manual, A5 and A7):
 * its length, and whether it needs more than being executed; and the blocks that the engine makes
 * of them, counted once each.
 */
#include "core.h"

static bool is_wide_code(uint32_t first) { /* A5.1 */
    return first >> 11 >= 0x1D;
}

/* The bytes of code at an address; null outside flash and RAM. */
const uint8_t *core_code(const struct core *c, uint32_t address, uint32_t length) {
    return core_memory(c, address, length);
}

uint32_t core_halfword(const struct core *c, uint32_t address) {
    const uint8_t *from = core_code(c, address & ~1u, 2);
    return from ? (uint32_t)(from[0] | from[1] << 8) : 0;
}

/* Whether the instruction takes two halfwords. */
bool core_is_wide(const struct core *c, uint32_t address) {
    return is_wide_code(core_halfword(c, address));
}

/* LDRD whose first register is its base too (A7.7.50). */
bool core_loads_own_base(const struct core *c, uint32_t address) {
    uint32_t first = core_halfword(c, address);
    if ((first & 0xFE50) != 0xE850 || !(first & 0x120))
        return false;
    return core_halfword(c, address + 2) >> 12 == (first & 0xF);
}

/* The instruction's length in bytes. */
uint32_t core_length(const struct core *c, uint32_t address) {
    return core_is_wide(c, address) ? 4 : 2;
}

/* The one-instruction hints of WFI, WFE and SEV, narrow or wide (A7.7: 0xBFx0 or F3AF 80xx). */
bool core_is_hint(const struct core *c, uint32_t address, uint32_t hint) {
    uint32_t first = core_halfword(c, address);
    return first == (0xBF00u | hint << 4) ||
           (first == 0xF3AF && core_halfword(c, address + 2) == (0x8000u | hint));
}

/* How many instructions the IT at `address` makes conditional, 0 if it is none (A7.7.38). */
uint32_t core_then_length(const struct core *c, uint32_t address) {
    uint32_t code = core_halfword(c, address);
    if ((code & 0xFF00) != 0xBF00 || !(code & 0xF))
        return 0;
    return 4 - (uint32_t)__builtin_ctz(code & 0xF);
}

static uint32_t narrow_flags(uint32_t code) {
    if ((code & 0xFFE8) == 0xB660) /* CPS; its lowest bit is FAULTMASK's */
        return HAS_SYSTEM | HAS_MASK_CHANGE | (code & 1 ? HAS_MODE_CHANGE : 0u);
    if (code == 0xBF40)
        return HAS_SYSTEM | HAS_SEND_EVENT;
    if ((code & 0xFF00) == 0xBF00)
        return code & 0xF ? HAS_IF_THEN : HAS_SYSTEM;
    if ((code & 0xFF00) == 0x4700 || (code & 0xFF00) == 0xBD00 || (code & 0xFE00) == 0xDE00 ||
        (code & 0xFF00) == 0xBE00) /* BX and BLX, POP with PC, UDF and SVC, BKPT */
        return HAS_SYSTEM;
    return 0;
}

static uint32_t wide_flags(uint32_t first, uint32_t second) {
    if ((first & 0xEC00) == 0xEC00) { /* coprocessors; 10 and 11 are the FPU */
        uint32_t number = second >> 8 & 0xF;
        return HAS_SYSTEM | (number == 10 || number == 11 ? HAS_FLOAT : 0u);
    }
    if (first == 0xF3AF && second == 0x8004)
        return HAS_SYSTEM | HAS_SEND_EVENT;
    if (first == 0xF3BF && (second & 0xFFF0) == 0x8F20)
        return HAS_SYSTEM | HAS_EXCLUSIVE;                           /* CLREX */
    if ((first & 0xFFE0) == 0xF380 && (second & 0xD000) == 0x8000) { /* MSR */
        uint32_t special = second & 0xFF;
        uint32_t mode = special == 19 || special == 20 ? HAS_MODE_CHANGE : 0u;
        return HAS_SYSTEM | mode | (special >= 16 && special <= 19 ? HAS_MASK_CHANGE : 0u);
    }
    if ((first & 0xFF80) == 0xF380 && (second & 0xD000) == 0x8000) /* MRS, barriers, hints */
        return HAS_SYSTEM;
    if ((first & 0xFE80) == 0xF800 && (second & 0xF00) == 0xE00 && (first & 0xF) != 0xF)
        return HAS_UNPRIVILEGED; /* LDRT, STRT and their like */
    if ((first & 0xFFD0) == 0xFB90 && (second & 0xF0) == 0xF0)
        return HAS_DIVIDE;
    if ((first & 0xFFE0) == 0xE840)
        return HAS_EXCLUSIVE;
    if ((first & 0xFFE0) == 0xE8C0 && ((second & 0xF0) == 0x40 || (second & 0xF0) == 0x50))
        return HAS_EXCLUSIVE;
    if ((first & 0xFE50) == 0xE810 && second >> 15) /* LDM with PC */
        return HAS_SYSTEM;
    if ((first & 0xFF70) == 0xF850 && second >> 12 == 15) /* LDR of PC */
        return HAS_SYSTEM;
    return 0;
}

/* HAS_ flags of the instruction at an address. */
uint32_t core_flags(const struct core *c, uint32_t address) {
    uint32_t first = core_halfword(c, address);
    return is_wide_code(first) ? wide_flags(first, core_halfword(c, address + 2))
                               : narrow_flags(first);
}

/* How many instructions there are from one address up to another. */
uint32_t core_count(const struct core *c, uint32_t from, uint32_t to) {
    uint32_t count = 0;
    const uint8_t *code = to > from ? core_code(c, from, to - from) : 0;
    if (!code)
        return 0;
    for (const uint8_t *end = code + (to - from); code < end; count++)
        code += code[1] >> 3 >= 0x1D ? 4 : 2;
    return count;
}

/* The block of instructions at an address. Code in RAM may change at any store, so that it is
 * counted each time; flash changes page by page. */
const struct core_block *core_block(struct core *c, uint32_t address, uint32_t size) {
    struct core_tables *tables = c->tables;
    struct core_block *block = &tables->block[address >> 1 & (BLOCKS - 1)];
    bool flash = address < FLASH_SIZE;
    uint32_t generation = flash ? tables->generation[address / PAGE] : 0;
    uint32_t last = address + size - 1;
    if (flash && last < FLASH_SIZE && last / PAGE != address / PAGE)
        generation += tables->generation[last / PAGE]; /* both only ever grow */
    if (flash && block->address == address && block->size == size &&
        block->generation == generation && block->count)
        return block;
    block->address = address;
    block->generation = generation;
    block->size = (uint16_t)size;
    block->count = 0;
    block->flags = 0;
    for (uint32_t at = address; at < address + size; at += core_length(c, at)) {
        block->count++;
        block->flags |= (uint16_t)core_flags(c, at);
    }
    core_mark_code(c, address, size);
    return block;
}
