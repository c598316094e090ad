/* The memory protection unit (B3.5): who may do what, and what the fault says. */
#include "support.h"

#define SIZE(bits) (((bits) - 1) << 1 | 1)
#define AP(access) ((uint32_t)(access) << 24)
#define XN (1u << 28)

static void region(uint32_t number, uint32_t base, uint32_t attributes) {
    MPU_RNR = number;
    MPU_RBAR = base;
    MPU_RASR = attributes;
}

/* Handlers go on behind what was refused. 4: background region, 2: in faults too, 1: on. */
static void begin(uint32_t control) {
    handlers[HARD_FAULT] = handlers[MEM_MANAGE] = handlers[BUS_FAULT] = handlers[USAGE_FAULT] =
        skip_and_clear;
    SHCSR = FAULTS_ENABLED;
    MPU_CTRL = control;
    BARRIER();
}

/* What all programs need: code, data and stacks; the trace. Not `area`. */
static void open_rest(void) {
    region(5, 0, SIZE(20) | AP(6));
    region(6, 0x20000000, SIZE(18) | AP(3) | XN);
}

static void all_accesses(uint32_t address) {
    trace(load_word(address));
    trace(load_half(address + 2));
    trace(load_byte(address + 1));
    store_word(address, 0x1111);
    store_half(address + 2, 0x2222);
    trace(load_word(address));
}

#define ACCESS(access)                                                                             \
    CASE(access_permission_##access) {                                                             \
        area[8] = 0x12345678;                                                                      \
        open_rest();                                                                               \
        region(7, (uint32_t)area, SIZE(12) | AP(access) | XN);                                     \
        begin(5);                                                                                  \
        all_accesses((uint32_t)(area + 8));                                                        \
        become_unprivileged();                                                                     \
        all_accesses((uint32_t)(area + 8));                                                        \
    }

ACCESS(0)
ACCESS(1)
ACCESS(2)
ACCESS(3)
ACCESS(5)
ACCESS(6)
ACCESS(7)

CASE(background_region_is_for_privileged_code) {
    region(0, 0, SIZE(20) | AP(6));
    region(1, 0x20004000, SIZE(14) | AP(3));
    region(2, 0x20008000, SIZE(15) | AP(3));
    region(3, 0x20010000, SIZE(16) | AP(3));
    region(4, 0x20020000, SIZE(17) | AP(3));
    region(5, 0x20000000, SIZE(12) | AP(3));
    begin(5);
    trace(load_word(0x20002000));
    become_unprivileged();
    trace(load_word(0x20002000));
    store_word(0x20002000, 1);
}

CASE(no_background_region) {
    open_rest();
    begin(1);
    trace(load_word(0x20040000 - 4));
    trace(load_word(NOWHERE)); /* the MPU is asked first: no bus fault */
    trace(load_word(0x40000000));
    store_word(0x40000000, 1);
}

CASE(no_background_region_for_the_factory_information) {
    open_rest();
    begin(1);
    trace(
        load_word(0x10000000)); /* nothing there on the other machine, but the MPU is asked first */
}

CASE(the_system_space_is_always_open_to_privileged_code) {
    open_rest();
    begin(1);
    trace(load_word(0xE000ED14));
}

CASE(regions_do_not_reach_the_system_space) {
    open_rest();
    region(7, 0xE0000000, SIZE(20) | AP(0));
    begin(5);
    trace(load_word(0xE000ED10));
}

CASE(the_highest_region_decides) {
    open_rest();
    region(1, (uint32_t)area, SIZE(12) | AP(0));
    region(2, (uint32_t)area, SIZE(10) | AP(0));
    region(7, (uint32_t)area + 1024, SIZE(10) | AP(0));
    begin(5);
    for (uint32_t i = 0; i < 1024; i += 128)
        store_word((uint32_t)(area + i), i + 1);
    for (uint32_t i = 0; i < 1024; i += 128)
        trace(load_word((uint32_t)(area + i)));
}

