/* Floating point and exceptions: the extended frame, and saving it lazily (B1.5.7). */
#include "support.h"

#define ASPEN (1u << 31)
#define LSPEN (1u << 30)

static uint32_t registers[33];

static void fill(uint32_t with) {
    for (uint32_t i = 0; i < 32; i++)
        registers[i] = with + i;
    ASM("vldmia %0, {s0-s31}\n vmsr fpscr, %1" ::"r"(registers),
        "r"(0x00C00000 | (with & 0x9F)) : "memory");
}

static void show(void) {
    ASM("vstmia %0, {s0-s31}\n vmrs r1, fpscr\n str r1, [%0, #128]" ::"r"(registers) : "r1",
        "memory");
    for (uint32_t i = 0; i < 33; i++)
        trace(registers[i]);
}

static void begin(uint32_t control) {
    CPACR = 0xF00000;
    BARRIER();
    FPCCR = control;
    BARRIER();
}

static void show_control(void) {
    uint32_t control;
    ASM("mrs %0, control" : "=r"(control));
    trace(control & 7);
    trace(FPCCR & 0xC0000001); /* the rest is of interest only to the hardware */
    if (FPCCR & 1)
        trace(FPCAR);
}

static void look(uint32_t *frame) {
    (void)frame;
    show_control();
}

static void look_and_use(uint32_t *frame) {
    show_control();
    fill(0x300);
    show_control();
    for (uint32_t i = 8; i < 25; i++)
        trace(frame[i]);
}

static void call_and_show(handler with) {
    handlers[SVCALL] = with;
    fill(0x100);
    ASM("svc 1");
    show_control();
    show();
}

CASE(control_follows_the_use) {
    begin(ASPEN | LSPEN);
    show_control();
    fill(0x100);
    show_control();
    ASM("mrs r0, control\n bic r0, #4\n msr control, r0\n isb" :: : "r0");
    show_control();
    ASM("vmov r0, s0" :: : "r0");
    show_control();
}

CASE(control_has_three_bits) {
    uint32_t control;
    begin(ASPEN | LSPEN);
    fill(0x100);
    ASM("mrs %0, control" : "=r"(control));
    trace(control);
}

CASE(lazy_and_unused_by_the_handler) {
    begin(ASPEN | LSPEN);
    call_and_show(look);
}

CASE(lazy_and_used_by_the_handler) {
    begin(ASPEN | LSPEN);
    call_and_show(look_and_use);
}

CASE(saved_at_once) {
    begin(ASPEN);
    call_and_show(look_and_use);
}

static void change_some(uint32_t *frame) {
    (void)frame;
    show_control();
    ASM("vmov s3, %0" ::"r"(0x999)); /* seen by the thread: nobody saves it */
}

CASE(never_saved) {
    begin(0);
    call_and_show(change_some);
}

CASE(no_frame_without_use) {
    begin(ASPEN | LSPEN);
    handlers[SVCALL] = look;
    ASM("svc 1");
    show_control();
}

static void use_only(uint32_t *frame) {
    (void)frame;
    show_control();
    fill(0x400);
    show_control();
}

CASE(a_handler_uses_it_and_the_thread_did_not) {
    begin(ASPEN | LSPEN);
    handlers[SVCALL] = use_only;
    ASM("svc 1");
    show_control();
}

static void use_and_nest(uint32_t *frame) {
    (void)frame;
    show_control();
    fill(0x500);
    COMMIT(ICSR = PENDSVSET);
    show_control();
    show();
}

CASE(nested_handlers_that_use_it) {
    begin(ASPEN | LSPEN);
    handlers[PENDSV] = look_and_use;
    SHPR(SVCALL) = 0x80;
    SHPR(PENDSV) = 0x40;
    call_and_show(use_and_nest);
}

static void nest_unused(uint32_t *frame) {
    (void)frame;
    COMMIT(ICSR = PENDSVSET);
    show_control();
}

CASE(lazy_over_two_levels) {
    begin(ASPEN | LSPEN);
    handlers[PENDSV] = use_only;
    SHPR(SVCALL) = 0x80;
    SHPR(PENDSV) = 0x40;
    call_and_show(nest_unused);
}

CASE(chained_handlers_of_which_the_second_uses_it) {
    begin(ASPEN | LSPEN);
    handlers[PENDSV] = look_and_use;
    SHPR(SVCALL) = 0x40;
    SHPR(PENDSV) = 0x80;
    call_and_show(nest_unused);
}

static void give_up(uint32_t *frame) {
    (void)frame;
    show_control();
    FPCCR &= ~1u; /* LSPACT: the registers need not be saved */
    fill(0x600);
    show_control();
}

