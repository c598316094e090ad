"""Compares what a program left on two machines, and names the instruction of each difference."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.differential.case import Case
from tests.differential.exclusions import ignored_bits
from tests.differential.machine import Outcome
from tests.differential.program import Program

SHOWN = 12


def differences(program: Program, image: bytes, ours: Outcome, theirs: Outcome) -> list[str]:
    """One text for each case that differs; empty when the machines agree."""
    found = [f"{outcome.machine}: {outcome.trouble}" for outcome in (ours, theirs) if not outcome.finished]
    found += [
        f"{outcome.machine} stopped in case {outcome.progress}: {program.cases[outcome.progress].text!r}"
        for outcome in (ours, theirs)
        if not outcome.finished and outcome.progress < len(program.cases)
    ]
    done = min(outcome.progress for outcome in (ours, theirs))
    addresses = _addresses(program, image)
    pairs = zip(program.records(ours.results), program.records(theirs.results), strict=True)
    for number, (left, right) in enumerate(pairs):
        if number >= done:
            break
        case = program.cases[number]
        changed = list(_changed(program, case, left, right))
        if changed:
            found.append(_describe(program, number, addresses, image, changed))
    return found


def report(program: Program, found: list[str]) -> str:
    """The differences as one text, of which not all are shown if there are many."""
    rest = f"\n... and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{program.name}: {len(found)} of {len(program.cases)} differ\n" + "\n".join(found[:SHOWN]) + rest


def _changed(
    program: Program, case: Case, left: tuple[int, ...], right: tuple[int, ...]
) -> Iterator[tuple[str, int, int]]:
    for field, ours, theirs in zip(program.fields, left, right, strict=True):
        if (ours ^ theirs) & ~ignored_bits(case, field):
            yield field, ours, theirs


def _addresses(program: Program, image: bytes) -> list[int]:
    """Where each case lies: the table ends where the inputs begin, and those are known."""
    at = image.find(program.inputs()) - 4 * len(program.cases)
    return [word & ~1 for word in struct.unpack_from(f"<{len(program.cases)}I", image, at)]


def _describe(
    program: Program, number: int, addresses: list[int], image: bytes, changed: list[tuple[str, int, int]]
) -> str:
    case, start = program.cases[number], addresses[number]
    end = addresses[number + 1] if number + 1 < len(addresses) else start + 24
    code = image[start : min(end, start + 40)].hex(" ", 2)
    inputs = [f"APSR={case.flags:08x}", *(f"R{n}={value:08x}" for n, value in enumerate(case.registers))]
    if program.floats:
        inputs += [f"FPSCR={case.fpscr:08x}", *(f"S{n}={value:08x}" for n, value in enumerate(case.floats))]
    used = [text for text in inputs if _is_used(text.partition("=")[0], case)]
    return "\n".join(
        [
            f"case {number} at 0x{start:08x}: {case.text!r}",
            f"  code {code}",
            f"  in   {' '.join(used)}",
            *(f"  {field}: kit 0x{ours:08x}, qemu 0x{theirs:08x}" for field, ours, theirs in changed),
        ]
    )


def _is_used(name: str, case: Case) -> bool:
    """Whether a register is worth showing: it is in the text, or always of interest."""
    return name in ("APSR", "FPSCR") or name.lower() in case.text.replace(",", " ").replace("}", " ").split()
