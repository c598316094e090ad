/* Privilege, stacks, sleep and events (B1.3, B1.4, B1.5.17-18). */
#include "support.h"

static uint32_t control(void) {
    uint32_t value;
    ASM("mrs %0, control" : "=r"(value));
    return value;
}

CASE(unprivileged_writes_are_ignored) {
    uint32_t value;
    become_unprivileged();
    trace(control());
    ASM("movs r0, #1\n msr primask, r0\n mrs %0, primask" : "=r"(value)::"r0");
    trace(value);
    ASM("movs r0, #0x40\n msr basepri, r0\n mrs %0, basepri" : "=r"(value)::"r0");
    trace(value);
    ASM("cpsid i\n cpsid f\n mrs %0, faultmask" : "=r"(value)::"r0");
    trace(value);
    ASM("movs r0, #0\n msr control, r0\n isb" :: : "r0");
    trace(control());
    ASM("ldr r0, =0x20005000\n msr psp, r0\n mrs %0, psp" : "=r"(value)::"r0");
    trace(value);
    ASM("mrs %0, xpsr" : "=r"(value));
    trace(value);
    ASM("mov r0, #0xF8000000\n msr apsr_nzcvq, r0\n mrs %0, apsr" : "=r"(value)::"r0", "cc");
    trace(value);
}

static void give_privilege(uint32_t *frame) {
    (void)frame;
    trace(control());
    ASM("mrs r0, control\n bic r0, #1\n msr control, r0\n isb" :: : "r0");
}

CASE(a_call_gives_privilege_back) {
    handlers[SVCALL] = give_privilege;
    become_unprivileged();
    trace(control());
    ASM("svc 1");
    trace(control());
    trace(CCR);
}

static void choose_process_stack(uint32_t *frame) {
    (void)frame;
    ASM("mrs r0, control\n orr r0, #2\n msr control, r0\n isb" :: : "r0");
    trace(control()); /* SPSEL is not written in handler mode */
}

CASE(handlers_keep_the_main_stack) {
    handlers[SVCALL] = choose_process_stack;
    ASM("svc 1");
    trace(control());
    use_process_stack();
    trace(control());
    ASM("svc 2");
    trace(control());
}

CASE(both_stack_pointers) {
    uint32_t main_stack, process, now;
    ASM("ldr r0, =0x20005ABC\n msr psp, r0" :: : "r0");
    ASM("mrs %0, msp\n mrs %1, psp\n mov %2, sp" : "=r"(main_stack), "=r"(process), "=r"(now));
    trace(main_stack - now);
    trace(process);
}

static uint32_t *last_frame;
static void note(uint32_t *frame) {
    last_frame = frame;
}

CASE(stack_pointers_are_multiples_of_four) {
    uint32_t value;
    ASM("ldr r0, =0x20005ABF\n msr psp, r0\n mrs %0, psp" : "=r"(value)::"r0");
    trace(value);
    ASM("mrs r1, msp\n orr r0, r1, #3\n msr msp, r0\n mrs %0, msp\n msr msp, r1\n sub %0, %0, r1" : "=&r"(
            value)::"r0",
        "r1");
    trace(value);
}

#define ALIGNMENT(name, ccr, words)                                                                \
    CASE(name) {                                                                                   \
        uint32_t before, after;                                                                    \
        handlers[SVCALL] = note;                                                                   \
        CCR = (ccr);                                                                               \
        BARRIER();                                                                                 \
        ASM("sub sp, %2\n mov %0, sp\n svc 1\n mov %1, sp\n add sp, %2" : "=&r"(before),           \
            "=&r"(after) : "i"(4 * (words)) : "memory");                                           \
        trace(before - (uint32_t)last_frame);                                                      \
        trace(after - before);                                                                     \
        trace(last_frame[7]);                                                                      \
    }

ALIGNMENT(frame_of_an_aligned_stack, 0x200, 2)
ALIGNMENT(frame_of_an_odd_stack, 0x200, 3)
ALIGNMENT(frame_without_stkalign_of_an_odd_stack, 0, 3)
ALIGNMENT(frame_without_stkalign_of_an_aligned_stack, 0, 2)

/* NONBASETHRDENA: a nested handler may return to thread mode. */
static uint32_t thread_frame[8] __attribute__((aligned(8)));

__attribute__((used)) static void in_thread_mode(void) {
    uint32_t ipsr;
    ASM("mrs %0, ipsr" : "=r"(ipsr));
    trace(ipsr);
    trace(ICSR);
    trace(SHCSR);
    trace(control());
    finish();
}

static void return_to_thread(uint32_t *frame) {
    (void)frame;
    trace(ICSR);
    thread_frame[6] = (uint32_t)in_thread_mode & ~1u;
    thread_frame[7] = 1u << 24;
    ASM("msr psp, %0\n mvn r0, #2\n bx r0" ::"r"(thread_frame) : "r0");
}

static void pend_it(uint32_t *frame) {
    (void)frame;
    COMMIT(ICSR = PENDSVSET);
}