CASE(subregions) {
    open_rest();
    region(7, (uint32_t)area, SIZE(13) | AP(5) | 0xA500); /* of 1 KB each */
    begin(5);
    for (uint32_t i = 0; i < 2048; i += 128)
        store_word((uint32_t)(area + i), i + 1);
    for (uint32_t i = 0; i < 2048; i += 128)
        trace(load_word((uint32_t)(area + i)));
}

CASE(a_region_of_32_bytes) {
    open_rest();
    region(7, (uint32_t)area + 64, SIZE(5) | AP(0));
    begin(5);
    for (uint32_t i = 14; i < 26; i++) {
        store_word((uint32_t)(area + i), i);
        trace(load_word((uint32_t)(area + i)));
    }
    trace(load_byte((uint32_t)area + 63));
    trace(load_byte((uint32_t)area + 64));
    trace(load_byte((uint32_t)area + 95));
    trace(load_byte((uint32_t)area + 96));
}

CASE(accesses_across_the_border_of_a_region) {
    open_rest();
    region(7, (uint32_t)area + 64, SIZE(5) | AP(0));
    begin(5);
    trace(load_word((uint32_t)area + 62));
    store_word((uint32_t)area + 61, 0xFFFFFFFF);
    trace(load_word((uint32_t)area + 94));
    store_word((uint32_t)area + 95, 0xFFFFFFFF);
    MPU_CTRL = 0;
    BARRIER();
    trace(area[15]);
    trace(area[16]);
    trace(area[23]);
    trace(area[24]);
}

static void run_area(void) {
    area[0] = 0x4770BF00; /* nop; bx lr */
    BARRIER();
    call((uint32_t)area | 1);
    trace(9);
}

static void begin_with_return(uint32_t control) {
    begin(control);
    handlers[MEM_MANAGE] = leave_to_lr;
}

CASE(code_runs_where_it_may) {
    region(5, 0, SIZE(20) | AP(6));
    region(6, 0x20000000, SIZE(18) | AP(3));
    begin_with_return(5);
    run_area();
}

CASE(code_does_not_run_where_execute_never_is_set) {
    open_rest();
    begin_with_return(5);
    run_area();
}

CASE(code_does_not_run_where_it_may_not_be_read) {
    area[0] = 0x4770BF00;
    region(5, 0, SIZE(20) | AP(6));
    region(6, 0x20000000, SIZE(18) | AP(3));
    region(7, (uint32_t)area, SIZE(12) | AP(1));
    begin_with_return(5);
    call((uint32_t)area | 1);
    trace(1);
    become_unprivileged();
    call((uint32_t)area | 1);
    trace(2);
}

CASE(a_refused_push_changes_nothing) {
    uint32_t a, b;
    open_rest();
    region(7, (uint32_t)area, SIZE(12) | AP(5));
    begin(5);
    become_unprivileged();
    ASM("mov r0, %2\n stmdb r0!, {r1, r2, r3}\n mov %0, r0\n mov r0, %2\n strd r1, r2, [r0, "
        "#-8]!\n mov %1, r0" : "=&r"(a),
        "=&r"(b) : "r"((uint32_t)(area + 64)) : "r0", "memory");
    trace(a - (uint32_t)area);
    trace(b - (uint32_t)area);
}

CASE(a_load_of_several_words_refused_in_the_middle) {
    uint32_t a, b, c;
    for (uint32_t i = 0; i < 32; i++)
        area[i] = 0x1000 + i;
    open_rest();
    region(7, (uint32_t)area + 64, SIZE(5) | AP(0));
    begin(5);
    ASM("mov r0, %3\n movs r1, #1\n movs r2, #2\n movs r3, #3\n ldmia r0!, {r1, r2, r3}\n mov %0, "
        "r0\n"
        "mov %1, r2\n mov %2, r3" : "=&r"(a),
        "=&r"(b), "=&r"(c) : "r"((uint32_t)(area + 14)) : "r0", "r1", "r2", "r3");
    trace(a - (uint32_t)area);
    trace(c);
}

