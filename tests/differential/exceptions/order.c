/* Which exception is taken when: priorities, groups, masks, pending and active state (B1.5). */
#include "support.h"

static volatile uint32_t counter;

static void set_group(uint32_t group) {
    AIRCR = 0x05FA0000u | group << 8;
}

static void enable(uint32_t irq, uint32_t priority, handler with) {
    handlers[IRQ0 + irq] = with;
    NVIC_IPR(irq) = (uint8_t)priority;
    NVIC_ISER = 1u << irq;
}

static void set_pending(uint32_t mask) {
    COMMIT(NVIC_ISPR = mask);
}

CASE(supervisor_call) {
    handlers[SVCALL] = nothing;
    ASM("movs r0, #1\n movs r1, #2\n movs r2, #3\n movs r3, #4\n mov r12, #5\n svc 7" :: : "r0",
        "r1", "r2", "r3", "r12");
    trace(1);
}

static void returns_in_r0(uint32_t *frame) {
    frame[0] = 0x1234;
    frame[7] ^= 0xF0000000;
}

CASE(supervisor_call_returns_a_value_and_flags) {
    uint32_t value, flags;
    handlers[SVCALL] = returns_in_r0;
    ASM("movs r0, #0\n svc 1\n mov %0, r0\n mrs %1, apsr" : "=&r"(value), "=r"(flags)::"r0");
    trace(value);
    trace(flags);
}

static void pend_pendsv(uint32_t *frame) {
    (void)frame;
    COMMIT(ICSR = PENDSVSET);
    trace(ICSR);
}

/* An access to the bus inside an IT block, and then another block of code. */
__attribute__((noinline)) static uint32_t read_in_it_block(uint32_t condition) {
    uint32_t sum;
    ASM("movw r3, #0xED08\n movt r3, #0xE000\n movs r1, #1\n cmp %1, #0\n ite ne\n ldrne.w r0, "
        "[r3]\n moveq r0, #9\n"
        "movs r2, #0\n b 1f\n nop\n 1: mov r1, #0x55\n mov r2, #0x66\n add %0, r1, r2" : "=r"(
            sum) : "r"(condition) : "r0",
        "r1", "r2", "r3", "cc");
    return sum;
}

CASE(a_bus_access_in_an_it_block) {
    for (uint32_t i = 0; i < 4; i++)
        trace(read_in_it_block(i & 1));
}

CASE(pendsv_is_chained_behind_a_call) {
    handlers[SVCALL] = pend_pendsv;
    handlers[PENDSV] = nothing;
    SHPR(PENDSV) = 0xE0;
    ASM("svc 1");
    trace(2);
}

CASE(pendsv_of_a_better_priority_preempts_a_call) {
    handlers[SVCALL] = pend_pendsv;
    handlers[PENDSV] = nothing;
    SHPR(SVCALL) = 0x80;
    SHPR(PENDSV) = 0x40;
    ASM("svc 1");
    trace(2);
}

static void pend_systick(uint32_t *frame) {
    (void)frame;
    COMMIT(ICSR = PENDSTSET);
    trace(ICSR);
    ICSR = PENDSTCLR;
    BARRIER();
    trace(ICSR);
    COMMIT(ICSR = PENDSTSET | PENDSVSET);
    trace(ICSR);
    ICSR = PENDSVCLR;
    BARRIER();
    trace(ICSR);
}

CASE(systick_and_pendsv_are_pended_and_taken_back) {
    handlers[SVCALL] = pend_systick;
    handlers[SYSTICK] = nothing;
    handlers[PENDSV] = nothing;
    SHPR(SYSTICK) = 0x20;
    SHPR(PENDSV) = 0x40;
    ASM("svc 1");
}

CASE(interrupts_come_in_the_order_of_their_priorities) {
    for (uint32_t i = 0; i < 8; i++)
        enable(i, (i * 3 & 7) << 5, nothing);
    ASM("cpsid i");
    set_pending(0xFF);
    trace(ICSR);
    trace(NVIC_ISPR);
    ASM("cpsie i");
    trace(NVIC_ISPR);
}

