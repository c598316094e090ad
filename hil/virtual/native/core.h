/* What the files of the stepping core share: `struct core`, and who calls whom. Python's view of it
 * is core.py.
 *
 *   thumb.c       what an instruction is, by its code; how many there are in a block
 *   clock.c       counts instructions, and stops in front of the one that must wait
 *   access.c      what a load or store does outside plain memory: bus, flash, protected pages
 *   mpu.c         the memory protection unit
 *   exceptions.c  which exception is taken; entry and return; faults
 *   float.c       the floating-point state, saved when it is needed
 *   core.c        the two engines, and the run loop
 */
#ifndef HIL_CORE_H
#define HIL_CORE_H

#include <stdbool.h>
#include <stddef.h>
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
    TAIL_CHAIN_TICKS = 6 * 8,   /* from one handler to the next */
    NVM_WRITE_TICKS = 41 * 512, /* nRF52840 PS, NVMC electrical specification: t_WRITE 41 us */

    FLASH_SIZE = 0x100000,
    FLASH_PAGE = 0x1000,
    RAM_BASE = 0x20000000,
    CODE_RAM_BASE = 0x00800000,
    RAM_SIZE = 0x40000,
    QSPI_WINDOW = 0x12000000,
    QSPI_WINDOW_SIZE = 0x8000000,
    UICR_BASE = 0x10001000,
    UICR_SIZE = 0x1000,

    EXCEPTIONS = 64, /* 16 of the architecture and 48 interrupts */
    MAX_BREAKPOINTS = 16,
    MAX_WATCHPOINTS = 4,
    MPU_REGIONS = 8,
    PAGE = 1024,       /* the engine's page: memory is protected by these */
    BLOCKS = 4096,     /* entries of the table of counted blocks, a power of 2 */
    MAX_ACCESSES = 36, /* of one instruction: 32 words of a VLDM, and what an unaligned one adds */

    KEPT = 64, /* entries of the cache of register values, a power of 2 */
    LATCH_NVMC_CONFIG = 0,
    LATCHES = 2,
    NVMC_CONFIG_WEN = 1,
    NVM_WRITES_BETWEEN_ERASES = 2, /* nRF52840 PS, NVMC electrical specification: nWRITE */
};

/* What a block of instructions holds that the core has to do something about. */
enum {
    HAS_FLOAT = 1 << 0,
    HAS_SEND_EVENT = 1 << 1,
    HAS_DIVIDE = 1 << 2,
    HAS_EXCLUSIVE = 1 << 3,
    HAS_MODE_CHANGE = 1 << 4, /* MSR to CONTROL or FAULTMASK, CPS f: who may access what */
    HAS_MASK_CHANGE = 1 << 5, /* CPS or MSR: whether an exception is held back */
    HAS_SYSTEM = 1 << 6,      /* anything whose effect depends on more than R0 to R15 and flags */
    HAS_IF_THEN = 1 << 7,
    HAS_UNPRIVILEGED = 1 << 8, /* LDRT and STRT, which access as unprivileged code does */
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
enum {
    FAULT_NONE,
    FAULT_BUS_READ,
    FAULT_BUS_WRITE,
    FAULT_MEM_READ,
    FAULT_MEM_WRITE,
    FAULT_UNALIGNED,
    FAULT_DIVIDE,
    FAULT_NO_FLOAT
};
enum { MAY_READ = 1, MAY_WRITE = 2, MAY_EXECUTE = 4, MAY_ALL = 7 };
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
    MMFSR_MUNSTKERR = 1 << 3,
    MMFSR_MSTKERR = 1 << 4,
    MMFSR_MLSPERR = 1 << 5,
    MMFSR_MMARVALID = 1 << 7,
    BFSR_IBUSERR = 1 << 8,
    BFSR_PRECISERR = 1 << 9,
    BFSR_UNSTKERR = 1 << 11,
    BFSR_STKERR = 1 << 12,
    BFSR_LSPERR = 1 << 13,
    BFSR_BFARVALID = 1 << 15,
    UFSR_UNDEFINSTR = 1 << 16,
    UFSR_INVSTATE = 1 << 17,
    UFSR_INVPC = 1 << 18,
    UFSR_NOCP = 1 << 19,
    UFSR_UNALIGNED = 1 << 24,
    UFSR_DIVBYZERO = 1 << 25,
    HFSR_VECTTBL = 1 << 1,
    HFSR_FORCED = 1 << 30,
    CCR_NONBASETHRDENA = 1 << 0,
    CCR_USERSETMPEND = 1 << 1,
    CCR_UNALIGN_TRP = 1 << 3,
    CCR_DIV_0_TRP = 1 << 4,
    CCR_BFHFNMIGN = 1 << 8,
    CCR_STKALIGN = 1 << 9,
    SCR_SLEEPONEXIT = 1 << 1,
    SCR_SEVONPEND = 1 << 4,
};
#define HFSR_DEBUGEVT (1u << 31)
/* CONTROL.FPCA, and the bit that TrustZone calls SFPA: the engine always runs in its secure state,
 * and takes FPCA alone for a floating-point context that is not the program's own: it clears FPSCR.
 */