CASE(a_handler_gives_the_saved_state_up) {
    begin(ASPEN | LSPEN);
    handlers[SVCALL] = give_up;
    fill(0x100);
    ASM("svc 1");
    show_control();
}

CASE(on_the_process_stack) {
    begin(ASPEN | LSPEN);
    use_process_stack();
    call_and_show(look_and_use);
}

static void use_forbidden(uint32_t *frame) {
    (void)frame;
    show_control();
    CPACR = 0;
    BARRIER();
    ASM(".inst.w 0xEE300A00"); /* vadd.f32 s0, s0, s0 */
    show_control();
    CPACR = 0xF00000;
    BARRIER();
}

CASE(a_handler_that_may_not_use_it) {
    begin(ASPEN | LSPEN);
    SHCSR = FAULTS_ENABLED;
    handlers[USAGE_FAULT] = skip_and_clear;
    SHPR(SVCALL) = 0x80;
    call_and_show(use_forbidden);
}

static void fault_in_handler(uint32_t *frame) {
    (void)frame;
    handlers[USAGE_FAULT] = skip_and_clear;
    ASM("udf #0");
    show_control();
}

CASE(a_fault_while_the_saving_waits) {
    begin(ASPEN | LSPEN);
    SHCSR = FAULTS_ENABLED;
    SHPR(SVCALL) = 0x80;
    call_and_show(fault_in_handler);
}

CASE(the_default_of_the_status_register) {
    begin(ASPEN | LSPEN);
    FPDSCR = 0x03C00000;
    handlers[SVCALL] = look;
    uint32_t value;
    ASM("mrs r0, control\n bic r0, #4\n msr control, r0\n isb\n vmrs %0, fpscr" : "=r"(
        value)::"r0");
    trace(value);
}

/* Lazy saving to where the stack has gone: the fault comes with the handler's first use. */
static void use_after_loss(uint32_t *frame) {
    (void)frame;
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)area;
    MPU_RASR = 11 << 1 | 1;
    MPU_CTRL = 5;
    BARRIER();
    frameless = 0;
    show_control();
    ASM(".inst.w 0xEE300A00");
    show_control();
}

static void close(uint32_t *frame) {
    (void)frame;
    MPU_CTRL = 0;
    BARRIER();
    show_control();
    CFSR = CFSR;
}

CASE(lazy_saving_is_refused) {
    begin(ASPEN | LSPEN);
    SHCSR = FAULTS_ENABLED;
    SHPR(SVCALL) = 0x80;
    handlers[MEM_MANAGE] = close;
    handlers[SVCALL] = use_after_loss;
    use_process_stack();
    fill(0x100);
    ASM("mrs r1, psp\n msr psp, %0\n svc 1\n msr psp, r1" ::"r"(area + 200) : "r1");
    show_control();
}

/* Handlers at random that use the registers, or do not, and pend each other. */
static volatile uint32_t left;

static void storm_handler(uint32_t *frame) {
    (void)frame;
    if (!left)
        return;
    left--;
    uint32_t what = random_word();
    show_control();
    if (what & 1)
        fill(what & 0xFFFF);
    COMMIT(NVIC_ISPR = what >> 8 & what >> 16 & 0xF);
    if ((what & 3) == 3) { /* else their content is not defined here (B1.5.7) */
        uint32_t value;
        ASM("vmov %0, s7\n vadd.f32 s1, s2, s3" : "=r"(value));
        trace(value);
    }
    if (what & 4)
        COMMIT(ICSR = PENDSVSET);
    show_control();
}

CASE(context_storm) {
    uint32_t control = random_word();
    begin((control & 7 ? ASPEN : 0) | (control & 0x18 ? LSPEN : 0));
    terse = 1;
    if (control & 0x20)
        use_process_stack();
    handlers[PENDSV] = handlers[SVCALL] = storm_handler;
    SHPR(SVCALL) = 0x80;
    for (uint32_t i = 0; i < 4; i++)
        handlers[IRQ0 + i] = storm_handler;
    NVIC_ISER = 0xF;
    for (uint32_t round = 0; round < 25; round++) {
        SHPR(PENDSV) = (uint8_t)(random_word() & 0xE0);
        for (uint32_t i = 0; i < 4; i++)
            NVIC_IPR(i) = (uint8_t)(random_word() & 0xE0);
        left = 12;
        if (random_word() & 3)
            fill(0x1000 * round);
        if (random_word() & 1)
            ASM("mrs r0, control\n bic r0, #4\n msr control, r0\n isb" :: : "r0");
        ASM("svc 1");
        show_control();
        show();
    }
}
