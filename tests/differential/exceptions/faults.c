/* Faults and what they leave in the status registers (B1.5.14, B3.2.15). */
#include "support.h"

static void all_handlers(handler with) {
    for (uint32_t n = HARD_FAULT; n <= USAGE_FAULT; n++)
        handlers[n] = with;
}

static void begin(uint32_t enabled) {
    all_handlers(skip_and_clear);
    SHCSR = enabled;
    BARRIER();
}

CASE(undefined_instruction) {
    begin(FAULTS_ENABLED);
    ASM("udf #0");
    ASM("udf.w #0");
    ASM(".inst.n 0xB6E8"); /* not allocated */
    trace(1);
}

CASE(undefined_instruction_with_the_fault_disabled) {
    begin(0);
    ASM("udf #0");
    trace(1);
}

CASE(undefined_instruction_in_an_it_block) {
    begin(FAULTS_ENABLED);
    ASM("movs r0, #0\n cmp r0, #0\n itte eq\n addeq r0, #1\n .inst.n 0xDE01\n addne r0, #2" :: : "r"
                                                                                                 "0",
        "cc");
    trace(1);
}

CASE(status_bits_stay_until_they_are_cleared) {
    begin(FAULTS_ENABLED);
    handlers[USAGE_FAULT] = skip;
    handlers[BUS_FAULT] = skip;
    ASM("udf #0");
    load_word(NOWHERE);
    trace(CFSR);
    CFSR = 0x00010000;
    trace(CFSR);
    CFSR = 0x0000FF00;
    trace(CFSR);
}

static void to_thumb(uint32_t *frame) {
    CFSR = CFSR;
    HFSR = HFSR;
    leave_to_lr(frame);
}

CASE(branch_without_thumb_bit) {
    begin(FAULTS_ENABLED);
    handlers[USAGE_FAULT] = to_thumb;
    call((uint32_t)area & ~1u);
    trace(1);
    call((uint32_t)case_branch_without_thumb_bit & ~1u);
    trace(2);
}

CASE(load_of_pc_without_thumb_bit) {
    begin(FAULTS_ENABLED);
    handlers[USAGE_FAULT] = to_thumb;
    ASM("adr r0, 1f\n adds r0, #0\n bic r0, r0, #1\n adr lr, 2f\n orr lr, lr, #1\n push {r0}\n pop "
        "{pc}\n"
        ".balign 4\n 1: nop\n .balign 4\n 2: nop" :: : "r0",
        "lr", "memory");
    trace(1);
}

static void return_to_arm(uint32_t *frame) {
    frame[7] &= ~(1u << 24);
}

static void back_to_thumb(uint32_t *frame) {
    CFSR = CFSR;
    HFSR = HFSR;
    frame[7] |= 1u << 24;
}

CASE(return_without_thumb_bit) {
    begin(FAULTS_ENABLED);
    handlers[SVCALL] = return_to_arm;
    handlers[USAGE_FAULT] = back_to_thumb;
    ASM(".balign 4\n nop\n svc 1");
    trace(1);
}

static void return_to_arm_in_pc(uint32_t *frame) {
    frame[6] &= ~1u;
}

CASE(return_to_an_even_address) {
    handlers[SVCALL] = return_to_arm_in_pc;
    ASM("svc 1");
    trace(1);
}

static uint32_t odd_table[64] __attribute__((aligned(256)));

CASE(vector_without_thumb_bit) {
    begin(FAULTS_ENABLED);
    handlers[USAGE_FAULT] = to_thumb;
    for (uint32_t i = 0; i < 64; i++)
        odd_table[i] = (uint32_t)exception_entry;
    odd_table[SVCALL] &= ~1u;
    VTOR = (uint32_t)odd_table;
    BARRIER();
    handlers[USAGE_FAULT] = handlers[HARD_FAULT] = 0; /* ends there */
    ASM("svc 1");
    trace(1);
}

