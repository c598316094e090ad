"""Fills templates of instructions in: `{name}` and `{name:low:high}` become registers and numbers.

A register that must differ from others of its case (else the result is UNPREDICTABLE) is written `{u}`: no two
of a case are the same. `{r}` is any of R0 to R12, `{l}` any of R0 to R7. `{cond}` and `{c}` are the one condition of
the case, `{o}` is its opposite.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
_FIELD = re.compile(r"\{(\w+)(?::(-?\d+):(-?\d+))?\}")


class Filler:
    """Draws what the fields of one case stand for from a stream."""

    def __init__(self, stream: random.Random, kept: tuple[int, ...] = ()) -> None:
        self._stream = stream
        self._condition = stream.choice(CONDITIONS)
        self._unique = [number for number in range(13) if number not in kept]
        self._any = list(self._unique)
        stream.shuffle(self._unique)
        self._fields: dict[str, Callable[[], str]] = {
            "r": lambda: f"r{stream.choice(self._any)}",
            "u": lambda: f"r{self._unique.pop()}",
            "l": lambda: f"r{stream.choice([number for number in self._any if number < 8])}",
            "s": lambda: f"s{stream.randrange(32)}",
            "d": lambda: f"d{stream.randrange(16)}",
            "set": lambda: stream.choice(("", "s")),
            "cond": lambda: self._condition,
            "shift": self._shift,
            "imm": self._modified_immediate,
            "rotate": lambda: stream.choice(("", ", ror #8", ", ror #16", ", ror #24")),
            "pair": self._two_singles,
        }

    def __call__(self, template: str) -> str:
        return _FIELD.sub(self._field, template)

    def _field(self, match: re.Match[str]) -> str:
        name, low, high = match.groups()
        if name in ("c", "o"):  # the condition of the case, and its opposite
            return CONDITIONS[CONDITIONS.index(self._condition) ^ (name == "o")]
        if name == "i":
            return str(self._stream.randint(int(low), int(high)))
        if name == "bits":  # a bit field: #lsb, #width
            lsb = self._stream.randrange(32)
            return f"#{lsb}, #{self._stream.randint(1, 32 - lsb)}"
        return self._fields[name]() if name in self._fields else match.group()  # {r3} is a list of registers

    def _shift(self) -> str:
        kind = self._stream.choice(("lsl", "lsr", "asr", "ror", "rrx", ""))
        if kind in ("", "rrx"):
            return f", {kind}" if kind else ""
        low, high = (0, 31) if kind == "lsl" else (1, 31) if kind == "ror" else (1, 32)
        return f", {kind} #{self._stream.choice((low, high, self._stream.randint(low, high)))}"

    def _modified_immediate(self) -> str:
        """A constant of A5.3.2: a byte, its repetitions, or a byte with its top bit set, rotated."""
        byte = self._stream.choice((0, 1, 0x7F, 0x80, 0xFF, self._stream.randrange(256)))
        kind = self._stream.randrange(5)
        if kind < 4:
            return f"#0x{(byte, byte * 0x10001, byte * 0x1000100, byte * 0x1010101)[kind]:x}"
        return f"#0x{(byte | 0x80) << self._stream.randrange(1, 25):x}"

    def _two_singles(self) -> str:
        first = self._stream.randrange(31)
        return f"s{first}, s{first + 1}"
