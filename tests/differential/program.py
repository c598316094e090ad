"""A program of cases: its source, its binary, and how to read what it left in memory."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from pathlib import Path

from tests.differential import operands
from tests.differential.case import WINDOW_WORDS, Case
from tests.differential.image import compile_image
from tests.differential.layout import RESULTS_SIZE

RUNNER = Path(__file__).with_name("instructions") / "runner.S"
CORE = ("CFSR|HFSR", "APSR", *(f"R{n}" for n in range(13)), "LR", "SP")
FLOATS = ("FPSCR", *(f"S{n}" for n in range(32)))
MEMORY = tuple(f"[window+0x{4 * n:02x}]" for n in range(WINDOW_WORDS))


@dataclass(frozen=True)
class Program:
    """Cases of one kind; all of them record the same things."""

    name: str
    cases: tuple[Case, ...]
    floats: bool = False
    windows: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the words of one case's record."""
        return (*CORE, *(FLOATS if self.floats else ()), *(MEMORY if self.windows else ()))

    def image(self) -> bytes:
        """The binary. Raises AssertionError with what the compiler said."""
        assert len(self.cases) * len(self.fields) * 4 <= RESULTS_SIZE, f"{self.name}: too many cases"
        source = self.source()
        return compile_image(
            {"program.S": source, "runner.inc": RUNNER.read_text(), "inputs.bin": self.inputs()}
        )

    def source(self) -> str:
        head = f"#define CASES {len(self.cases)}\n#define FLOATS {int(self.floats)}\n"
        head += f'#define WINDOWS {int(self.windows)}\n#include "runner.inc"\n'
        body = ['    .section .cases, "ax"\n    .thumb\n']
        for number, case in enumerate(self.cases):
            body.append(f"    .balign 4\n    .thumb_func\ncase_{number}:\n{case.text}\n    b.w case_return\n")
            if number % 64 == 63:
                body.append("    .ltorg\n")
        table = "".join(f"    .word case_{number}\n" for number in range(len(self.cases)))
        return (
            f'{head}{"".join(body)}\n    .section .rodata, "a"\n    .balign 4\n    .globl case_table\n'
            f'case_table:\n{table}case_inputs:\n    .incbin "inputs.bin"\n'
        )

    def inputs(self) -> bytes:
        words: list[int] = []
        for case in self.cases:
            if self.windows:
                words += case.window
            if self.floats:
                words += (case.fpscr, *case.floats)
            words += (case.flags, *case.registers)
        return struct.pack(f"<{len(words)}I", *(word & operands.WORD for word in words))

    def records(self, results: bytes) -> list[tuple[int, ...]]:
        """What each case left, in the order of `fields`."""
        size = len(self.fields)
        words = struct.unpack_from(f"<{size * len(self.cases)}I", results)
        return [words[at : at + size] for at in range(0, len(words), size)]


def random_case(
    stream: random.Random,
    text: str,
    registers: dict[int, int] | None = None,
    *,
    floats: bool = False,
) -> Case:
    """A case with random operands, but for the `registers` given."""
    values = [operands.word(stream) for _ in range(14)]
    for number, value in (registers or {}).items():
        values[number] = value & operands.WORD
    return Case(
        text,
        tuple(values),
        flags=stream.getrandbits(5) << 27 | stream.getrandbits(4) << 16,
        window=tuple(operands.word(stream) for _ in range(WINDOW_WORDS)),
        floats=tuple(operands.single(stream) for _ in range(32)) if floats else (),
        fpscr=_fpscr(stream) if floats else 0,
    )


def _fpscr(stream: random.Random) -> int:
    """Flags, AHP, DN, FZ and rounding mode, most often the defaults; sticky bits set now and then (A2.5.3)."""
    value = stream.getrandbits(4) << 28 | stream.choice((0, 0, 0, 1, 2, 3)) << 22
    value |= sum(1 << bit for bit in (24, 25, 26) if stream.random() < 0.25)
    return value | (stream.getrandbits(8) & 0x9F if stream.random() < 0.2 else 0)
