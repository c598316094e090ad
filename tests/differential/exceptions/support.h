/* What the exception cases are written with: registers, a trace, and handlers to hang in. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdint.h>

#define R(a) (*(volatile uint32_t *)(a))
#define R8(a) (*(volatile uint8_t *)(a))
#define ASM(...) __asm__ volatile(__VA_ARGS__)
#define BARRIER() ASM("dsb\n isb" :: : "memory")

/* A store that may make an exception pending, with nothing in doubt about where it is taken: behind
 * the instruction that lifts PRIMASK again. A machine may execute some more after the store. */
#define COMMIT(statement)                                                                          \
    do {                                                                                           \
        uint32_t mask_;                                                                            \
        ASM("mrs %0, primask\n cpsid i" : "=r"(mask_)::"memory");                                  \
        statement;                                                                                 \
        ASM("dsb\n msr primask, %0\n isb" ::"r"(mask_) : "memory");                                \
    } while (0)

#define ACTLR R(0xE000E008)
#define SYST_CSR R(0xE000E010)
#define SYST_RVR R(0xE000E014)
#define SYST_CVR R(0xE000E018)
#define NVIC_ISER R(0xE000E100)
#define NVIC_ICER R(0xE000E180)
#define NVIC_ISPR R(0xE000E200)
#define NVIC_ICPR R(0xE000E280)
#define NVIC_IABR R(0xE000E300)
#define NVIC_IPR(n) R8(0xE000E400 + (n))
#define ICSR R(0xE000ED04)
#define VTOR R(0xE000ED08)
#define AIRCR R(0xE000ED0C)
#define SCR R(0xE000ED10)
#define CCR R(0xE000ED14)
#define SHPR(n) R8(0xE000ED14 + (n)) /* of exception n, 4 to 15 */
#define SHCSR R(0xE000ED24)
#define CFSR R(0xE000ED28)
#define HFSR R(0xE000ED2C)
#define MMFAR R(0xE000ED34)
#define BFAR R(0xE000ED38)
#define CPACR R(0xE000ED88)
#define MPU_CTRL R(0xE000ED94)
#define MPU_RNR R(0xE000ED98)
#define MPU_RBAR R(0xE000ED9C)
#define MPU_RASR R(0xE000EDA0)
#define STIR R(0xE000EF00)
#define FPCCR R(0xE000EF34)
#define FPCAR R(0xE000EF38)
#define FPDSCR R(0xE000EF3C)

#define NOWHERE 0x60000000u
#define PENDSVSET (1u << 28)
#define PENDSVCLR (1u << 27)
#define PENDSTSET (1u << 26)
#define PENDSTCLR (1u << 25)
#define FAULTS_ENABLED 0x70000u

enum {
    NMI = 2,
    HARD_FAULT,
    MEM_MANAGE,
    BUS_FAULT,
    USAGE_FAULT,
    SVCALL = 11,
    DEBUG_MONITOR,
    PENDSV = 14,
    SYSTICK,
    IRQ0
};

/* r0-r3, r12, lr, pc, xpsr */
typedef void (*handler)(uint32_t *frame);
extern handler handlers[64];
extern uint32_t seed; /* set by who runs the program */
extern uint32_t area[2048];
extern uint32_t process_stack[256];
/* 1: only the number of the exception is traced, not the frame and the registers. 2: nothing is. */
extern volatile uint32_t terse;
/* With it set, the frame is not read: it may be where nothing is. */
extern volatile uint32_t frameless;

#define CASE(name)                                                                                 \
    void case_##name(void);                                                                        \
    void case_##name(void)

void trace(uint32_t value);
void finish(void);
void exception_entry(void);
void on_exception(uint32_t *frame, uint32_t exc_return);
uint32_t random_word(void);

/* Handlers that do nothing more than what every exception does, and what some more do. */
void nothing(uint32_t *frame);
void skip(uint32_t *frame);           /* go on behind the instruction */
void skip_and_clear(uint32_t *frame); /* and clear CFSR and HFSR */
void clear(uint32_t *frame);          /* no more than that, where the frame is past it already */
void leave_to_lr(uint32_t *frame);    /* return to where LR points, in Thumb state */

/* Accesses whose instruction is known. The loads give what the register holds afterwards: 77 if
 * nothing was loaded. */
uint32_t load_word(uint32_t address);
uint32_t load_half(uint32_t address);
uint32_t load_byte(uint32_t address);
void store_word(uint32_t address, uint32_t value);
void store_half(uint32_t address, uint32_t value);
void call(uint32_t address);

void use_process_stack(void);
void become_unprivileged(void);

#endif
