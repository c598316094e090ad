"""Repeats one path of a sweep, cut by cut: the console, what the flash holds, and the code at each cut."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import capstone

from hil.errors import InputError
from hil.rig.machine import FLASH_PAGE, Operation, Settled, open_machine
from hil.rig.schema import RigFile
from hil.sweep.content import Base, Content
from hil.sweep.result import FORMAT, point_of
from hil.sweep.scenario import Scenario
from hil.sweep.tears import AFTER, Point, after, torn
from hil.sweep.trace import apply

AROUND = 6
"""Instructions that are shown before and after that of a cut."""


@dataclass(frozen=True)
class Step:
    """One start of the device, and the cut that ended it; `cut` is None for one that was left to settle."""

    number: int
    console: str
    settled: Settled | None
    cut: Point | None
    operation: Operation | None
    changed: list[tuple[int, bytes, bytes]]
    """Address, content before and content after of the stretches that differ, at most 16 bytes each."""
    code: list[str]
    """The instructions around that of the cut operation."""
    content: Content
    """What the flash holds when the step is over."""


def path_of(found: Any, number: int) -> list[dict[str, Any]]:
    """The path of violation `number`, counted from 1, of a sweep's result. Raises InputError."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError("not a result of hil sweep: expected its sweep.json")
    violations = found.get("violations")
    if not isinstance(violations, list) or not 1 <= number <= len(violations):
        count = len(violations) if isinstance(violations, list) else 0
        raise InputError(f"violation {number}: the sweep wrote down {count}")
    path = violations[number - 1].get("path") if isinstance(violations[number - 1], dict) else None
    if not isinstance(path, list) or not all(_is_sound(step) for step in path):
        raise InputError(f"violation {number}: its path is damaged")
    return path


def _is_sound(step: Any) -> bool:
    return (
        isinstance(step, dict)
        and step.get("reading") in (0, 1)
        and isinstance(step.get("operation"), int)
        and step["operation"] >= 0
        and step.get("point") in ("reset", "torn", "after")
        and isinstance(step.get("depth"), int | float)
        and 0 <= step["depth"] <= 1
    )


def check_same(found: dict[str, Any], scenario: Scenario) -> None:
    """Raises InputError when the scenario is not the one of the sweep: another firmware does other things."""
    flash = hashlib.sha256(scenario.flash).hexdigest()
    if found.get("flash") != flash:
        raise InputError(
            f"the sweep began with other flash content than scenario {scenario.name} has now: "
            f"firmware {str(found.get('firmware'))[:16]}, now {scenario.firmware[:16]}"
        )


def replay(rig: RigFile, scenario: Scenario, path: list[dict[str, Any]], seed: int) -> Iterator[Step]:
    """Each step of the path, then the start that follows it. Raises InputError where the device does
    something else.
    """
    printed = bytearray()
    machine = open_machine(rig, scenario.flash, scenario.fixed, printed.extend, uicr=scenario.uicr)
    content = Content(Base(scenario.flash, scenario.uicr))
    for number, step in enumerate(path, start=1):
        point = point_of(step)
        readings = content.readings()
        printed.clear()
        start = _Start(content, step["operation"] if point is not None else None)
        settled = machine.boot(
            readings[min(step["reading"], len(readings) - 1)], start.operation, lambda page: None
        )
        done, reached = start.content, start.reached
        if point is not None:
            _check(number, step, start)
            assert reached is not None
            done = _cut(machine, done, reached, point, seed)
        yield Step(
            number,
            printed.decode("utf-8", "replace"),
            settled if point is None else None,
            point,
            reached,
            _changed(content, done),
            disassembly(scenario.flash, reached.pc) if reached is not None else [],
            done,
        )
        content = done
    printed.clear()
    last = _Start(content, None)
    settled = machine.boot(content.readings()[0], last.operation, lambda page: None)
    yield Step(
        len(path) + 1,
        printed.decode("utf-8", "replace"),
        settled,
        None,
        None,
        _changed(content, last.content),
        disassembly(scenario.flash, settled.pc),
        last.content,
    )


class _Start:
    """Follows a start to an operation, or to its end."""

    def __init__(self, content: Content, stop_at: int | None) -> None:
        self.content = content.copy()
        self.reached: Operation | None = None
        self.index = 0
        self._stop_at = stop_at

    def operation(self, found: Operation) -> bool:
        if self.index == self._stop_at:
            self.reached = found
            return True
        apply(self.content, found)
        self.index += 1
        return False


def _check(number: int, step: dict[str, Any], start: _Start) -> None:
    """Raises InputError when the device is not at the operation that the path says."""
    reached = start.reached
    words = step.get("words")
    if reached is None:
        raise InputError(
            f"step {number}: the device begins {start.index} flash operations only, expected: {words}"
        )
    if (reached.address, reached.kind) != (step.get("address"), step.get("kind")):
        found = f"{reached.kind} at 0x{reached.address:05x}"
        raise InputError(f"step {number}: operation {start.index} is {found}, expected: {words}")


def _cut(machine: Any, content: Content, operation: Operation, point: Point, seed: int) -> Content:
    if point == AFTER:
        return after(content, operation)
    for each, cut in torn(machine, content, operation, (point.depth,), seed):
        if each == point:
            return cut
    return content


def _changed(before: Content, now: Content) -> list[tuple[int, bytes, bytes]]:
    found: list[tuple[int, bytes, bytes]] = []
    for page in sorted(before.pages.keys() | now.pages.keys()):
        old, new = before.page(page), now.page(page)
        at = 0
        while at < FLASH_PAGE and len(found) < 64:
            if old[at] != new[at]:
                start = at & ~3
                found.append((page * FLASH_PAGE + start, old[start : start + 16], new[start : start + 16]))
                at = start + 16
            else:
                at += 1
    return found


def disassembly(flash: bytes, pc: int) -> list[str]:
    """The Thumb instructions around an address, that one marked; empty outside of the flash."""
    if not 0 <= pc < len(flash) - 4:
        return []
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    # Instructions have 2 or 4 bytes: of the places to begin at, one that meets the address is taken.
    for begin in range(max(0, pc - 4 * AROUND), pc + 2, 2):
        lines = list(engine.disasm(flash[begin : pc + 4 * AROUND], begin))
        at = next((index for index, each in enumerate(lines) if each.address == pc), None)
        if at is not None and at >= min(AROUND, 3):
            chosen = lines[max(0, at - AROUND) : at + AROUND + 1]
            return [
                f"{'>' if each.address == pc else ' '} 0x{each.address:05x}  {each.mnemonic:8} {each.op_str}"
                for each in chosen
            ]
    return []