static void nested_return(uint32_t ccr) {
    handlers[USAGE_FAULT] = 0;
    SHCSR = FAULTS_ENABLED;
    CCR = ccr;
    handlers[SVCALL] = pend_it;
    handlers[PENDSV] = return_to_thread;
    SHPR(SVCALL) = 0x80;
    SHPR(PENDSV) = 0x40;
    ASM("svc 1");
}

CASE(thread_mode_below_active_handlers) {
    nested_return(0x201);
}
CASE(no_thread_mode_below_active_handlers) {
    nested_return(0x200);
}

/* ---- sleep and events ---------------------------------------------------------------------- */

CASE(an_event_ends_the_wait_at_once) {
    ASM("sev\n wfe");
    trace(1);
}

CASE(an_event_by_the_wide_instruction) {
    ASM("sev.w\n wfe.w");
    trace(2);
}

CASE(an_exception_is_an_event) {
    handlers[SVCALL] = nothing;
    ASM("svc 1\n wfe");
    trace(1);
}

CASE(sevonpend_wakes_for_a_disabled_interrupt) {
    SCR = 1u << 4;
    ASM("sev\n wfe");
    NVIC_ISPR = 1;
    ASM("wfe");
    trace(1);
    NVIC_ICPR = 1;
    NVIC_ISPR = 1;
    ASM("wfe");
    trace(NVIC_ISPR);
}

CASE(wfi_does_not_wait_for_what_is_pending) {
    handlers[IRQ0] = nothing;
    NVIC_ISER = 1;
    ASM("cpsid i");
    NVIC_ISPR = 1;
    ASM("wfi");
    trace(NVIC_ISPR);
    ASM("cpsie i");
    BARRIER();
    trace(NVIC_ISPR);
}

CASE(wfi_sleeps_until_systick) {
    handlers[SYSTICK] = nothing;
    SYST_RVR = 20000;
    SYST_CVR = 0;
    SYST_CSR = 7;
    terse = 1;
    ASM("wfi");
    SYST_CSR = 0;
    trace(1);
}

static void sleep_again_twice(uint32_t *frame) {
    (void)frame;
    static uint32_t times;
    if (++times == 3) {
        SCR = 0;
        SYST_CSR = 0;
    }
    trace(times);
}

CASE(sleep_on_exit) {
    terse = 1;
    handlers[SYSTICK] = sleep_again_twice;
    SYST_RVR = 20000;
    SYST_CVR = 0;
    SCR = 2;
    SYST_CSR = 7;
    ASM("wfi");
    trace(100); /* only after the third */
}

/* ---- interrupts at any place ---------------------------------------------------------------- */

/* A checksum over IT blocks, loads and stores of many words, long multiplications, exclusive
 * accesses and accesses to the bus: interrupts in between must not show in it. */
static uint32_t checksum(uint32_t rounds) {
    uint32_t sum;
    ASM("mov r4, %1\n mov r5, %2\n movs r0, #1\n movw r6, #0xED08\n movt r6, #0xE000\n"
        "1: add r0, r0, r4, lsl #3\n cmp r0, #0\n"
        "itete mi\n addmi r0, #17\n eorpl r0, r0, r4\n rormi r0, r0, #3\n addpl r0, #5\n"
        "mvn r1, r0\n add r2, r0, r4\n mul r3, r0, r2\n stmia r5, {r0-r3}\n tst r0, #4\n"
        "ittte ne\n ldrne.w r8, [r6]\n addne r0, r8\n addne r0, #1\n addeq r0, #2\n"
        "ldmia r5, {r1, r2, r3, r8}\n smlal r1, r2, r3, r8\n eor r0, r2\n"
        "2: ldrex r1, [r5, #16]\n add r1, r0\n strex r2, r1, [r5, #16]\n cmp r2, #0\n bne 2b\n"
        "eor r0, r1\n ldrd r2, r3, [r5, #4]\n strd r3, r2, [r5, #8]\n sub r0, r3\n"
        "subs r4, #1\n bne 1b\n mov %0, r0" : "=r"(sum) : "r"(rounds),
        "r"(area) : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r8", "cc", "memory");
    return sum;
}

static volatile uint32_t ticks;

static void count_tick(uint32_t *frame) {
    (void)frame;
    ticks++;
    if (ticks & 1)
        ICSR = PENDSVSET;
}

CASE(interrupts_do_not_show_in_what_they_interrupt) {
    terse = 2;
    handlers[SYSTICK] = count_tick;
    handlers[PENDSV] = nothing;
    SHPR(PENDSV) = 0xE0;
    uint32_t expected = checksum(300);
    trace(expected);
    SYST_RVR = 1500 + seed * 7;
    SYST_CVR = 0;
    SYST_CSR = 7;
    while (ticks < 60) {
        area[4] = 0;
        uint32_t sum = checksum(300);
        if (sum != expected)
            trace(sum);
    }
    SYST_CSR = 0;
    trace(1);
}
