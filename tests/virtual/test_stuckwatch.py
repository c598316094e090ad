"""Firmware that goes round in one place is found there; firmware that works or sleeps is left alone."""

from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.kit import Kit
from hil.virtual.stuckwatch import LOOP_BYTES, StuckReport, StuckWatch
from tests.virtual.soc.program import compile_program


class Watched:
    """A kit with a program, looked at every 60 ms."""

    def __init__(self, program: str) -> None:
        self.kernel = Kernel(1)
        self.kit = Kit(self.kernel)
        self.kit.soc.memory.write(0, compile_program(program))
        self.stuck: list[StuckReport] = []
        self.bitten: list[int | None] = []
        self.watch = StuckWatch(self.kit.soc, self.stuck.append, self.bitten.append)
        self.kit.rail.set_voltage(3.0)

    def run(self, milliseconds: int) -> None:
        for _ in range(milliseconds // 60):
            self.kernel.advance(self.kernel.now + 60 * TICKS_PER_MS)
            self.watch.poll()


def test_a_wait_for_what_never_comes_is_told_once() -> None:
    watched = Watched("void main(void) { R(0x20000100) = 0; while (!R(0x20000100)) {} }")
    watched.run(900)
    assert watched.stuck == [], "it may take that long"
    watched.run(3000)
    (report,) = watched.stuck
    assert 0 < report.high - report.low < LOOP_BYTES
    assert report.low <= report.registers["pc"] <= report.high
    assert report.seconds == pytest.approx(1.14)
    assert "for 1.1 s" in report.lines()[0]
    assert "going round between" in report.lines()[0]


def test_firmware_that_sleeps_is_not_stuck() -> None:
    watched = Watched("void main(void) {}")
    watched.run(6000)
    assert watched.stuck == []


def test_firmware_that_waits_for_its_flash_operations_is_not_stuck() -> None:
    watched = Watched(
        "void main(void) { for (uint32_t page = 0x40000; page < 0x80000; page += 4096) { R(0x4001E504) = 2;"
        " R(0x4001E508) = page; while (!R(0x4001E400)) {} R(0x4001E504) = 1;"
        " for (uint32_t word = page; word < page + 4096; word += 4) { R(word) = word; while (!R(0x4001E400)) {} } } }"
    )
    watched.run(6000)
    assert watched.kit.soc.memory.read(0x50000, 4) == (0x50000).to_bytes(4, "little"), "it works"
    assert watched.stuck == []


def test_a_watchdog_reset_is_told_with_the_place() -> None:
    watched = Watched(
        "void main(void) { R(0x40000008) = 1; R(0x40010504) = 32768 / 4; R(0x40010508) = 1; R(0x40010000) = 1;"
        ' for (;;) ASM(""); }'
    )
    watched.run(1200)
    assert len(watched.bitten) >= 2
    image = compile_program("void main(void) {}")
    assert all(place is not None and 0x100 <= place < len(image) + 0x200 for place in watched.bitten)
