"""Lets calls of pure functions be executed once for each input, and answers repetitions with what came out
then.

A power-fail sweep has the same image verified thousands of times. Here the first call with some input is
executed, every instruction of it; the next one with the same input gets the same output and takes the same
time, and one in so many is executed again and compared. What differs is what such a call leaves in memory
below the stack pointer and in the registers that a caller must not rely on.

A breakpoint instruction stands in the flash where a function begins, and while one is executed, where it
returns to.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hil.errors import BenchError
from hil.virtual.kernel import Kernel
from hil.virtual.soc.cpu import Cpu
from hil.virtual.soc.memory import Memory

_BREAKPOINT = bytes((0x00, 0xBE))
LARGEST = 1 << 20
"""Bytes of one argument; a call with more is executed each time."""


@dataclass(frozen=True)
class Part:
    """Memory that an argument points to: of `size` bytes, or of as many as argument `size_in` says."""

    argument: int
    size: int = 0
    size_in: int | None = None


@dataclass(frozen=True)
class Pure:
    """A function whose outputs are up to its inputs alone.

    Arguments are those of the AAPCS, each one word: 0 to 3 in R0 to R3, further ones on the stack; the result
    is in R0.
    """

    reads: tuple[Part, ...]
    writes: tuple[Part, ...] = ()
    returns: bool = False
    values: tuple[int, ...] = ()
    """Arguments that are inputs by their value."""

    @property
    def arguments(self) -> int:
        """How many arguments are looked at."""
        parts = (*self.reads, *self.writes)
        named = [*self.values, *(p.argument for p in parts), *(p.size_in or 0 for p in parts)]
        return max(named, default=-1) + 1


@dataclass
class _Running:
    """A call that is being executed."""

    entry: int
    key: tuple[object, ...]
    back: int
    covered: bytes
    outputs: list[tuple[int, int]]
    began: int


@dataclass(frozen=True)
class _Result:
    value: int
    outputs: list[bytes]
    ticks: int


class Remembered:
    """`functions` by address. `again` is the share (0 to 1) of repetitions that are executed and compared.

    `on_read` is told the range of memory that an answered call would have read.
    """

    def __init__(
        self,
        kernel: Kernel,
        cpu: Cpu,
        memory: Memory,
        functions: Mapping[int, Pure],
        on_read: Callable[[int, int], None],
        again: float = 0.01,
        seed: int = 0,
    ) -> None:
        self._kernel, self._cpu, self._memory = kernel, cpu, memory
        self._functions = dict(functions)
        self._on_read = on_read
        self.again = again
        """Share (0 to 1) of the repetitions that are executed and compared."""
        self._random = random.Random(seed)
        self._results: dict[tuple[object, ...], _Result] = {}
        self._covered: dict[int, bytes] = {}
        self._running: list[_Running] = []
        """Calls that are being executed, the innermost last."""
        self.executed = 0
        """Calls that were executed."""
        self.answered = 0
        """Calls that were answered from memory."""
        self.compared = 0
        """Of those executed, repetitions whose outputs were compared."""
        for address in self._functions:
            self._covered[address] = memory.read(address, 2)
        cpu.hook_calls(self._at_breakpoint, len(self._functions))

    def forget_interrupted(self) -> None:
        """A new start, all memory put back: calls that were being executed when the former one ended will not
        return.
        """
        self._running.clear()

    def reset(self) -> None:
        """The device was reset: calls that were being executed will not return, and may be made again."""
        while self._running:
            self._put_back(self._running.pop())

    def begin(self) -> None:
        """Put the breakpoints in place."""
        for address in self._functions:
            self._memory.write(address, _BREAKPOINT)

    def _at_breakpoint(self, address: int) -> bool:
        if self._running and address == self._running[-1].back:
            self._returned(self._running.pop())
            return True
        function = self._functions.get(address)
        if function is None:
            return False
        self._called(address, function)
        return True

    def _called(self, address: int, function: Pure) -> None:
        cpu = self._cpu
        arguments = [cpu.read_register(number) for number in range(4)]
        if function.arguments > 4:
            stack = self._memory.read(cpu.read_register(13), 4 * (function.arguments - 4))
            arguments += struct.unpack(f"<{function.arguments - 4}I", stack)
        reads = [_range(part, arguments) for part in function.reads]
        outputs = [_range(part, arguments) for part in function.writes]
        back = cpu.read_register(14)
        if any(size > LARGEST for _, size in (*reads, *outputs)):
            raise BenchError(f"the call of 0x{address:x} names {max(size for _, size in reads)} bytes")
        values = tuple(arguments[number] for number in function.values)
        key = (address, values, tuple(self._memory.read(at, size) for at, size in reads))
        known = self._results.get(key)
        if known is not None and self._random.random() >= self.again:
            self.answered += 1
            for at, size in reads:
                self._on_read(at, size)
            for (at, _), data in zip(outputs, known.outputs, strict=True):
                self._memory.write(at, data)
            if function.returns:
                cpu.write_register(0, known.value)
            cpu.go_to(back)
            cpu.stall(known.ticks)
            return
        # It is executed: its first instruction is put back, and where it returns to a breakpoint stops it.
        self.executed += 1
        self._memory.write(address, self._covered[address])
        at = back & ~1
        covered = self._memory.read(at, 2)
        self._running.append(_Running(address, key, at, covered, outputs, self._kernel.now))
        self._memory.write(at, _BREAKPOINT)

    def _put_back(self, running: _Running) -> None:
        self._memory.write(running.back, running.covered)
        self._memory.write(running.entry, _BREAKPOINT)

    def _returned(self, running: _Running) -> None:
        self._put_back(running)
        result = _Result(
            self._cpu.read_register(0) if self._functions[running.entry].returns else 0,
            [self._memory.read(at, size) for at, size in running.outputs],
            self._kernel.now - running.began,
        )
        known = self._results.setdefault(running.key, result)
        if known is not result:
            self.compared += 1
            if (known.value, known.outputs) != (result.value, result.outputs):
                raise BenchError(
                    f"the function at 0x{running.entry:x} is not pure: the same input gave another output"
                )


def _range(part: Part, arguments: list[int]) -> tuple[int, int]:
    size = part.size if part.size_in is None else arguments[part.size_in]
    return arguments[part.argument], size
