/* Shared by core.c (clock, accesses, run loop) and exceptions.c. Python's view of it is core.py. */
#ifndef HIL_CORE_H
#define HIL_CORE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum {
    TICKS_PER_INSTRUCTION =
        12,               /* 1.5 CPU cycles: Cortex-M4 with flash wait states, measured mean */
    ENTRY_TICKS = 12 * 8, /* Cortex-M4 TRM 3.9: 12 cycles to the first handler instruction */
    EXIT_TICKS = 10 * 8,
    NVM_WRITE_TICKS = 41 * 512, /* nRF52840 PS, NVMC electrical specification: t_WRITE 41 us */

    FLASH_SIZE = 0x100000,
    FLASH_PAGE = 0x1000,
    RAM_BASE = 0x20000000,
    CODE_RAM_BASE = 0x00800000,
    RAM_SIZE = 0x40000,
    UICR_BASE = 0x10001000,
    UICR_SIZE = 0x1000,

    EXCEPTIONS = 64, /* 16 of the architecture and 48 interrupts */
    MAX_BREAKPOINTS = 16,
    MAX_WATCHPOINTS = 4,

    KEPT = 64, /* entries of the cache of register values, a power of 2 */
    LATCH_NVMC_CONFIG = 0,
    LATCHES = 2,
    NVMC_CONFIG_WEN = 1,
};

enum {
    NMI = 2,
    HARD_FAULT,
    MEM_MANAGE,
    BUS_FAULT,
    USAGE_FAULT,
    SVCALL = 11,
    DEBUG_MONITOR,
    PENDSV = 14,
    SYSTICK
};
enum { FAULT_NONE, FAULT_BUS_READ, FAULT_BUS_WRITE, FAULT_MEM_READ, FAULT_MEM_WRITE };
enum { CORE_LIMIT, CORE_SLEEP, CORE_REQUEST, CORE_HALT, CORE_LOCKUP, CORE_ERROR };
enum { HALT_NONE, HALT_REQUEST, HALT_BREAKPOINT, HALT_WATCHPOINT, HALT_STEP, HALT_CATCH };
enum { SLEEP_NONE, SLEEP_INTERRUPT, SLEEP_EVENT };
enum { NVM_NORMAL, NVM_IGNORE, NVM_HANG };
enum { WATCH_READ = 1, WATCH_WRITE = 2 };
enum { HINT_YIELD = 1, HINT_WFE, HINT_WFI, HINT_SEV };

/* CFSR (B3.2.15), HFSR, CCR and SCR bits that are used here. */
enum {
    MMFSR_IACCVIOL = 1 << 0,
    MMFSR_DACCVIOL = 1 << 1,
    MMFSR_MMARVALID = 1 << 7,
    BFSR_IBUSERR = 1 << 8,
    BFSR_PRECISERR = 1 << 9,
    BFSR_UNSTKERR = 1 << 11,
    BFSR_STKERR = 1 << 12,
    BFSR_BFARVALID = 1 << 15,
    UFSR_UNDEFINSTR = 1 << 16,
    UFSR_INVSTATE = 1 << 17,
    UFSR_INVPC = 1 << 18,
    UFSR_NOCP = 1 << 19,
    UFSR_UNALIGNED = 1 << 24,
    HFSR_VECTTBL = 1 << 1,
    HFSR_FORCED = 1 << 30,
    CCR_NONBASETHRDENA = 1 << 0,
    CCR_BFHFNMIGN = 1 << 8,
    SCR_SLEEPONEXIT = 1 << 1,
    SCR_SEVONPEND = 1 << 4,
};
#define HFSR_DEBUGEVT (1u << 31)
#define FPCCR_ASPEN (1u << 31)

/* Numbers of Unicorn 2.1 (unicorn/arm.h, unicorn/unicorn.h): the header is not there at build time.
 */