CASE(equal_priorities_come_by_number) {
    for (uint32_t i = 0; i < 32; i += 3)
        enable(i, 0x40, nothing);
    ASM("cpsid i");
    set_pending(0xFFFFFFFF);
    ASM("cpsie i");
    BARRIER();
    trace(NVIC_ISPR);
    NVIC_ICPR = 0xFFFFFFFF;
    trace(NVIC_ISPR);
}

static void pend_next(uint32_t *frame) {
    (void)frame;
    uint32_t n;
    ASM("mrs %0, ipsr" : "=r"(n));
    if (n < IRQ0 + 7)
        set_pending(1u << (n - IRQ0 + 1));
    trace(0x100 | n);
}

CASE(nesting_seven_deep) {
    for (uint32_t i = 0; i < 8; i++)
        enable(i, (7 - i) << 5, pend_next);
    set_pending(1);
    trace(1);
}

CASE(lower_and_equal_priorities_wait) {
    for (uint32_t i = 0; i < 8; i++)
        enable(i, (i / 2) << 5, pend_next);
    set_pending(1);
    trace(1);
}

static void pend_both(uint32_t *frame) {
    (void)frame;
    if (counter++ == 0)
        set_pending(0x6);
    trace(ICSR);
}

static void groups(uint32_t group) {
    set_group(group);
    trace(AIRCR);
    enable(0, 0xA0, pend_both);
    enable(1, 0x80, pend_both); /* of the same group as 0xA0 from PRIGROUP 5 on */
    enable(2, 0x60, pend_both);
    set_pending(1);
    counter = 0;
    NVIC_IPR(1) = 0xC0;
    NVIC_IPR(2) = 0xE0;
    set_pending(7);
    trace(1);
}

CASE(priority_group_4) {
    groups(4);
}
CASE(priority_group_5) {
    groups(5);
}
CASE(priority_group_6) {
    groups(6);
}
CASE(priority_group_7) {
    groups(7);
}

static void pend_self_once(uint32_t *frame) {
    (void)frame;
    if (counter++ < 3) {
        COMMIT(STIR = 5);
    }
    trace(NVIC_ISPR);
    trace(NVIC_IABR);
}

CASE(an_interrupt_that_pends_itself_comes_again) {
    enable(5, 0x40, pend_self_once);
    COMMIT(STIR = 5);
    trace(counter);
}

CASE(stir_from_unprivileged_code) {
    terse = 1;
    enable(5, 0x40, nothing);
    handlers[BUS_FAULT] = skip_and_clear;
    SHCSR = FAULTS_ENABLED;
    CCR |= 2; /* USERSETMPEND */
    become_unprivileged();
    STIR = 5; /* PRIMASK cannot be lifted by this code */
    ASM("b 1f\n 1: nop");
    trace(1);
}

CASE(stir_is_refused_to_unprivileged_code) {
    enable(5, 0x40, nothing);
    handlers[BUS_FAULT] = skip_and_clear;
    SHCSR = FAULTS_ENABLED;
    become_unprivileged();
    STIR = 5; /* PRIMASK cannot be lifted by this code */
    ASM("b 1f\n 1: nop");
    trace(1);
}

CASE(pending_while_disabled) {
    handlers[IRQ0 + 9] = nothing;
    set_pending(1u << 9);
    trace(ICSR);
    trace(NVIC_ISPR);
    NVIC_ICPR = 1u << 9;
    trace(NVIC_ISPR);
    set_pending(1u << 9);
    trace(NVIC_ISER);
    COMMIT(NVIC_ISER = 1u << 9);
    trace(NVIC_ISPR);
    NVIC_ICER = 1u << 9;
    BARRIER();
    trace(NVIC_ISER);
    set_pending(1u << 9);
    trace(2);
}

static void disable_self(uint32_t *frame) {
    (void)frame;
    NVIC_ICER = 1u << 3;
    set_pending(1u << 3);
    trace(NVIC_ISPR);
}

