/* Runs the cases one after the other: sets the state each starts in, and records the state it leaves.
 *
 * Included after the generated part, which defines CASES (their number), FLOATS and WINDOWS (1 where
 * the cases have floating-point registers or memory), `case_table` and `case_inputs`.
 * A fault ends its case: what CFSR and HFSR said is recorded with it, and the next case runs. */
#define STACK 0x20007F00
#define CASE_STACK 0x20006000
#define WINDOW 0x20001000
#define RESULTS 0x20008000
#define PROGRESS 0x2003F000

    .syntax unified
    .thumb

    .section .vectors, "a"
    .word STACK, Reset_Handler, fault, fault, fault, fault, fault, 0
    .word 0, 0, 0, fault, fault, 0, fault, fault
    .rept 48
    .word fault
    .endr

    .bss
    .balign 4
number: .space 4
result: .space 4
input:  .space 4
status: .space 4

    .text
    .thumb_func
    .globl Reset_Handler
Reset_Handler:
    ldr r0, =0x20000000
    ldr r1, =0x20040000
    movs r2, #0
1:  str r2, [r0], #4
    cmp r0, r1
    bne 1b
    ldr r0, =0xE000ED88 /* CPACR: the floating-point extension */
    mov r1, #0xF00000
    str r1, [r0]
    ldr r0, =0xE000ED24 /* SHCSR: the configurable faults */
    mov r1, #0x70000
    str r1, [r0]
    dsb
    isb
    ldr r0, =result
    ldr r1, =RESULTS
    str r1, [r0]
    ldr r0, =input
    ldr r1, =case_inputs
    str r1, [r0]

next_case:
    ldr r0, =number
    ldr r1, [r0]
    ldr r2, =PROGRESS
    str r1, [r2]
    ldr r3, =CASES
    cmp r1, r3
    beq finished
    adds r3, r1, #1
    str r3, [r0]
    ldr r0, =case_table
    ldr r4, [r0, r1, lsl #2]
    ldr r0, =input
    ldr r5, [r0]
#if WINDOWS
    ldr r6, =WINDOW
    movs r7, #16
1:  ldr r1, [r5], #4
    str r1, [r6], #4
    subs r7, #1
    bne 1b
#endif
#if FLOATS
    ldr r1, [r5], #4
    vldmia r5!, {d0-d15}
    vmsr fpscr, r1
#endif
    ldr r1, [r5], #4
    add r2, r5, #56
    str r2, [r0]
    ldr r0, =CASE_STACK
    mov sp, r0
    push {r4} /* the address of the case */
    ldr lr, [r5, #52]
    clrex
    msr apsr_nzcvqg, r1
    mov r0, r5
    ldm r0, {r0-r12}
    pop {pc}

    .globl case_return
case_return:
    stmdb sp!, {r0-r12, lr}
    mrs r0, apsr
    mov r1, sp
    ldr r2, =STACK
    mov sp, r2
    ldr r2, =result
    ldr r3, [r2]
    ldr r4, =status
    ldr r5, [r4]
    movs r6, #0
    str r6, [r4]
    str r5, [r3], #4
    str r0, [r3], #4
    movs r7, #14
1:  ldr r5, [r1], #4
    str r5, [r3], #4
    subs r7, #1
    bne 1b
    str r1, [r3], #4 /* SP */
#if FLOATS
    vmrs r0, fpscr
    str r0, [r3], #4
    vstmia r3!, {d0-d15}
#endif
#if WINDOWS
    ldr r6, =WINDOW
    movs r7, #16
1:  ldr r5, [r6], #4
    str r5, [r3], #4
    subs r7, #1
    bne 1b
#endif
    str r3, [r2]
    b next_case

    .thumb_func
fault:
    mrs r0, msp
    ldr r1, =0xE000ED28
    ldr r2, [r1] /* CFSR */
    str r2, [r1]
    ldr r3, [r1, #4] /* HFSR */
    str r3, [r1, #4]
    orr r2, r2, r3
    mrs r3, ipsr
    orr r2, r2, r3, lsl #26
    ldr r1, =status
    str r2, [r1]
    ldr r1, =case_return
    str r1, [r0, #24]
    ldr r1, [r0, #28]
    bic r1, r1, #0x06000000
    bic r1, r1, #0x0000FC00
    orr r1, r1, #0x01000000
    str r1, [r0, #28]
    bx lr

finished:
    ldr r0, =PROGRESS + 4
    ldr r1, =0x600D600D
    str r1, [r0]
    dsb
    ldr r0, =0xE000ED0C /* AIRCR: ask for a reset, which ends the run */
    ldr r1, =0x05FA0004
    str r1, [r0]
    dsb
1:  b 1b