CASE(vector_without_thumb_bit_is_a_hard_fault_when_masked) {
    begin(0);
    handlers[HARD_FAULT] = 0;
    for (uint32_t i = 0; i < 64; i++)
        odd_table[i] = (uint32_t)exception_entry;
    odd_table[SVCALL] &= ~1u;
    VTOR = (uint32_t)odd_table;
    BARRIER();
    ASM("svc 1");
    trace(1);
}

CASE(unaligned_accesses_trap) {
    begin(FAULTS_ENABLED);
    CCR |= 8;
    area[0] = 0x11223344;
    trace(load_word((uint32_t)area));
    trace(load_word((uint32_t)area + 1));
    trace(load_word((uint32_t)area + 2));
    trace(load_half((uint32_t)area + 1));
    trace(load_half((uint32_t)area + 2));
    trace(load_byte((uint32_t)area + 3));
    store_word((uint32_t)area + 2, 0x55667788);
    store_half((uint32_t)area + 1, 0x99AA);
    trace(area[0]);
    trace(area[1]);
}

CASE(unaligned_accesses_without_trap) {
    begin(FAULTS_ENABLED);
    area[0] = 0x11223344;
    trace(load_word((uint32_t)area + 1));
    trace(load_half((uint32_t)area + 3));
    store_word((uint32_t)area + 2, 0x55667788);
    store_half((uint32_t)area + 7, 0x99AA);
    for (uint32_t i = 0; i < 3; i++)
        trace(area[i]);
}

#define TRY(name, text)                                                                            \
    CASE(name) {                                                                                   \
        uint32_t a, b, c;                                                                          \
        begin(FAULTS_ENABLED);                                                                     \
        area[0] = 0x01020304;                                                                      \
        area[1] = 0x05060708;                                                                      \
        ASM("mov r0, %3\n movs r1, #11\n movs r2, #22\n" text                                      \
            "\n mov %0, r0\n mov %1, r1\n mov %2, r2" : "=&r"(a),                                  \
            "=&r"(b), "=&r"(c) : "r"((uint32_t)area + 2) : "r0", "r1", "r2", "r3", "memory");      \
        trace(a);                                                                                  \
        trace(b);                                                                                  \
        trace(c);                                                                                  \
        trace(area[0]);                                                                            \
        trace(area[1]);                                                                            \
        trace(area[2]);                                                                            \
    }

TRY(unaligned_ldrd, "ldrd r1, r2, [r0]")
TRY(unaligned_strd, "strd r1, r2, [r0]")
TRY(unaligned_ldm, "ldmia r0!, {r1, r2}")
TRY(unaligned_stm, "stmia r0!, {r1, r2}")
TRY(unaligned_narrow_ldm, "ldm.n r0!, {r1, r2}")
TRY(unaligned_ldrex, "ldrex r1, [r0]")
TRY(unaligned_strex, "strex r2, r1, [r0]")
TRY(unaligned_ldrexh, "add r0, #1\n ldrexh r1, [r0]")

#define DIVIDE(name, text)                                                                         \
    CASE(name) {                                                                                   \
        uint32_t a;                                                                                \
        begin(FAULTS_ENABLED);                                                                     \
        CCR |= 0x10;                                                                               \
        BARRIER();                                                                                 \
        ASM("movs r0, #55\n movs r1, #100\n movs r2, #0\n b 9f\n 9:\n" text                        \
            "\n mov %0, r0" : "=r"(a)::"r0",                                                       \
            "r1", "r2", "cc");                                                                     \
        trace(a);                                                                                  \
        ASM("movs r0, #55\n movs r1, #100\n movs r2, #7\n b 9f\n 9:\n" text                        \
            "\n mov %0, r0" : "=r"(a)::"r0",                                                       \
            "r1", "r2", "cc");                                                                     \
        trace(a);                                                                                  \
    }

