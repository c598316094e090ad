"""`hil rigs new`: asks what of the things that are plugged in the bench consists of, and writes a rig file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hil.errors import InputError

if TYPE_CHECKING:
    from hil.discovery import Discovery, Found
    from hil.rig.newfile import Answers, Part, SupplyAnswer

NAME = "desk"
TRIES = 5
"""Answers to one question that make no sense before the command gives up: the input is then no person's."""
SCPI_BAUD = 9600
RELAY_BAUD = 9600
PPK2_VOLTS = 5.0
"""The most that a Power Profiler Kit II gives, V."""

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add `new` to `hil rigs`."""
    app.command("new", short_help="Write a rig file by asking what is plugged in.")(rigs_new)


def rigs_new(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it.  [default: NAME.toml]")
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Ask nothing: take each suggestion, and no supply but a Power Profiler Kit II."
        ),
    ] = False,
) -> None:
    """Look for probes, serial ports, instruments and Bluetooth adapters, ask which of them the bench consists of, and
    write a rig file. Opens none of them, and replaces no file without asking.
    """
    from hil import discovery
    from hil.rig import newfile

    typer.echo("Looking for what is plugged in ...")
    answers, path, replace = ask(Dialog(yes), discovery.find_all(), out)
    newfile.write(path, newfile.text(answers), replace=replace)
    typer.echo(f"\nWrote {path}. Next: hil rigs check {path}")


class Dialog:
    """Questions on standard output, answers from standard input; with `yes` each suggestion is taken."""

    def __init__(self, yes: bool) -> None:
        self.yes = yes

    def choice(self, question: str, options: list[str], suggested: int | None) -> int | None:
        """The index of one of the options, or None for none of them."""
        typer.echo(f"\n{question}")
        for number, option in enumerate(options, start=1):
            typer.echo(f"  {number}) {option}")
        typer.echo("  0) none")

        def understood(answer: str) -> int | None:
            number = int(answer) if re.fullmatch(r"[0-9]{1,3}", answer) else -1
            if answer.lower() == "none":
                number = 0
            if not 0 <= number <= len(options):
                raise ValueError(f"expected a number from 0 to {len(options)}")
            return number - 1 if number else None

        return self._answer("which", "0" if suggested is None else str(suggested + 1), understood)

    def number(self, question: str, suggested: float | None, largest: float) -> float:
        """A number above 0."""

        def understood(answer: str) -> float:
            value = float(answer.replace(",", "."))
            if not (math.isfinite(value) and 0 < value <= largest):
                raise ValueError(f"expected a number above 0 to {largest:g}")
            return value

        return self._answer(question, None if suggested is None else f"{suggested:g}", understood)

    def text(self, question: str, suggested: str, pattern: str, expected: str) -> str:
        """A text of a form."""

        def understood(answer: str) -> str:
            if re.fullmatch(pattern, answer) is None:
                raise ValueError(f"expected {expected}")
            return answer

        return self._answer(question, suggested, understood)

    def sure(self, question: str) -> bool:
        """Whether the answer is yes; the suggestion is no."""
        return self._answer(f"{question} (yes or no)", "no", lambda answer: answer.lower() in ("y", "yes"))

    def _answer(self, question: str, suggested: str | None, understood: Callable[[str], T]) -> T:
        shown = question if suggested is None else f"{question} [{suggested}]"
        if self.yes and suggested is not None:
            typer.echo(f"{shown}: {suggested}")
            return understood(suggested)
        for _ in range(TRIES):
            try:
                given = input(f"{shown}: ").strip()
            except EOFError:
                raise InputError(
                    f'no answer to "{question.strip()}"; answer on standard input, or give --yes'
                ) from None
            try:
                return understood(given or suggested or "")
            except ValueError as error:
                reason = str(error) if str(error).startswith("expected") else "expected a number"
                typer.echo(f"  {reason}")
        raise InputError(f'no answer to "{question.strip()}" that makes sense')


def ask(dialog: Dialog, discovery: Discovery, out: Path | None) -> tuple[Answers, Path, bool]:
    """The answers, the file to write, and whether it may replace one."""
    from hil.rig.newfile import Answers

    for note in discovery.notes:
        typer.echo(f"Note: {note}")
    if not discovery.found:
        typer.echo("Found nothing that is plugged in. A file can be written all the same, to be filled in.")
    name = dialog.text(
        "\nName of the rig",
        _suggested_name(out),
        r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
        '1 to 64 letters, digits, ".", "_" or "-"',
    )
    path = out or Path(f"{name}.toml")
    replace = path.exists() and not dialog.yes and dialog.sure(f"{path} exists already. Replace it?")
    if path.exists() and not replace:
        raise InputError(f"{path}: exists already; name another file with --out")
    if path.suffix != ".toml":
        raise InputError(f"{path}: expected a name that ends in .toml")
    probe = _one(dialog, "Debug probe:", discovery.of("probe"), lambda each: True)
    device, own_map = _device(dialog, probe)
    taken: list[str] = []
    console = _one(
        dialog, "Serial console of the device:", discovery.of("serial"), lambda each: each.mark == "jlink"
    )
    taken += [console.address] if console is not None else []
    supply = _supply(dialog, discovery, taken)
    central = _one(
        dialog,
        "Bluetooth LE controller at the host:",
        [each for each in discovery.of("hci", "adapter", "serial") if each.address not in taken],
        lambda each: each.kind in ("hci", "adapter"),
    )
    return Answers(name, device, own_map, probe, supply, central, console), path, replace


def _suggested_name(out: Path | None) -> str:
    stem = re.sub(r"[^A-Za-z0-9_.-]", "-", out.stem)[:64] if out is not None else NAME
    return stem if stem[:1].isalnum() and stem.isascii() else NAME


def _device(dialog: Dialog, probe: Found | None) -> tuple[Part, bool]:
    from hil.rig import newfile

    parts = newfile.parts()
    options = [
        f"{part.name}{' (cases write its firmware)' if part.bundled_firmware else ' (used as it is)'}"
        for part in parts
    ]
    virtual = probe is not None and probe.mark == "virtual"
    fitting = [index for index, part in enumerate(parts) if part.bundled_firmware == virtual]
    # A probe that is soldered to a chip says which board it is.
    target = probe.target if probe is not None else ""
    suggested = next((index for index in fitting if parts[index].soc == target), fitting[0])
    chosen = dialog.choice(
        "Device (none: a board of your own, whose flash map you fill in):", options, suggested
    )
    # Whoever fills in a map begins with one that nothing is written to.
    return (parts[0], True) if chosen is None else (parts[chosen], False)


def _one(
    dialog: Dialog, question: str, found: list[Found], suggested: Callable[[Found], bool]
) -> Found | None:
    if not found:
        return None
    first = next((index for index, each in enumerate(found) if suggested(each)), None)
    chosen = dialog.choice(question, [_shown(each) for each in found], first)
    return None if chosen is None else found[chosen]


def _shown(found: Found) -> str:
    about = {"ppk2": "Power Profiler Kit II", "jlink": "UART of a J-Link", "virtual": "virtual"}.get(
        found.mark, ""
    )
    return f"{found.text}: {about}" if about else found.text


def _supply(dialog: Dialog, discovery: Discovery, taken: list[str]) -> SupplyAnswer | None:
    from hil.rig.newfile import SupplyAnswer

    kits = [each for each in discovery.of("serial") if each.mark == "ppk2"]
    rest = [each for each in discovery.of("visa", "serial") if each.address not in taken and each not in kits]
    # A kit is there to supply; of anything else it is not known what it feeds, nor whether it is a supply.
    chosen = _one(dialog, "Power supply of the device:", [*kits, *rest], lambda each: each.mark == "ppk2")
    taken += [kit.address for kit in kits]
    if chosen is None:
        return None
    taken.append(chosen.address)
    if chosen.mark == "ppk2":
        nominal, most = _volts(dialog, PPK2_VOLTS)
        amperes = dialog.number("Mean current above which it switches off, A", 0.2, 1)
        return SupplyAnswer("ppk2", chosen.address, None, nominal, most, amperes)
    if chosen.kind == "serial" and dialog.sure("Is it a relay board, and no instrument that speaks SCPI?"):
        baud = int(dialog.number("Its bit rate", RELAY_BAUD, 4_000_000))
        nominal, most = _volts(dialog, 60)
        return SupplyAnswer("relay", chosen.address, baud, nominal, most, None)
    rate = int(dialog.number("Its bit rate", SCPI_BAUD, 4_000_000)) if chosen.kind == "serial" else None
    nominal, most = _volts(dialog, 60)
    amperes = dialog.number("Current limit, A", 0.5, 20)
    resource = f"ASRL{chosen.address}::INSTR" if chosen.kind == "serial" else chosen.address
    return SupplyAnswer("scpi", resource, rate, nominal, most, amperes)


def _volts(dialog: Dialog, largest: float) -> tuple[float, float]:
    """The voltage at which a case begins, and the most that any may set."""
    from hil.rig.newfile import SAFE_VOLTS

    nominal = dialog.number("Voltage at which a case begins, V", 3.0, largest)
    while True:
        limit = SAFE_VOLTS if nominal <= SAFE_VOLTS else None
        most = dialog.number("No case may ever set more than, V", limit, largest)
        if most < nominal:
            typer.echo(f"  expected at least the {nominal:g} V at which a case begins")
        elif most <= SAFE_VOLTS or dialog.sure(
            f"  WARNING: an nRF52 stands at most {SAFE_VOLTS:g} V at VDD. Can the board take {most:g} V?"
        ):
            return nominal, most