CASE(an_interrupt_disabled_while_active) {
    enable(3, 0x40, disable_self);
    set_pending(1u << 3);
    trace(NVIC_ISPR);
    handlers[IRQ0 + 3] = nothing;
    COMMIT(NVIC_ISER = 1u << 3);
    trace(1);
}

static void set_base(uint32_t value) {
    ASM("msr basepri, %0" ::"r"(value));
    BARRIER();
}

CASE(basepri_holds_back) {
    for (uint32_t i = 0; i < 8; i++)
        enable(i, i << 5, nothing);
    set_base(0x60);
    set_pending(0xFF);
    trace(NVIC_ISPR);
    set_base(0xA0);
    trace(NVIC_ISPR);
    set_base(0);
    trace(NVIC_ISPR);
}

CASE(basepri_max_only_lowers) {
    uint32_t value;
    for (uint32_t i = 0; i < 8; i++)
        enable(i, i << 5, nothing);
    set_base(0x60);
    ASM("msr basepri_max, %1\n mrs %0, basepri" : "=&r"(value) : "r"(0xA0));
    trace(value);
    ASM("msr basepri_max, %1\n mrs %0, basepri" : "=&r"(value) : "r"(0x20));
    trace(value);
    set_pending(0xFF);
    trace(NVIC_ISPR);
    set_base(0);
}

CASE(basepri_with_a_group) {
    set_group(5);
    for (uint32_t i = 0; i < 8; i++)
        enable(i, i << 5, nothing);
    set_base(0x60); /* the group is 0x40 */
    set_pending(0xFF);
    trace(NVIC_ISPR);
    set_base(0);
}

CASE(primask_holds_all_back_but_faults) {
    handlers[HARD_FAULT] = skip_and_clear;
    handlers[PENDSV] = nothing;
    enable(0, 0, nothing);
    ASM("cpsid i");
    ICSR = PENDSVSET;
    set_pending(1);
    trace(ICSR);
    SHCSR = FAULTS_ENABLED;
    ASM("udf #1"); /* a UsageFault of priority 0 cannot preempt: HardFault */
    trace(1);
    ASM("cpsie i");
    BARRIER();
    trace(2);
}

CASE(faultmask_holds_all_back) {
    uint32_t value;
    handlers[PENDSV] = nothing;
    enable(0, 0, nothing);
    ASM("cpsid f");
    ICSR = PENDSVSET;
    set_pending(1);
    ASM("mrs %0, faultmask" : "=r"(value));
    trace(value);
    trace(ICSR);
    ASM("cpsie f");
    BARRIER();
    trace(2);
}

static void mask_faults(uint32_t *frame) {
    (void)frame;
    ASM("cpsid f");
    set_pending(2);
    trace(ICSR);
}

CASE(faultmask_is_cleared_by_the_return) {
    uint32_t value;
    enable(0, 0x80, mask_faults);
    enable(1, 0x40, nothing);
    set_pending(1);
    ASM("mrs %0, faultmask" : "=r"(value));
    trace(value);
}

static void pend_nmi(uint32_t *frame) {
    (void)frame;
    ICSR = 1u << 31;
    BARRIER();
    trace(ICSR);
}

CASE(nmi_preempts_everything) {
    terse = 1; /* NMI cannot be held back: where it comes is not defined to the instruction */
    handlers[NMI] = nothing;
    enable(0, 0, pend_nmi);
    set_pending(1);
    ASM("cpsid i\n cpsid f");
    ICSR = 1u << 31;
    BARRIER();
    trace(1);
    ASM("cpsie f\n cpsie i");
}

static void raise_other(uint32_t *frame) {
    (void)frame;
    set_pending(2);
    trace(ICSR);
    COMMIT(NVIC_IPR(1) = 0x20); /* now it is more urgent than this one */
    trace(ICSR);
}

CASE(a_pending_interrupt_becomes_more_urgent) {
    enable(0, 0x40, raise_other);
    enable(1, 0x80, nothing);
    set_pending(1);
}

