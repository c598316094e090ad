/* Start-up, the trace, and the one entry of all exceptions. */
#include "support.h"

#define TRACE ((volatile uint32_t *)0x20008000)
#define TRACE_LIMIT 0xC000u
#define PROGRESS R(0x2003F000)
#define END_CALL 0xF0

typedef void (*run)(void);
extern const run cases[];

handler handlers[64];
uint32_t seed;
uint32_t area[2048] __attribute__((aligned(8192)));
uint32_t process_stack[256] __attribute__((aligned(1024)));
volatile uint32_t terse, frameless;

void trace(uint32_t value) {
    uint32_t at = PROGRESS;
    if (at < TRACE_LIMIT)
        TRACE[at] = value;
    PROGRESS = at + 1;
    if (at == TRACE_LIMIT) /* something runs for ever */
        finish();
}

void finish(void) {
    R(0x2003F004) = 0x600D600D;
    uint32_t control, exception;
    ASM("mrs %0, control\n mrs %1, ipsr" : "=r"(control), "=r"(exception));
    if ((control & 1) && !exception)
        ASM("svc %0" ::"i"(END_CALL));
    AIRCR = 0x05FA0004;
    ASM("dsb");
    for (;;)
        ;
}

uint32_t random_word(void) { /* xorshift */
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static uint32_t length_at(uint32_t address) {
    return *(volatile uint16_t *)address >> 11 >= 0x1D ? 4 : 2;
}

__attribute__((used)) void on_exception(uint32_t *frame, uint32_t exc_return) {
    uint32_t n;
    ASM("mrs %0, ipsr" : "=r"(n));
    if (n == SVCALL && !frameless && R8(frame[6] - 2) == END_CALL)
        finish();
    if (terse < 2)
        trace(0xE0000000u | n);
    if (!terse) {
        uint32_t status = CFSR;
        trace(exc_return);
        trace((uint32_t)frame);
        trace(ICSR);
        trace(SHCSR);
        trace(NVIC_IABR);
        trace(NVIC_ISPR);
        trace(status);
        trace(HFSR);
        uint32_t addresses[2] = {MMFAR,
                                 BFAR}; /* which count only while they are said to be valid */
        trace(addresses[0] & -(status >> 7 & 1));
        trace(addresses[1] & -(status >> 15 & 1));
        for (uint32_t i = 0; i < 8 && !frameless; i++)
            trace(frame[i]);
    }
    if (!handlers[n]) {
        trace(0xBAD00000u | n);
        finish();
    }
    handlers[n](frame);
    if (!terse) {
        trace(0xEE000000u | n);
        trace(ICSR);
        trace(SHCSR);
    }
}

__attribute__((naked)) void exception_entry(void) {
    ASM("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n mov r1, lr\n push {r4, lr}\n"
        "bl on_exception\n pop {r4, pc}\n");
}

void nothing(uint32_t *frame) {
    (void)frame;
}

void skip(uint32_t *frame) {
    frame[6] += length_at(frame[6]);
    frame[7] &= ~0x0600FC00u;
}

void skip_and_clear(uint32_t *frame) {
    skip(frame);
    CFSR = CFSR;
    HFSR = HFSR;
}

void clear(uint32_t *frame) {
    (void)frame;
    CFSR = CFSR;
    HFSR = HFSR;
}

void leave_to_lr(uint32_t *frame) {
    frame[6] = frame[5] & ~1u;
    frame[7] = (frame[7] & ~0x0600FC00u) | 1u << 24;
}

__attribute__((naked)) uint32_t load_word(uint32_t address) {
    ASM("mov r1, r0\n movs r0, #77\n ldr r0, [r1]\n bx lr\n");
}

__attribute__((naked)) uint32_t load_half(uint32_t address) {
    ASM("mov r1, r0\n movs r0, #77\n ldrh r0, [r1]\n bx lr\n");
}

__attribute__((naked)) uint32_t load_byte(uint32_t address) {
    ASM("mov r1, r0\n movs r0, #77\n ldrb r0, [r1]\n bx lr\n");
}

__attribute__((naked)) void store_word(uint32_t address, uint32_t value) {
    ASM("str r1, [r0]\n bx lr\n");
}

__attribute__((naked)) void store_half(uint32_t address, uint32_t value) {
    ASM("strh r1, [r0]\n bx lr\n");
}

/* The handler must come back by LR. */
__attribute__((naked)) void call(uint32_t address) {
    ASM("push {r4, lr}\n blx r0\n pop {r4, pc}\n");
}

/* Thread mode goes on with the stack it has, under another name; MSP moves out of its way. */
__attribute__((naked)) void use_process_stack(void) {
    ASM("mrs r0, msp\n msr psp, r0\n ldr r1, =0x20006000\n movs r2, #2\n msr control, r2\n isb\n"
        "msr msp, r1\n bx lr\n");
}

void become_unprivileged(void) {
    uint32_t control;
    ASM("mrs %0, control\n orr %0, %0, #1\n msr control, %0\n isb" : "=&r"(control));
}

__attribute__((used)) void start(void) {
    for (uint32_t at = 0x20000000; at < 0x20007000; at += 4)
        R(at) = 0;
    for (uint32_t at = 0x20008000; at < 0x20040000; at += 4)
        R(at) = 0;
    seed = R(0x104);
    cases[R(0x100)]();
    trace(0xD0);
    finish();
}

__attribute__((naked, used)) void Reset_Handler(void) {
    ASM("movs r0, #0\n movs r1, #0\n movs r2, #0\n movs r3, #0\n movs r4, #0\n movs r5, #0\n"
        "movs r6, #0\n movs r7, #0\n mov r8, r0\n mov r9, r0\n mov r10, r0\n mov r11, r0\n"
        "mov r12, r0\n msr apsr_nzcvqg, r0\n msr psp, r0\n b start\n");
}

#define FOUR exception_entry, exception_entry, exception_entry, exception_entry
#define SIXTEEN FOUR, FOUR, FOUR, FOUR
__attribute__((section(".vectors"), used)) const struct {
    uint32_t stack;
    run vectors[63];
    uint32_t selected, seed;
} table = {
    0x20007F00,
    {Reset_Handler, exception_entry, exception_entry, FOUR, FOUR, FOUR, SIXTEEN, SIXTEEN, SIXTEEN},
    0,
    1,
};
