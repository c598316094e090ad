"""The floating-point extension, single precision (ARM ARM A6.4-7): arithmetic, comparison, conversion, moves."""

from __future__ import annotations

import random

from tests.differential.case import WINDOW, WINDOW_WORDS

TEMPLATES = (
    *(f"{name}.f32 {{s}}, {{s}}, {{s}}" for name in ("vadd", "vsub", "vmul", "vnmul", "vdiv")),
    *(f"{name}.f32 {{s}}, {{s}}, {{s}}" for name in ("vmla", "vmls", "vnmla", "vnmls")),
    *(f"{name}.f32 {{s}}, {{s}}, {{s}}" for name in ("vfma", "vfms", "vfnma", "vfnms")),
    *(f"{name}.f32 {{s}}, {{s}}" for name in ("vsqrt", "vabs", "vneg", "vmov")),
    *(f"{name}.f32 {{s}}, {{s}}\nvmrs apsr_nzcv, fpscr" for name in ("vcmp", "vcmpe")),
    *(f"{name}.f32 {{s}}, #0" for name in ("vcmp", "vcmpe")),
    *(f"vcvt.{kind}.f32 {{s}}, {{s}}" for kind in ("s32", "u32")),
    *(f"vcvtr.{kind}.f32 {{s}}, {{s}}" for kind in ("s32", "u32")),
    *(f"vcvt.f32.{kind} {{s}}, {{s}}" for kind in ("s32", "u32")),
    *(
        f"vcvt.{way} s{n}, s{n}, #{{i:1:{bits}}}"
        for kind, bits in (("s16", 16), ("u16", 16), ("s32", 32), ("u32", 32))
        for way, n in ((f"{kind}.f32", 3), (f"f32.{kind}", 8))
    ),
    *(f"{name}.{way} {{s}}, {{s}}" for name in ("vcvtb", "vcvtt") for way in ("f16.f32", "f32.f16")),
    *(f"vmov.f32 {{s}}, #{value}" for value in ("1.0", "-1.0", "0.125", "31.0", "-0.1328125")),
    "vmov {s}, {r}",
    "vmov {r}, {s}",
    "vmov {u}, {u}, {pair}",
    "vmov {pair}, {r}, {r}",
    "vmov {u}, {u}, {d}",
    "vmov {d}, {r}, {r}",
    "vmrs {r}, fpscr",
    "vmsr fpscr, {r}\nvmrs {r}, fpscr",
    "vmrs apsr_nzcv, fpscr",
    "vadd.f32 {s}, {s}, {s}\nvmul.f32 {s}, {s}, {s}\nvsub.f32 {s}, {s}, {s}\nvdiv.f32 {s}, {s}, {s}",
    "vcmp.f32 {s}, {s}\nvmrs apsr_nzcv, fpscr\nit {cond}\nmov{cond} r0, #1".replace("{cond}", "gt"),
    "vcmp.f32 {s}, {s}\nvmrs apsr_nzcv, fpscr\nitt vs\nvaddvs.f32 {s}, {s}, {s}\nmovvs r0, #1",
)


def memory(stream: random.Random) -> tuple[str, dict[int, int]]:
    """VLDR, VSTR, VLDM, VSTM, VPUSH and VPOP, of single and of double registers, at multiples of four (see
    exclusions.LIMITS).
    """
    double = stream.random() < 0.4
    letter, most = ("d", 16) if double else ("s", 32)
    words = 2 if double else 1
    if stream.random() < 0.4:
        target = WINDOW + 4 * stream.randrange(WINDOW_WORDS - words + 1)
        offset = 4 * stream.choice((0, 255, stream.randrange(256))) * stream.choice((1, -1))
        name = stream.choice(("vldr", "vstr"))
        return f"{name} {letter}{stream.randrange(most)}, [r7, #{offset}]", {7: target - offset}
    count = stream.randint(1, min(most, WINDOW_WORDS // words))
    first = stream.randrange(most - count + 1)
    names = f"{{{letter}{first}-{letter}{first + count - 1}}}" if count > 1 else f"{{{letter}{first}}}"
    start = WINDOW + 4 * stream.randrange(WINDOW_WORDS - count * words + 1)
    end = start + 4 * count * words
    if stream.random() < 0.2:
        inside = stream.choice((f"vpush {names}", f"vpush {names}\nvpop {names}"))
        return f"mov r12, sp\nmov sp, r7\n{inside}\nmov r11, sp\nmov sp, r12", {7: end}
    form, base = stream.choice((("ia r7", start), ("ia r7!", start), ("db r7!", end)))
    return f"{stream.choice(('vldm', 'vstm'))}{form}, {names}", {7: base}
