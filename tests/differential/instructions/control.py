"""Branches, IT blocks, special registers and hints (ARM ARM A5.2.5-6, A5.3.4, A5.3.7, A7.3)."""

from __future__ import annotations

import random

from tests.differential.template import CONDITIONS, Filler

TEMPLATES = (
    # Each branch leaves a mark on its way.
    "b{cond}.n 1f\nadd.w {r}, {r}, #1\n1: eor.w {r}, {r}, #2",
    "b{cond}.w 1f\nadd.w {r}, {r}, #1\n1: eor.w {r}, {r}, #2",
    "cbz {l}, 1f\nadd.w {r}, {r}, #1\n1: nop",
    "cbnz {l}, 1f\nadd.w {r}, {r}, #1\n1: nop",
    "bl 1f\nadd.w {r}, {r}, #1\nb 2f\n1: add.w {r}, {r}, #4\nbx lr\n2: nop",
    "adr.w r3, 1f\norr r3, r3, #1\nblx r3\nadd {r}, #1\nb 2f\n.balign 4\n1: eor {r}, {r}, #8\nbx lr\n2: nop",
    "adr.w r3, 1f\norr r3, r3, #1\nbx r3\nadds {l}, #1\n.balign 4\n1: nop",
    "adr.w r3, 1f\norr r3, r3, #1\nmov pc, r3\nadds {l}, #1\n.balign 4\n1: nop",
    "mov r0, pc",
    "mov r1, pc\nadr.w r2, 1f\nadr r3, 1f\n.balign 4\n1: nop",
    "push {r4, lr}\nbl 1f\nb 2f\n1: push {r5, lr}\nadd {r}, #3\npop {r5, pc}\n2: pop {r4, lr}",
    "and r0, r0, #3\ntbb [pc, r0]\n9: .byte (1f-9b)/2, (2f-9b)/2, (3f-9b)/2, (4f-9b)/2\n"
    "1: add r1, #1\n2: add r2, #2\n3: add r3, #3\n4: add r4, #4",
    "and r0, r0, #3\ntbh [pc, r0, lsl #1]\n9: .hword (1f-9b)/2, (2f-9b)/2, (3f-9b)/2, (4f-9b)/2\n"
    "1: add r1, #1\n2: add r2, #2\n3: add r3, #3\n4: add r4, #4",
    "and r0, r0, #7\n1: add.w r{i:1:12}, {r}, #5\nsubs r0, #1\nbpl 1b",
    "adr.w r3, 1f\norr r3, r3, #1\npush {r3}\nldr pc, [sp], #4\nadds {l}, #1\n.balign 4\n1: nop",
    "adr.w r3, 1f\norr r3, r3, #1\npush {r3}\nldm sp!, {pc}\nadds {l}, #1\n.balign 4\n1: nop",
    "adr.w r3, 1f\norr r3, r3, #1\npush {r2, r3}\nldmia.w sp!, {r4, pc}\nadds {l}, #1\n.balign 4\n1: nop",
    "ldr.w pc, 2f\nadds {l}, #1\n.balign 4\n2: .word 1f + 1\n1: nop",
    # Accesses to the bus (VTOR) inside IT blocks, and another block of code behind.
    *(
        "movw r3, #0xED08\nmovt r3, #0xE000\n" + block + "\nb 1f\nnop\n1: add r0, r1\nadd r4, r0, #3"
        for block in (
            "ite {cond}\nldr{c} r0, [r3]\nldr{o} r1, [r3]",
            "itt {cond}\nldr{c} r0, [r3]\nadd{c} r1, #1",
            "itte {cond}\nldr{c}.w r0, [r3]\nadd{c} r1, #1\nmov{o} r2, #5",
            "itete {cond}\nadd{c} r2, #1\nldr{o}.w r0, [r3]\nldr{c}.w r0, [r3]\nadd{o} r1, #1",
            "itttt {cond}\nstr{c}.w r3, [sp]\nldr{c}.w r0, [r3]\nldrb{c} r1, [r3]\nldrh{c} r2, [r3]",
        )
    ),
    # Special registers.
    *(f"msr apsr_{fields}, {{r}}\nmrs {{r}}, apsr" for fields in ("nzcvq", "g", "nzcvqg")),
    *(f"mrs {{r}}, {name}" for name in ("xpsr", "apsr", "iapsr", "eapsr", "ipsr", "epsr", "iepsr", "psp")),
    *(f"mrs {{r}}, {name}" for name in ("msp", "primask", "basepri", "basepri_max", "faultmask", "control")),
    "msr psp, r3\nmrs {r}, psp\nmov r3, #0\nmsr psp, r3",
    "msr primask, {r}\nmrs r1, primask\ncpsie i\nmrs r2, primask\ncpsid i\nmrs r3, primask\ncpsie i",
    "msr faultmask, {r}\nmrs r1, faultmask\ncpsie f\nmrs r2, faultmask\ncpsid f\nmrs r3, faultmask\ncpsie f",
    "and r0, r0, #0xe0\nmsr basepri, r0\nmrs r1, basepri\nand r2, r2, #0xe0\nmsr basepri_max, r2\n"
    "mrs r3, basepri\nmov r4, #0\nmsr basepri_max, r4\nmrs r5, basepri\nmsr basepri, r4\nmrs r6, basepri",
    # Hints and barriers: nothing to be seen, but none may trap.
    *(
        "nop",
        "nop.w",
        "yield",
        "yield.w",
        "sev",
        "sev.w",
        "sev\nwfe",
        "sev.w\nwfe.w",
        "dsb",
        "dmb",
        "isb",
        "clrex",
    ),
    *("dbg #3", "pld [r0]", "pli [pc, #4]", "udf #1", "udf.w #1"),
)

_INSIDE = (
    "add{c}.w {r}, {r}, {imm}",
    "add{c}.n {l}, {l}, {l}",  # sets no flags inside an IT block
    "sub{c}.n {l}, #{i:0:255}",
    "lsl{c}.n {l}, {l}, #{i:1:31}",
    "cmp{c}.n {l}, {l}",
    "cmn{c}.w {r}, {imm}",
    "adcs{c}.w {r}, {r}, {r}",
    "mov{c}.w {r}, {imm}",
    "movw{c} {r}, #{i:0:65535}",
    "ands{c}.w {r}, {r}, {r}{shift}",
    "mvn{c}.n {l}, {l}",
    "mul{c} {r}, {r}, {r}",
    "qadd{c} {r}, {r}, {r}",
    "udiv{c} {r}, {r}, {r}",
)


def blocks(stream: random.Random) -> list[str]:
    """One IT block of every shape with every condition; what is inside may change the flags itself."""
    made = []
    for condition in (*CONDITIONS, "al"):
        other = CONDITIONS[CONDITIONS.index(condition) ^ 1] if condition != "al" else ""
        for shape in ("", *(f"{n:0{size}b}" for size in (1, 2, 3) for n in range(1 << size))):
            if condition == "al" and "1" in shape:
                continue  # AL has no opposite
            fill = Filler(stream)
            of_each = [condition, *(other if bit == "1" else condition for bit in shape)]
            lines = [fill(stream.choice(_INSIDE).replace("{c}", name)) for name in of_each]
            pattern = shape.replace("0", "t").replace("1", "e")
            made.append("\n".join([f"it{pattern} {condition}", *lines]))
    # A branch may be the last of a block.
    for condition in CONDITIONS:
        fill = Filler(stream)
        made.append(
            fill(f"itt {condition}\nadd{condition} {{r}}, #1\nb{condition}.n 1f\nadd {{r}}, #2\n1: nop")
        )
    return made