static void lower_self(uint32_t *frame) {
    (void)frame;
    set_pending(2);
    trace(ICSR);
    COMMIT(NVIC_IPR(0) = 0xC0); /* so the other one preempts it */
    trace(ICSR);
}

CASE(an_active_interrupt_becomes_less_urgent) {
    enable(0, 0x40, lower_self);
    enable(1, 0x80, nothing);
    set_pending(1);
}

CASE(a_call_from_an_urgent_handler_is_a_hard_fault) {
    handlers[SVCALL] = nothing;
    handlers[HARD_FAULT] = clear;
    SHPR(SVCALL) = 0x80;
    ASM("msr basepri, %0\n svc 3" ::"r"(0x40));
    trace(1);
    ASM("msr basepri, %0\n svc 4" ::"r"(0));
    trace(2);
}

static void call_supervisor(uint32_t *frame) {
    (void)frame;
    ASM("svc 5");
    trace(3);
}

CASE(a_call_from_a_handler_of_the_same_priority) {
    handlers[SVCALL] = nothing;
    handlers[HARD_FAULT] = clear;
    SHPR(SVCALL) = 0x80;
    enable(0, 0xC0, call_supervisor);
    enable(1, 0x80, call_supervisor);
    set_pending(1);
    set_pending(2);
}

static void moved(void) {
    ASM("push {r4, lr}");
    trace(0x30BED);
    ASM("pop {r4, lr}");
}

static uint32_t ram_table[64] __attribute__((aligned(256)));

CASE(the_vector_table_is_moved) {
    for (uint32_t i = 0; i < 64; i++)
        ram_table[i] = (uint32_t)exception_entry;
    VTOR = (uint32_t)ram_table;
    BARRIER();
    trace(VTOR - (uint32_t)ram_table);
    handlers[SVCALL] = nothing;
    ASM("svc 1");
    ram_table[SVCALL] = (uint32_t)moved;
    ASM("svc 2");
    VTOR = 0;
    BARRIER();
    ASM("svc 3");
}

static void write_shcsr(uint32_t *frame) {
    (void)frame;
    uint32_t before = SHCSR;
    trace(before);
    SHCSR = before | 1u << 10 | 1u << 11; /* PENDSVACT, SYSTICKACT */
    trace(SHCSR);
    trace(ICSR);
    SHCSR = before;
    trace(SHCSR);
    trace(ICSR);
}

CASE(active_bits_are_written) {
    handlers[SVCALL] = write_shcsr;
    ASM("svc 1");
    trace(SHCSR);
}

CASE(pending_bits_are_written) {
    handlers[SVCALL] = nothing;
    handlers[USAGE_FAULT] = nothing;
    handlers[BUS_FAULT] = nothing;
    handlers[MEM_MANAGE] = nothing;
    ASM("cpsid i");
    SHCSR = FAULTS_ENABLED | 0xF000; /* the three faults and SVCall */
    BARRIER();
    trace(SHCSR);
    trace(ICSR);
    ASM("cpsie i");
    BARRIER();
    trace(SHCSR);
}

CASE(reset_values) {
    trace(ICSR);
    trace(VTOR);
    trace(AIRCR);
    trace(SCR);
    trace(CCR);
    trace(SHCSR);
    trace(CFSR);
    trace(HFSR);
    trace(CPACR);
    trace(MPU_CTRL);
    trace(R(0xE000ED90)); /* MPU_TYPE */
    trace(FPCCR);
    trace(FPCAR & 0xFFFFFFF8);
    trace(FPDSCR);
    trace(R(0xE000EF40)); /* MVFR0, MVFR1 */
    trace(R(0xE000EF44));
    trace(R(0xE000ED00) & 0xFF0FFFF0); /* CPUID without variant and revision */
    for (uint32_t i = 0; i < 4; i++)   /* ID_PFR0, ID_PFR1, ID_DFR0, ID_AFR0 */
        trace(R(0xE000ED40 + 4 * i));
}