#define FP_CONTEXT (1u << 2 | 1u << 3)

#define XPSR_IF_THEN 0x0600FC00u

/* FPCCR (B3.2.21). */
#define FPCCR_ASPEN (1u << 31)
#define FPCCR_LSPEN (1u << 30)
enum {
    FPCCR_LSPACT = 1 << 0,
    FPCCR_USER = 1 << 1,
    FPCCR_THREAD = 1 << 3,
    FPCCR_HFRDY = 1 << 4,
    FPCCR_MMRDY = 1 << 5,
    FPCCR_BFRDY = 1 << 6,
    FPCCR_MONRDY = 1 << 8,
};
/* MPU_CTRL (B3.5.5). */
enum { MPU_ENABLE = 1, MPU_HFNMIENA = 2, MPU_PRIVDEFENA = 4 };

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

    ENGINE_READ_UNMAPPED = 6,
    ENGINE_WRITE_UNMAPPED = 7,
    ENGINE_FETCH_UNMAPPED = 8,
    ENGINE_INVALID_INSTRUCTION = 10,
    ENGINE_WRITE_PROTECTED = 12,
    ENGINE_READ_PROTECTED = 13,
    ENGINE_FETCH_PROTECTED = 14,
    ENGINE_EXCEPTION = 21,
    ENGINE_FORGET_PAGES = 11 | 1 << 30,
    ENGINE_REMOVE_CACHE = 9 | 2 << 26 | 1 << 30,

    PROT_READ = 1,
    PROT_WRITE = 2,
    PROT_EXEC = 4,
    HOOK_REFUSED = 0x3F0, /* every kind of access that the engine does not make by itself */
    REG_D0 = 14,

    ACCESS_READ = 16,
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

struct core;
struct core_region {
    struct core *core;
    uint32_t base;
};

/* A block of instructions as the engine translates it, counted once. */
struct core_block {
    uint32_t address, generation;
    uint16_t size, count, flags, unused;
};

/* One of the two engines: the first runs whole blocks, the second single instructions. */
enum { BLOCKWISE, STEPWISE, ENGINES };

struct core {
    /* Time, in ticks. While an instruction executes, `ticks` is already its end. */
    uint64_t ticks, limit, hard, stall;
    /* Exceptions, one bit for each number. */
    uint64_t pending, enabled, active, lines, catch_mask;
    uint64_t nvm_operations, nvm_stop_at, nvm_start, nvm_end;
    uint64_t write_protect[4], read_protect[4]; /* one bit for each flash page */
    uint64_t read_watch[4], read_seen[4];       /* pages whose reads are noted, and those read */
    uint64_t whole; /* what the latest read from the bus gave, from `whole_at` on */
    uint64_t slices, taken, generation, instructions, instructions_stepped;