CASE(unprivileged_loads_of_privileged_code) {
    uint32_t value = 77;
    area[3] = 5;
    open_rest();
    region(7, (uint32_t)area, SIZE(12) | AP(1));
    begin(5);
    ASM("mov r1, %1\n mov r0, #77\n ldrt r0, [r1, #12]\n mov %0, r0" : "=r"(value) : "r"(
            area) : "r0",
        "r1");
    trace(value);
    ASM("mov r1, %0\n strt r1, [r1, #16]" ::"r"(area) : "r1", "memory");
    ASM("mov r1, %1\n ldr r0, [r1, #16]\n mov %0, r0" : "=r"(value) : "r"(area) : "r0", "r1");
    trace(value);
}

static void touch_area(uint32_t *frame) {
    skip(frame);
    trace(load_word((uint32_t)area));
}

CASE(fault_handlers_see_no_mpu) {
    area[0] = 0xABCD;
    open_rest();
    region(7, (uint32_t)area, SIZE(12) | AP(0));
    begin(5);
    SHCSR = 0;
    handlers[HARD_FAULT] = touch_area;
    ASM("udf #0");
    ASM("cpsid f");
    trace(load_word((uint32_t)area));
    ASM("cpsie f");
    handlers[HARD_FAULT] = skip_and_clear;
    trace(load_word((uint32_t)area));
}

CASE(disabled_fault_is_a_hard_fault) {
    open_rest();
    region(7, (uint32_t)area, SIZE(12) | AP(0));
    begin(5);
    SHCSR = 0;
    store_word((uint32_t)area + 4, 1);
    trace(1);
}

/* The guard at the end of a stack: the call's frame does not fit. */
static void guarded(uint32_t enabled, uint32_t call_priority) {
    handlers[SVCALL] = nothing;
    SHPR(SVCALL) = (uint8_t)call_priority;
    SHPR(MEM_MANAGE) = 0x40;
    open_rest();
    region(7, (uint32_t)area, SIZE(8) | AP(5) | XN);
    begin(5);
    SHCSR = enabled;
    handlers[MEM_MANAGE] = handlers[HARD_FAULT] = 0;
    frameless = 1;
    use_process_stack();
    ASM("mov r0, %0\n msr psp, r0\n mov r0, #3\n msr control, r0\n isb\n svc 1" ::"r"(area + 64 +
                                                                                      4) : "r0");
}

CASE(stack_guard) {
    guarded(FAULTS_ENABLED, 0x80);
}

CASE(stack_guard_and_a_more_urgent_call) {
    guarded(FAULTS_ENABLED, 0);
}

CASE(stack_guard_and_a_call_as_urgent) {
    guarded(FAULTS_ENABLED, 0x40);
}

CASE(stack_guard_with_the_fault_disabled) {
    guarded(0, 0x80);
}

static void put_psp_into_guard(uint32_t *frame) {
    (void)frame;
    frameless = 1;
    region(7, (uint32_t)area, SIZE(8) | AP(0) | XN);
    ASM("msr psp, %0" ::"r"(area));
}

CASE(unstacking_from_where_it_is_forbidden) {
    handlers[SVCALL] = put_psp_into_guard;
    open_rest();
    begin(5);
    handlers[MEM_MANAGE] = 0;
    use_process_stack();
    ASM("svc 1");
}

static void open_area(uint32_t *frame) {
    (void)frame;
    CFSR = CFSR;
    region(7, (uint32_t)area, SIZE(12) | AP(3));
    BARRIER();
}

CASE(the_handler_opens_the_region_and_the_access_is_made_again) {
    open_rest();
    region(7, (uint32_t)area, SIZE(12) | AP(0));
    begin(5);
    handlers[MEM_MANAGE] = open_area;
    store_word((uint32_t)area + 4, 0x5A5A);
    trace(load_word((uint32_t)area + 4));
}