DIVIDE(signed_division_by_zero, "sdiv r0, r1, r2")
DIVIDE(unsigned_division_by_zero, "udiv r0, r1, r2")
DIVIDE(division_by_zero_in_an_it_block, "cmp r1, #100\n itt eq\n udiveq r0, r1, r2\n addeq r0, #1")
DIVIDE(division_not_executed, "cmp r1, #99\n itt eq\n udiveq r0, r1, r2\n addeq r0, #1")

CASE(division_by_zero_without_trap) {
    uint32_t a, b;
    begin(FAULTS_ENABLED);
    ASM("movs r1, #100\n movs r2, #0\n sdiv %0, r1, r2\n udiv %1, r1, r2" : "=&r"(a),
        "=&r"(b)::"r1", "r2");
    trace(a);
    trace(b);
}

CASE(no_coprocessor) {
    begin(FAULTS_ENABLED);
    ASM(".inst.w 0xEE300A00"); /* vadd.f32 s0, s0, s0, while CPACR forbids it */
    ASM(".inst.w 0xED900A00"); /* vldr s0, [r0] */
    ASM(".inst.w 0xEEF10A10"); /* vmrs r0, fpscr */
    trace(1);
}

CASE(other_coprocessors) {
    begin(FAULTS_ENABLED);
    CPACR = 0xF00000;
    BARRIER();
    ASM(".inst.w 0xEE000000"); /* cdp p0 */
    ASM(".inst.w 0xEE000710"); /* mcr p7 */
    ASM(".inst.w 0xED900100"); /* ldc p1 */
    trace(1);
}

CASE(float_for_privileged_code_only) {
    begin(FAULTS_ENABLED);
    CPACR = 0x500000;
    BARRIER();
    ASM(".inst.w 0xEE300A00");
    trace(1);
    become_unprivileged();
    ASM(".inst.w 0xEE300A00");
    trace(2);
}

CASE(bus_fault_on_a_load) {
    begin(FAULTS_ENABLED);
    trace(load_word(NOWHERE));
    trace(load_half(NOWHERE + 2));
    trace(load_byte(NOWHERE + 5));
}

CASE(bus_fault_on_a_load_with_the_fault_disabled) {
    begin(0);
    trace(load_word(NOWHERE + 8));
}

CASE(bus_fault_on_a_load_of_two_words) {
    uint32_t a, b, c;
    begin(FAULTS_ENABLED);
    ASM("mov r0, %3\n movs r1, #11\n movs r2, #22\n ldrd r1, r2, [r0], #8\n mov %0, r0\n mov %1, "
        "r1\n mov %2, r2" : "=&r"(a),
        "=&r"(b), "=&r"(c) : "r"(NOWHERE) : "r0", "r1", "r2");
    trace(a);
    trace(b);
    trace(c);
}

/* The stacked ITSTATE must be that of the instruction that faulted, wherever in its block. */
#define IN_IT_BLOCK(name, text)                                                                    \
    CASE(name) {                                                                                   \
        uint32_t a;                                                                                \
        begin(FAULTS_ENABLED);                                                                     \
        CCR |= 0x10;                                                                               \
        ASM("mov r1, %1\n movs r0, #0\n movs r2, #0\n cmp r0, #0\n" text                           \
            "\n mov %0, r0" : "=r"(a) : "r"(NOWHERE) : "r0",                                       \
            "r1", "r2", "r3", "cc", "memory");                                                     \
        trace(a);                                                                                  \
    }

IN_IT_BLOCK(load_first_in_an_it_block,
            "ittee eq\n ldreq r3, [r1]\n addeq r0, #1\n addne r0, #2\n addne r0, #4")
IN_IT_BLOCK(load_second_in_an_it_block,
            "itete eq\n addeq r0, #1\n ldrne r3, [r1]\n ldreq r3, [r1]\n addne r0, #4")
IN_IT_BLOCK(load_last_in_an_it_block,
            "ittt eq\n addeq r0, #1\n addeq r0, #2\n ldreq r3, [r1]\n add r0, #4")
IN_IT_BLOCK(store_second_in_an_it_block,
            "ittet eq\n addeq r0, #1\n streq r3, [r1]\n addne r0, #2\n addeq r0, #4")
