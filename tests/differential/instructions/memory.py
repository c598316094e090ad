"""Loads and stores of every addressing mode (ARM ARM A5.2.4, A5.3.5-10), also across word boundaries."""

from __future__ import annotations

import random

from tests.differential.case import WINDOW, WINDOW_WORDS
from tests.differential.template import CONDITIONS, Filler

BASE = 7
"""The register that holds the address."""
INDEX = 5

_SIZES = {"": 4, "b": 1, "h": 2, "sb": 1, "sh": 2}
_BYTES = 4 * WINDOW_WORDS

Made = tuple[str, dict[int, int]]


def single(stream: random.Random) -> Made:
    """One load or store of a word, halfword or byte, at any alignment."""
    kind = stream.choice(tuple(_SIZES))
    name = ("ldr" if len(kind) == 2 else stream.choice(("ldr", "str"))) + kind
    size = _SIZES[kind]
    target = WINDOW + stream.randrange(_BYTES - size + 1)
    fill = Filler(stream, kept=(BASE, INDEX))
    form = stream.randrange(8)
    if form == 0:  # sixteen bits, scaled
        if len(kind) == 2:
            return fill(f"{name}.n {{l}}, [r7, r5]"), _indexed(stream, target, 0)
        offset = stream.randrange(32) * size
        return fill(f"{name}.n {{l}}, [r7, #{offset}]"), {BASE: target - offset}
    if form == 1:
        return fill(f"{name}.n {{l}}, [r7, r5]"), _indexed(stream, target, 0)
    if form == 2:
        shift = stream.randrange(4)
        return fill(f"{name}.w {{r}}, [r7, r5, lsl #{shift}]"), _indexed(stream, target, shift)
    if form == 3:
        offset = stream.choice((0, 4095, stream.randrange(4096)))
        return fill(f"{name}.w {{r}}, [r7, #{offset}]"), {BASE: target - offset}
    offset = stream.choice((255, 1, stream.randint(1, 255))) * stream.choice((1, -1))
    if form == 4:
        return fill(f"{name} {{r}}, [r7, #{-abs(offset)}]"), {BASE: target + abs(offset)}
    if form == 5:
        return fill(f"{name} {{r}}, [r7, #{offset}]!"), {BASE: target - offset}
    if form == 6:
        return fill(f"{name} {{r}}, [r7], #{offset}"), {BASE: target}
    return fill(f"{name}t {{r}}, [r7, #{abs(offset)}]"), {BASE: target - abs(offset)}


def _indexed(stream: random.Random, target: int, shift: int) -> dict[int, int]:
    index = stream.choice((0, 1, stream.randrange(1000), 0xFFFF_FFFF, stream.getrandbits(32)))
    return {BASE: target - (index << shift) & 0xFFFF_FFFF, INDEX: index}


def double(stream: random.Random) -> Made:
    """LDRD and STRD, at multiples of four (see exclusions.LIMITS)."""
    name = stream.choice(("ldrd", "strd"))
    target = WINDOW + 4 * stream.randrange(WINDOW_WORDS - 1)
    offset = 4 * stream.choice((0, 255, stream.randrange(256))) * stream.choice((1, -1))
    fill = Filler(stream, kept=(BASE,))
    form = stream.choice((f"[r7, #{offset}]", f"[r7, #{offset}]!", f"[r7], #{offset}"))
    base = target if form.startswith("[r7],") else target - offset
    return fill(f"{name} {{u}}, {{u}}, {form}"), {BASE: base}


def multiple(stream: random.Random) -> Made:
    """LDM and STM both ways, with and without write-back, at multiples of four (see exclusions.LIMITS)."""
    name, back = stream.choice(("ldmia", "stmia", "ldmdb", "stmdb")), stream.choice(("", "!"))
    names = _some(stream, [n for n in range(13) if n != BASE] + [14], 2, 13)
    offset = stream.randrange(WINDOW_WORDS - len(names)) if len(names) < WINDOW_WORDS else 0
    base = WINDOW + 4 * (offset + (len(names) if name.endswith("db") else 0))
    return f"{name}.w r7{back}, {{{_list(names)}}}", {BASE: base}


def narrow_multiple(stream: random.Random) -> Made:
    """The sixteen-bit LDM and STM; a load into its own base writes nothing back."""
    names = _some(stream, list(range(7)), 1, 7)
    if stream.random() < 0.3:
        return f"ldm.n r7, {{{_list([*names, BASE])}}}", {BASE: WINDOW + 4 * stream.randrange(8)}
    name = stream.choice(("ldm", "stm"))
    return f"{name}.n r7!, {{{_list(names)}}}", {BASE: WINDOW + 4 * stream.randrange(8)}