    void *engine;  /* the one that holds the registers now */
    void *special; /* the one that holds masks, CONTROL and floating-point registers */
    void *engines[ENGINES];
    int (*reg_read)(void *, int, void *);
    int (*reg_write)(void *, int, const void *);
    int (*read_batch)(void *, const int *, void **, int);
    int (*write_batch)(void *, const int *, void *const *, int);
    int (*start)(void *, uint64_t, uint64_t, uint64_t, uint64_t);
    int (*stop)(void *);
    int (*control)(void *, uint32_t, ...);
    int (*protect)(void *, uint64_t, uint64_t, uint32_t);
    int (*unmap)(void *, uint64_t, uint64_t);
    int (*map_memory)(void *, uint64_t, uint64_t, uint32_t, void *);
    int (*add_hook)(void *, size_t *, int, void *, void *, uint64_t, uint64_t, ...);
    int (*delete_hook)(void *, size_t);
    int (*map_bus)(void *, uint64_t, uint64_t, void *, void *, void *, void *);
    uint32_t (*bus_read)(uint32_t, uint32_t);
    void (*bus_write)(uint32_t, uint32_t, uint32_t);
    void (*on_nvm_stop)(void);
    void (*on_nvm_excess)(uint32_t);
    void (*on_first_read)(uint32_t);
    uint32_t (*on_call)(uint32_t);
    uint8_t *nvm_writes; /* how often each word was written since its erase: flash, then UICR */
    uint8_t *flash, *ram, *uicr;
    struct core_latch *latch[LATCHES];
    struct core_tables *tables;

    uint32_t pc, thumb, address;
    uint32_t inside, stopped, attention, request, engine_exception, engine_error;
    uint32_t sleeping, slept, event, lockup, hung, off, quiet;
    uint32_t poll, mask_touched;
    /* The block in progress: `counted` of its `block_count` instructions are in `ticks`. */
    uint32_t block, block_size, block_count, counted, traps;
    /* Single instructions from here up to there, and the rest of an IT block in them. */
    uint32_t exact, exact_from, exact_to, then_next, then_left, then_state, then_now;
    /* What the accesses of this instruction gave, for when it is begun again; `replay` is the next.
     */
    uint32_t accesses, access[MAX_ACCESSES], access_at[MAX_ACCESSES], replay, replay_end, abandoned,
        bus_value, whole_at;
    uint32_t fault, fault_address, fault_pc, saved[16], undo, undo_size, forget_pages;
    /* The latest entry of a fault handler, for who watches: what was pushed, and the state at it.
     */
    uint32_t faults, fault_exception, fault_frame, fault_return;
    uint32_t vtor, group_mask, ccr, scr, cfsr, hfsr, mmfar, bfar, fpccr, fpcar, fpdscr, cpacr;
    uint32_t mpu_control, mpu_base[MPU_REGIONS], mpu_size[MPU_REGIONS], mpu_view, pages_changed;
    uint32_t nvm_write_enable, nvm_mode, nvm_address, nvm_old, nvm_new, nvm_next, nvm_asked;
    uint32_t call_hooks; /* how many breakpoint instructions stand for calls that Python takes */
    uint32_t reached;    /* a watched page was to be executed: the core hangs in front of it */
    uint32_t halt, step, stepped, debug_enabled, mask_interrupts, watch_hit, watched;
    uint32_t keep; /* set by bus_read: the value holds until Python runs again */
    uint32_t breakpoints, breakpoint[MAX_BREAKPOINTS];
    uint32_t watchpoints;
    struct core_watchpoint watchpoint[MAX_WATCHPOINTS];
    int32_t priority[EXCEPTIONS];
    struct core_kept kept[KEPT];
};