IN_IT_BLOCK(division_second_in_an_it_block,
            "ittet eq\n addeq r0, #1\n udiveq r3, r1, r2\n addne r0, #2\n addeq r0, #4")
IN_IT_BLOCK(undefined_last_in_an_it_block, "itt eq\n addeq r0, #1\n .inst.n 0xDE01\n add r0, #4")

CASE(bus_fault_in_unprivileged_code) {
    begin(FAULTS_ENABLED);
    become_unprivileged();
    trace(load_word(NOWHERE));
    trace(load_word(0xE000ED00)); /* the System Control Space is not for it */
    store_word(0xE000ED10, 0);
}

CASE(fetch_from_nowhere) {
    begin(FAULTS_ENABLED);
    all_handlers(to_thumb);
    call(NOWHERE | 1);
    trace(1);
}

CASE(fetch_from_where_nothing_executes) {
    begin(FAULTS_ENABLED);
    all_handlers(to_thumb);
    call(0x40000001);
    trace(1);
    call(0xE000ED01);
    trace(2);
    call(0xF0000001);
    trace(3);
}

static void probe(uint32_t *frame) {
    skip(frame);
    CCR |= 1u << 8; /* BFHFNMIGN */
    BARRIER();
    load_word(NOWHERE);
    store_word(NOWHERE, 1);
    trace(CFSR);
    CCR &= ~(1u << 8);
}

CASE(a_hard_fault_handler_may_ignore_bus_faults) {
    begin(0);
    handlers[HARD_FAULT] = probe;
    ASM("udf #0");
    trace(CFSR);
}

CASE(faultmask_may_ignore_bus_faults) {
    begin(FAULTS_ENABLED);
    CCR |= 1u << 8;
    ASM("cpsid f");
    load_word(NOWHERE);
    ASM("cpsie f");
    trace(CFSR);
    CCR &= ~(1u << 8);
    trace(load_word(NOWHERE));
}

CASE(breakpoint_without_debugger) {
    begin(FAULTS_ENABLED);
    ASM("bkpt 1");
}

static void fault_again(uint32_t *frame) {
    skip(frame);
    ASM("udf #3");
    trace(3);
}

CASE(a_fault_in_its_own_handler_is_a_hard_fault) {
    begin(FAULTS_ENABLED);
    handlers[USAGE_FAULT] = fault_again;
    ASM("udf #1");
    trace(1);
}

CASE(a_fault_in_a_handler_of_a_more_urgent_fault) {
    begin(FAULTS_ENABLED);
    SHPR(USAGE_FAULT) = 0x20;
    SHPR(BUS_FAULT) = 0x40;
    handlers[BUS_FAULT] = fault_again;
    load_word(NOWHERE);
    trace(1);
    SHPR(USAGE_FAULT) = 0x40;
    SHPR(BUS_FAULT) = 0x20;
    load_word(NOWHERE);
    trace(2);
}

CASE(a_fault_below_basepri_is_a_hard_fault) {
    begin(FAULTS_ENABLED);
    SHPR(USAGE_FAULT) = 0x80;
    ASM("msr basepri, %0" ::"r"(0x40));
    ASM("udf #1");
    trace(1);
    ASM("msr basepri, %0" ::"r"(0xC0));
    ASM("udf #1");
    trace(2);
}

CASE(a_call_with_interrupts_masked_is_a_hard_fault) {
    begin(FAULTS_ENABLED);
    handlers[SVCALL] = nothing;
    handlers[HARD_FAULT] = back_to_thumb;
    ASM("cpsid i\n svc 1");
    trace(1);
}

/* ---- exception return ---------------------------------------------------------------------- */

/* Each case ends in the handler of the fault that the return makes. */
__attribute__((used)) uint32_t wanted_return;
static uint32_t return_table[64] __attribute__((aligned(256)));

__attribute__((naked)) static void bad_return_entry(void) {
    ASM("ldr r0, =wanted_return\n ldr r0, [r0]\n bx r0\n");
}