/* Regions of 1 KB and more at random, with subregions of 1 KB and more, and accesses at random. */
static void tell_and_skip(uint32_t *frame) {
    trace(CFSR);
    trace(MMFAR);
    skip_and_clear(frame);
}

static void tell_and_return(uint32_t *frame) {
    uint32_t status = CFSR;
    if ((status & 0xFF) != 1) {
        tell_and_skip(frame);
        return;
    }
    trace(frame[6]);
    leave_to_lr(frame);
    CFSR = status;
}

static void give_privilege(uint32_t *frame) {
    (void)frame;
    ASM("mrs r0, control\n bic r0, #1\n msr control, r0\n isb" :: : "r0");
}

static void random_region(uint32_t number) {
    static const uint8_t accesses[] = {0, 1, 2, 3, 3, 5, 6, 7};
    uint32_t what = random_word();
    uint32_t bits = 10 + (what & 3);
    uint32_t attributes = SIZE(bits) | AP(accesses[what >> 4 & 7]);
    if (what & 0x100)
        attributes |= XN;
    if (bits == 13)
        attributes |= what >> 8 & 0xFF00;
    if ((what & 0x600) == 0)
        attributes = 0;
    region(number, (uint32_t)area + ((what >> 12 & 0x1FFF) & ~((1u << bits) - 1)), attributes);
}

static void random_access(void) {
    uint32_t what = random_word();
    uint32_t address = (uint32_t)area + (what & 0x1FFC);
    uint32_t a = 1, b = 2;
    switch (what >> 16 & 7) {
    case 0:
        trace(load_word(address));
        break;
    case 1:
        trace(load_half(address + 2));
        break;
    case 2:
        trace(load_byte(address + 1));
        break;
    case 3:
        store_word(address, 0x47704770);
        break;
    case 4:
        store_half(address, 0x4770);
        break;
    case 5:
        ASM("mov r0, %2\n ldrd r2, r3, [r0], #8\n mov %0, r0\n mov %1, r2" : "=r"(a),
            "=r"(b) : "r"(address & ~7u) : "r0", "r2", "r3");
        trace(a - (uint32_t)area);
        break;
    case 6:
        ASM("movw r1, #0x4770\n movt r1, #0x4770\n mov r2, r1\n mov r0, %1\n stmia r0!, {r1, r2}\n "
            "mov %0, r0" : "=r"(a) : "r"(address & ~7u) : "r0",
            "r1", "r2", "memory");
        trace(a - (uint32_t)area);
        break;
    default:
        call(address | 1);
        trace(what & 0x1FFC);
    }
}

CASE(region_storm) {
    static const uint8_t controls[] = {5, 5, 7, 1};
    terse = 1;
    for (uint32_t i = 0; i < 2048; i++)
        area[i] = 0x47704770; /* bx lr, twice */
    BARRIER();
    region(0, 0, SIZE(20) | AP(6));
    region(1, 0x20000000, SIZE(18) | AP(3));
    handlers[HARD_FAULT] = handlers[BUS_FAULT] = handlers[USAGE_FAULT] = tell_and_skip;
    handlers[MEM_MANAGE] = tell_and_return;
    handlers[SVCALL] = give_privilege;
    SHCSR = FAULTS_ENABLED;
    for (uint32_t round = 0; round < 15; round++) {
        MPU_CTRL = 0;
        for (uint32_t i = 2; i < 8; i++)
            if (random_word() & 1)
                random_region(i);
        MPU_CTRL = controls[random_word() & 3];
        BARRIER();
        for (uint32_t i = 0; i < 20; i++)
            random_access();
        become_unprivileged();
        for (uint32_t i = 0; i < 20; i++)
            random_access();
        ASM("svc 1");
    }
}