enum {
    REG_EPSR = 121,
    REG_FPSCR = 6,
    REG_LR = 10,
    REG_PC = 11,
    REG_SP = 12,
    REG_R0 = 66,
    REG_R12 = 78,
    REG_S0 = 79,
    REG_IPSR = 114,
    REG_MSP = 115,
    REG_PSP = 116,
    REG_CONTROL = 117,
    REG_XPSR = 120,
    REG_PRIMASK = 123,
    REG_BASEPRI = 124,
    REG_FAULTMASK = 126,
    REG_XPSR_NZCVQG = 138,

    ENGINE_FETCH_UNMAPPED = 8,
    ENGINE_INVALID_INSTRUCTION = 10,
    ENGINE_FETCH_PROTECTED = 14,
    ENGINE_EXCEPTION = 21,
    ENGINE_REMOVE_CACHE = 9 | 2 << 26 | 1 << 30,

    ACCESS_WRITE = 17,
    ACCESS_READ_UNMAPPED = 19,
    ACCESS_WRITE_UNMAPPED = 20,
    ACCESS_WRITE_PROTECTED = 22,
    ACCESS_READ_PROTECTED = 23,
};

struct core_watchpoint {
    uint32_t address, length, kind;
};

/* A register whose stores may be taken here, while Python says that nothing else follows from them.
 */
struct core_latch {
    uint32_t address, mask, value, direct;
};

/* A register's value, good as long as Python has not run since: neither a model nor an event. */
struct core_kept {
    uint64_t generation;
    uint32_t address, value;
};

struct core {
    /* Time, in ticks. While an instruction executes, `ticks` is already its end. */
    uint64_t ticks, limit, hard, stall;
    /* Exceptions, one bit for each number. */
    uint64_t pending, enabled, active, lines, catch_mask;
    uint64_t nvm_operations, nvm_stop_at, nvm_start, nvm_end;
    uint64_t write_protect[4]; /* one bit for each flash page */
    uint64_t slices, late, taken, generation;

    void *engine;
    int (*reg_read)(void *, int, void *);
    int (*reg_write)(void *, int, const void *);
    int (*start)(void *, uint64_t, uint64_t, uint64_t, uint64_t);
    int (*stop)(void *);
    int (*control)(void *, uint32_t, ...);
    uint32_t (*bus_read)(uint32_t, uint32_t);
    void (*bus_write)(uint32_t, uint32_t, uint32_t);
    void (*on_nvm_stop)(void);
    uint8_t *flash, *ram, *uicr;
    struct core_latch *latch[LATCHES];

    uint32_t pc, thumb, address, before_asked;
    uint32_t inside, stopped, attention, request, engine_exception, engine_error;
    uint32_t sleeping, slept, event, lockup, hung, off, quiet;
    uint32_t poll, mask_touched;
    uint32_t fault, fault_address, fault_pc, saved[16];
    uint32_t vtor, group_mask, ccr, scr, cfsr, hfsr, mmfar, bfar, fpccr, fpcar;
    uint32_t nvm_write_enable, nvm_mode, nvm_address, nvm_old, nvm_new;
    uint32_t halt, step, stepped, debug_enabled, mask_interrupts, watch_hit, watched;
    uint32_t keep; /* set by bus_read: the value holds until Python runs again */
    uint32_t breakpoints, breakpoint[MAX_BREAKPOINTS];
    uint32_t watchpoints;
    struct core_watchpoint watchpoint[MAX_WATCHPOINTS];
    int32_t priority[EXCEPTIONS];
    struct core_kept kept[KEPT];
};

struct core_region {
    struct core *core;
    uint32_t base;
};

uint32_t core_get(struct core *c, int reg);
void core_set(struct core *c, int reg, uint32_t value);
uint8_t *core_memory(struct core *c, uint32_t address, uint32_t length);
bool core_is_wide(struct core *c, uint32_t address);

/* exceptions.c */
void core_dispatch(struct core *c);
void core_leave(struct core *c, uint32_t exc_return);
bool core_would_preempt(struct core *c);
bool core_wakes(struct core *c);
void core_take_data_fault(struct core *c);
void core_fetch_fault(struct core *c, bool never_execute);
void core_usage_fault(struct core *c, uint32_t bits);
void core_invalid_state(struct core *c);
void core_supervisor_call(struct core *c);
void core_breakpoint(struct core *c);

#endif