CASE(writable_bits) {
    VTOR = 0xFFFFFFFF;
    trace(VTOR & 0x7FFFFF80);
    VTOR = 0;
    SCR = 0xFFFFFFFF;
    trace(SCR & 0x12);
    SCR = 0;
    CCR = 0xFFFFFFFF;
    trace(CCR);
    CCR = 0x200;
    CPACR = 0xFFFFFFFF;
    trace(CPACR);
    CPACR = 0;
    FPDSCR = 0xFFFFFFFF;
    trace(FPDSCR);
    FPDSCR = 0;
    MPU_RNR = 3;
    MPU_RBAR = 0xFFFFFFE0;
    MPU_RASR = 0xFFFFFFFE & ~1u;
    trace(MPU_RNR);
    trace(MPU_RBAR);
    trace(MPU_RASR);
    MPU_RBAR = 0x20000000 | 0x10 | 6;
    trace(MPU_RNR);
    trace(MPU_RBAR);
    NVIC_ISER = 0xFFFFFFFF;
    trace(NVIC_ISER);
    NVIC_ICER = 0xFFFF;
    trace(NVIC_ICER);
}

/* Interrupts pended from inside IT blocks. Where exactly they come is the machine's choice; that
 * the rest of the block is executed as it should be is not. */
static uint32_t pend_in_it_block(uint32_t condition) {
    uint32_t sum;
    ASM("movw r3, #0xEF00\n movt r3, #0xE000\n movs r2, #1\n movs r0, #0\n cmp %1, #0\n"
        "itete ne\n strne.w r2, [r3]\n streq.w r2, [r3]\n addne r0, #1\n addeq r0, #2\n"
        "itttt ne\n strne.w r2, [r3]\n addne r0, #4\n addne r0, #8\n addne r0, #16\n"
        "ittee eq\n addeq r0, #32\n streq.w r2, [r3]\n addne r0, #64\n strne.w r2, [r3]\n"
        "b 1f\n nop\n 1: add r0, #128\n mov %0, r0" : "=r"(sum) : "r"(condition) : "r0",
        "r2", "r3", "cc");
    return sum;
}

static void change_flags(uint32_t *frame) {
    (void)frame;
    counter++;
    ASM("cmp r0, r0\n cmn r0, #1" :: : "cc");
}

CASE(interrupts_inside_it_blocks) {
    terse = 2;
    enable(1, 0x40, change_flags);
    for (uint32_t i = 0; i < 6; i++)
        trace(pend_in_it_block(i & 1));
    trace(counter != 0);
}

/* A storm: priorities, groups and masks at random; each handler pends some others, up to a number
 * in all. */
static void storm_handler(uint32_t *frame) {
    (void)frame;
    if (counter == 0)
        return;
    counter--;
    uint32_t what = random_word();
    if (what & 0x01000000)
        NVIC_IPR(what & 7) = (uint8_t)(random_word() & 0xE0);
    if (what & 0x02000000)
        ICSR = what & 0x04000000 ? PENDSVSET : PENDSTSET;
    if ((what & 0x18000000) == 0x08000000)
        NVIC_ICPR = random_word() & 0xFF;
    if ((what & 0x18000000) == 0x10000000)
        set_base(random_word() & 0xE0);
    set_pending(what & what >> 8 & what >> 16 & 0xFF);
    trace(ICSR);
    set_pending(random_word() & random_word() & 0xFF);
    set_base(0);
}

CASE(interrupt_storm) {
    terse = 1;
    set_group(3 + random_word() % 5);
    trace(AIRCR);
    handlers[PENDSV] = handlers[SYSTICK] = handlers[SVCALL] = storm_handler;
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < 8; i++)
            enable(i, random_word() & 0xE0, storm_handler);
        SHPR(PENDSV) = (uint8_t)(random_word() & 0xE0);
        SHPR(SYSTICK) = (uint8_t)(random_word() & 0xE0);
        counter = 20;
        set_pending(random_word() & 0xFF);
        if (random_word() & 1)
            ASM("svc 1");
        trace(NVIC_ISPR);
        trace(SHCSR);
    }
}
