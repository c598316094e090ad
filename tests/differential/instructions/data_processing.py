"""Data processing, shifts, bit fields and extends (ARM ARM A5.2.1-3, A5.3.1, A5.3.3, A5.3.11-15)."""

from __future__ import annotations

TEMPLATES = (
    # Modified immediates and shifted registers, with and without flags: the carry comes from the shifter.
    *(f"{name}{{set}} {{r}}, {{r}}, {{imm}}" for name in ("and", "bic", "orr", "orn", "eor", "adc", "sbc")),
    *(f"{name}{{set}}.w {{r}}, {{r}}, {{imm}}" for name in ("add", "sub", "rsb")),
    *(f"{name}{{set}}.w {{r}}, {{r}}, {{r}}{{shift}}" for name in ("and", "bic", "orr", "orn", "eor")),
    *(f"{name}{{set}}.w {{r}}, {{r}}, {{r}}{{shift}}" for name in ("add", "adc", "sub", "sbc", "rsb")),
    *(f"{name}.w {{r}}, {{imm}}" for name in ("tst", "teq", "cmp", "cmn", "mov", "movs", "mvn", "mvns")),
    *(f"{name}.w {{r}}, {{r}}{{shift}}" for name in ("tst", "teq", "cmp", "cmn", "mvn", "mvns")),
    "movw {r}, #{i:0:65535}",
    "movt {r}, #{i:0:65535}",
    "addw {r}, {r}, #{i:0:4095}",
    "subw {r}, {r}, #{i:0:4095}",
    # The sixteen-bit forms.
    *(f"{name} {{l}}, {{l}}, #{{i:0:7}}" for name in ("adds", "subs")),
    *(f"{name} {{l}}, #{{i:0:255}}" for name in ("movs", "cmp", "adds", "subs")),
    *(f"{name} {{l}}, {{l}}, {{l}}" for name in ("adds", "subs")),
    *(f"{name}.n {{l}}, {{l}}" for name in ("ands", "eors", "adcs", "sbcs", "tst", "cmp", "cmn", "orrs")),
    *(f"{name}.n {{l}}, {{l}}" for name in ("bics", "mvns")),
    "rsbs.n {l}, {l}, #0",
    "muls.n r{i:0:0}, {l}, r0",
    "add.n {r}, {r}",
    "cmp.n r8, {l}",
    "cmp.n {l}, r9",
    "mov.n {r}, {r}",
    "add.n {l}, sp, #{i:0:0}",
    # Shifts by immediates, and by registers: all eight bits of the amount count.
    *(f"{name} {{l}}, {{l}}, #{{i:1:31}}" for name in ("lsls", "lsrs", "asrs")),
    *(f"{name}.n {{l}}, {{l}}, #32" for name in ("lsrs", "asrs")),
    *(f"{name}.n r1, r1, {{l}}" for name in ("lsls", "lsrs", "asrs", "rors")),
    *(f"{name}{{set}}.w {{r}}, {{r}}, {{r}}" for name in ("lsl", "lsr", "asr", "ror")),
    *(f"{name}{{set}}.w {{r}}, {{r}}, #{{i:1:31}}" for name in ("lsl", "lsr", "asr", "ror")),
    *(
        "uxtb {r}, {r}\n{name}s.w {r}, {r}, {r}".replace("{name}", name)
        for name in ("lsl", "lsr", "asr", "ror")
    ),
    "rrx{set} {r}, {r}",
    # Carry chains of 64 and 96 bits.
    "adds.w {r}, {r}, {r}\nadcs.w {r}, {r}, {r}\nadcs.w {r}, {r}, {r}",
    "subs.w {r}, {r}, {r}\nsbcs.w {r}, {r}, {r}\nsbcs.w {r}, {r}, {r}",
    "lsrs.w {r}, {r}, #1\nrrxs {r}, {r}\nrrxs {r}, {r}",
    # Bits.
    "bfi {r}, {r}, {bits}",
    "bfc {r}, {bits}",
    "ubfx {r}, {r}, {bits}",
    "sbfx {r}, {r}, {bits}",
    *(f"{name} {{r}}, {{r}}" for name in ("rev", "rev16", "revsh", "rbit", "clz")),
    *(f"{name}.n {{l}}, {{l}}" for name in ("rev", "rev16", "revsh", "sxtb", "sxth", "uxtb", "uxth")),
    *(f"{name}.w {{r}}, {{r}}{{rotate}}" for name in ("sxtb", "sxth", "uxtb", "uxth")),
    *(f"{name} {{r}}, {{r}}{{rotate}}" for name in ("sxtb16", "uxtb16")),
    *(f"{name} {{r}}, {{r}}, {{r}}{{rotate}}" for name in ("sxtab", "sxtah", "uxtab", "uxtah")),
    *(f"{name} {{r}}, {{r}}, {{r}}{{rotate}}" for name in ("sxtab16", "uxtab16")),
    *("pkhbt {r}, {r}, {r}, lsl #{i:0:31}", "pkhtb {r}, {r}, {r}, asr #{i:1:32}"),
    # Division, also by zero while it does not trap.
    "sdiv {r}, {r}, {r}",
    "udiv {r}, {r}, {r}",
    "movs r2, #0\nsdiv {r}, {r}, r2",
    "movs r2, #0\nudiv {r}, {r}, r2",
    "mov r1, #0x80000000\nmov r2, #-1\nsdiv {r}, r1, r2",
)