def stack(stream: random.Random) -> Made:
    """PUSH, POP and what else goes by SP, with SP in the window for that long."""
    low = _list(_some(stream, list(range(8)), 1, 6))
    wide = _list([*_some(stream, list(range(10)), 2, 6), 14])
    inside = stream.choice(
        (
            f"push {{{low}}}\npop {{{_list([0, 1])}}}",
            f"push {{{low}, lr}}\npop {{r2, r3}}",
            f"push.w {{{wide}}}\npop.w {{{wide}}}",
            f"push.w {{{wide}}}",
            f"pop.w {{{wide}}}",
            f"pop {{{low}}}",
            "str r3, [sp, #-4]!\nldr r4, [sp], #4",
            f"str r1, [sp, #{4 * stream.randrange(6)}]\nldr r2, [sp, #{4 * stream.randrange(6)}]",
            f"ldr.w r2, [sp, #{stream.randrange(28)}]\nstrb r2, [sp, #{stream.randrange(28)}]",
            f"add r2, sp, #{4 * stream.randrange(256)}\nsub sp, #{4 * stream.randrange(8)}\nstr r2, [sp]",
            f"add sp, #{4 * stream.randrange(6)}\nadd r1, sp\nadd.w r3, sp, r4, lsl #2\nsub.w r5, sp, #77",
            "and r1, r1, #15\nadd sp, r1\nmov r4, sp\nmov sp, r2",  # SP[1:0] ignores what is written
        )
    )
    if inside.endswith("mov sp, r2"):
        return f"mov r12, sp\n{inside}\nmov r11, sp\nmov sp, r12", {}
    return f"mov r12, sp\nmov sp, r10\n{inside}\nmov r11, sp\nmov sp, r12", {10: WINDOW + 32}


def exclusive(stream: random.Random) -> Made:
    """LDREX, STREX and CLREX: with and without a reservation."""
    kind = stream.choice(("", "b", "h"))
    at = stream.randrange(15) * 4 + (stream.randrange(20) == 0)  # it refuses to be unaligned
    offset = ", #4" if kind == "" and stream.random() < 0.5 else ""
    fill = Filler(stream, kept=(BASE,))
    first, second, third = fill("{u}"), fill("{u}"), fill("{u}")
    load, store = f"ldrex{kind} {first}, [r7{offset}]", f"strex{kind} {second}, {third}, [r7{offset}]"
    text = stream.choice(
        (
            f"{load}\n{store}",
            f"{load}\nclrex\n{store}",
            f"clrex\n{store}",
            f"{load}\n{store}\n{store.replace(second, first, 1)}",
        )
    )
    return text, {BASE: WINDOW + at - (4 if offset and at >= 4 else 0)}


def literal(stream: random.Random) -> Made:
    """Loads from beside the code."""
    fill = Filler(stream)
    name = stream.choice(("ldr.w", "ldrb.w", "ldrh.w", "ldrsb.w", "ldrsh.w"))
    value = stream.getrandbits(32)
    if stream.random() < 0.3:
        return fill(
            f"ldrd {{u}}, {{u}}, 1f\nb 2f\n.balign 4\n1: .word {value}, {value ^ 0x5A5A5A5A}\n2: nop"
        ), {}
    return fill(f"{name} {{r}}, 1f\nb 2f\n.balign 4\n1: .word {value}\n2: nop"), {}


def conditional(stream: random.Random) -> Made:
    """Loads and stores in an IT block, before and behind what changes the flags."""
    fill = Filler(stream, kept=(BASE,))
    chosen = stream.randrange(len(CONDITIONS))
    condition, other = CONDITIONS[chosen], CONDITIONS[chosen ^ 1]
    letters = stream.choice(("t", "te", "tt", "tet", "tte", "tett", "teet", "tttt"))
    texts = [f"it{letters[1:]} {condition}"]
    for letter in letters:
        name = condition if letter == "t" else other
        offset = stream.randrange(40)
        texts.append(
            stream.choice(
                (
                    f"ldr{name}.w {{r}}, [r7, #{offset}]",
                    f"str{name}.w {{r}}, [r7, #{offset}]",
                    f"ldrsb{name}.w {{r}}, [r7, #{offset}]",
                    f"strh{name}.w {{r}}, [r7, #{offset}]",
                    f"stm{name}.w r7, {{{{r1, r4, r6}}}}",
                    f"cmp{name}.w {{r}}, {{r}}",
                    f"add{name}.w {{r}}, {{r}}, #1",
                )
            )
            .replace("{{", "{")
            .replace("}}", "}")
        )
    return fill("\n".join([*texts, "b 1f", "nop", "1: add.w {r}, {r}, #3"])), {BASE: WINDOW + 16}


MAKERS = (
    single,
    single,
    single,
    single,
    double,
    multiple,
    narrow_multiple,
    stack,
    exclusive,
    literal,
    conditional,
)


def _some(stream: random.Random, numbers: list[int], least: int, most: int) -> list[int]:
    return sorted(stream.sample(numbers, stream.randint(least, min(most, len(numbers)))))


def _list(numbers: list[int]) -> str:
    return ", ".join("lr" if number == 14 else f"r{number}" for number in numbers)