static void ram_handler(uint32_t n) {
    for (uint32_t i = 0; i < 64; i++)
        return_table[i] = (uint32_t)exception_entry;
    return_table[n] = (uint32_t)bad_return_entry;
    VTOR = (uint32_t)return_table;
    BARRIER();
}

#define BAD_RETURN(name, value)                                                                    \
    CASE(name) {                                                                                   \
        begin(FAULTS_ENABLED);                                                                     \
        handlers[USAGE_FAULT] = 0;                                                                 \
        wanted_return = (value);                                                                   \
        ram_handler(SVCALL);                                                                       \
        ASM("svc 1");                                                                              \
        trace(1);                                                                                  \
    }

BAD_RETURN(return_to_a_handler_that_is_not_there, 0xFFFFFFF1)
BAD_RETURN(return_with_a_reserved_value_0, 0xFFFFFFF0)
BAD_RETURN(return_with_a_reserved_value_3, 0xFFFFFFF3)
BAD_RETURN(return_with_a_reserved_value_5, 0xFFFFFFF5)
BAD_RETURN(return_with_a_reserved_value_b, 0xFFFFFFFB)

static void pend_in_call(uint32_t *frame) {
    (void)frame;
    COMMIT(ICSR = PENDSVSET);
    trace(5);
}

CASE(return_to_thread_mode_from_a_nested_handler) {
    begin(FAULTS_ENABLED);
    handlers[USAGE_FAULT] = 0;
    wanted_return = 0xFFFFFFF9;
    ram_handler(PENDSV);
    SHPR(SVCALL) = 0x80;
    SHPR(PENDSV) = 0x40;
    handlers[SVCALL] = pend_in_call;
    ASM("svc 1");
    trace(1);
}
static void claim_a_handler(uint32_t *frame) {
    frame[7] |= 14; /* the frame is said to be of PendSV, the return is to thread mode */
}

CASE(return_to_thread_mode_with_a_handlers_frame) {
    begin(FAULTS_ENABLED);
    handlers[USAGE_FAULT] = 0;
    handlers[SVCALL] = claim_a_handler;
    ASM("svc 1");
    trace(1);
}

CASE(exc_return_in_thread_mode_is_a_branch) {
    begin(FAULTS_ENABLED);
    all_handlers(to_thumb);
    call(0xFFFFFFF9);
    trace(1);
}

/* ---- stacking ------------------------------------------------------------------------------ */

CASE(stacking_where_nothing_is) {
    begin(FAULTS_ENABLED);
    handlers[SVCALL] = nothing;
    handlers[BUS_FAULT] = 0;
    frameless = 1;
    use_process_stack();
    ASM("msr psp, %0\n svc 1" ::"r"(NOWHERE + 0x1000));
}

CASE(stacking_where_nothing_is_with_the_fault_disabled) {
    begin(0);
    handlers[SVCALL] = nothing;
    handlers[HARD_FAULT] = 0;
    frameless = 1;
    use_process_stack();
    ASM("msr psp, %0\n svc 1" ::"r"(NOWHERE + 0x1000));
}

CASE(stacking_fails_and_the_call_is_more_urgent) {
    begin(FAULTS_ENABLED);
    SHPR(BUS_FAULT) = 0x80;
    handlers[SVCALL] = nothing;
    handlers[BUS_FAULT] = 0;
    frameless = 1;
    use_process_stack();
    ASM("msr psp, %0\n svc 1" ::"r"(NOWHERE + 0x1000));
}

static void lose_the_stack(uint32_t *frame) {
    (void)frame;
    frameless = 1;
    ASM("msr psp, %0" ::"r"(NOWHERE + 0x1000));
}

CASE(unstacking_where_nothing_is) {
    begin(FAULTS_ENABLED);
    handlers[SVCALL] = lose_the_stack;
    handlers[BUS_FAULT] = 0;
    use_process_stack();
    ASM("svc 1");
}