/* How the MPU looks at what executes: not at all, as privileged, or as other code. */
enum { VIEW_OFF, VIEW_PRIVILEGED, VIEW_USER, VIEWS };

/* What only makes things fast, or mirrors what the engines have been told: not part of a saved
 * state. */
enum {
    FLASH_PAGES = FLASH_SIZE / PAGE,
    RAM_PAGES = RAM_SIZE / PAGE,
    PAGES = FLASH_PAGES + 2 * RAM_PAGES
};
struct core_tables {
    struct core_block block[BLOCKS];
    uint32_t generation[FLASH_PAGES]; /* of the code in the page */
    uint8_t code[PAGES];              /* an engine holds translated code of the page */
    uint8_t changed[PAGES];           /* its rights are to be looked at again */
    uint8_t view[VIEWS][PAGES];       /* what it has in each view, as the MPU is set */
    uint8_t rights[ENGINES][PAGES];   /* what the engine lets through without asking */
    size_t hook[ENGINES][RAM_PAGES], hook_all[ENGINES]; /* by which an engine asks about RAM */
};

/* thumb.c */
const uint8_t *core_code(const struct core *c, uint32_t address, uint32_t length);
uint32_t core_halfword(const struct core *c, uint32_t address);
bool core_is_wide(const struct core *c, uint32_t address);
bool core_loads_own_base(const struct core *c, uint32_t address);
bool core_is_hint(const struct core *c, uint32_t address, uint32_t hint);
uint32_t core_length(const struct core *c, uint32_t address);
uint32_t core_flags(const struct core *c, uint32_t address);
uint32_t core_count(const struct core *c, uint32_t from, uint32_t to);
const struct core_block *core_block(struct core *c, uint32_t address, uint32_t size);
uint32_t core_then_length(const struct core *c, uint32_t address);

/* clock.c */
void core_synchronise(struct core *c);
void core_settle(struct core *c);
void core_begin_exact(struct core *c, uint32_t from, uint32_t to);

/* access.c */
uint64_t core_on_bus_read(void *engine, uint64_t offset, uint32_t size, void *user);
bool core_on_bad_access(void *engine, int type, uint64_t address, int size, int64_t value,
                        void *user);
void core_on_bus_write(void *engine, uint64_t offset, uint32_t size, uint64_t value, void *user);
void core_save_registers(struct core *c);
void core_restore_registers(struct core *c);
void core_fault(struct core *c, uint32_t address, uint32_t kind);

/* mpu.c */
uint32_t core_rights(const struct core *c, uint32_t view, uint32_t address);
uint32_t core_view(struct core *c);
void core_apply_rights(struct core *c, bool all);
void core_mark_code(struct core *c, uint32_t address, uint32_t length);
int core_page(uint32_t address);
bool core_open_code(struct core *c, uint32_t address);

/* exceptions.c */
void core_dispatch(struct core *c);
void core_leave(struct core *c, uint32_t exc_return);
bool core_would_preempt(struct core *c);
bool core_wakes(struct core *c);
bool core_privileged(struct core *c);
bool core_negative_priority(struct core *c);
void core_take_data_fault(struct core *c);
void core_fetch_fault(struct core *c, bool never_execute);
void core_usage_fault(struct core *c, uint32_t bits);
void core_invalid_state(struct core *c);
void core_supervisor_call(struct core *c);
void core_breakpoint(struct core *c);

/* float.c */
bool core_float_enabled(struct core *c);
bool core_preserve_float(struct core *c);
bool core_begin_float(struct core *c);

/* core.c */
uint32_t core_get(struct core *c, int reg);
uint32_t core_get_special(struct core *c, int reg);
void core_set(struct core *c, int reg, uint32_t value);
uint8_t *core_memory(const struct core *c, uint32_t address, uint32_t length);
void core_flush(struct core *c, uint64_t begin, uint64_t end);
void core_pend(struct core *c, uint32_t n);

#endif
