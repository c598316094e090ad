"""Writes a rig file for people out of what was found and answered: commented, and complete enough to be loaded."""

from __future__ import annotations

import contextlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hil import bundled
from hil.discovery import Found
from hil.errors import InputError
from hil.rig import files

HCI_BAUD = 1_000_000
"""bit/s of an HCI controller on a serial port, as Zephyr's hci_uart has it."""
CONSOLE_BAUD = 115_200
SAFE_VOLTS = 3.6
"""The most that an nRF52 stands at VDD in operation, V (nRF52840 Product Specification, recommended operating
conditions). No voltage above it is ever suggested.
"""


FIRST = "nrf52840"


@dataclass(frozen=True)
class Part:
    """A device that comes with hil as a part to include."""

    include: str
    path: Path
    name: str
    soc: str
    bundled_firmware: bool


@dataclass(frozen=True)
class SupplyAnswer:
    """A supply, where it is, and its limits: `where` is a VISA resource, or the serial port of a kit or relay.

    A relay switches what something else supplies, and limits no current.
    """

    driver: Literal["scpi", "ppk2", "relay"]
    where: str
    baud: int | None
    nominal_volts: float
    max_volts: float
    max_amperes: float | None


@dataclass(frozen=True)
class Answers:
    """What a new rig file shall say. `own_map` copies the device's part into the file, to be changed there."""

    name: str
    device: Part
    own_map: bool
    probe: Found | None
    supply: SupplyAnswer | None
    central: Found | None
    console: Found | None


def parts() -> list[Part]:
    """The devices that come with hil. First those that hil writes nothing to unless asked."""
    found = []
    for path in sorted((bundled.rigs() / "common").glob("*.toml")):
        device = tomllib.loads(path.read_text(encoding="utf-8")).get("device", {})
        if "name" in device:
            firmware = device.get("firmware", "bundled") == "bundled"
            found.append(
                Part(f"hil:common/{path.name}", path, device["name"], device["soc"].lower(), firmware)
            )
    # The nRF52840 first: most of what hil knows of a chip is of this one.
    return sorted(found, key=lambda part: (part.bundled_firmware, part.soc != FIRST, part.name))


def text(answers: Answers) -> str:
    """The rig file."""
    virtual = answers.probe is not None and answers.probe.mark == "virtual"
    kind = (
        ("served", "a virtual kit in another process: no evidence about hardware")
        if virtual
        else ("real", "hardware")
    )
    lines = [
        "# Written by `hil rigs new`. All keys that there are: `hil rigs keys`. Next: `hil rigs check` with this file.",
        *(
            []
            if answers.own_map
            else [_line("include", [answers.device.include], "the device: what is on the board")]
        ),
        _line("schema", 1, "version of the schema of rig files"),
        _line("name", answers.name, "the rig's name in reports"),
        _line("bench", *kind),
        "",
    ]
    if answers.own_map:
        whole = answers.device.path.read_text(encoding="utf-8")
        lines += ["# The device, to begin with: put the flash map of your own board here."]
        lines += [*whole[whole.index("[device]") :].splitlines(), ""]
    for table in (
        _probe(answers.probe, answers.device.soc),
        _supply(answers.supply),
        _central(answers.central),
        _console(answers.console),
    ):
        lines += [*table, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _probe(found: Found | None, soc: str) -> list[str]:
    if found is None:
        return ["# No [probe]: cases that write or read the flash are skipped."]
    return [
        "[probe]",
        f"# {comment(found.text)}",
        _line("driver", "pyocd", "CMSIS-DAP, J-Link and ST-Link probes"),
        _line("target", found.target or soc, "pyOCD's name of the chip; `pyocd list --targets`"),
        _line("unique_id", found.address, "serial number; `pyocd list`"),
        _line("auto_unlock", False, "true would erase a locked chip without asking"),
    ]


def _supply(supply: SupplyAnswer | None) -> list[str]:
    if supply is None:
        return ["# No [supply]: cases that cut the power are skipped."]
    amperes = supply.max_amperes
    baud = [] if supply.baud is None else [_line("baud", supply.baud, "bit rate of the serial port, bit/s")]
    limits = [
        _line("nominal_volts", supply.nominal_volts, "where a case begins, V"),
        _line("max_volts", supply.max_volts, "no case can set more, V"),
    ]
    if supply.driver == "scpi":
        what = [
            _line("driver", "scpi", "a supply that speaks SCPI"),
            _line("resource", supply.where, "its VISA resource"),
            *baud,
            _line("channel", 1, "which of its outputs"),
        ]
        limits.append(_line("max_amperes", amperes or 0.0, "current limit set on the instrument, A"))
    elif supply.driver == "ppk2":
        what = [
            _line("driver", "ppk2", "Power Profiler Kit II as source meter, 0.8 to 5 V"),
            _line("port", supply.where, "the first of its serial ports"),
        ]
        limits.append(_line("max_amperes", amperes or 0.0, "a mean above this over 10 ms switches off, A"))
    else:
        what = [
            _line("driver", "relay", "switches what something else supplies"),
            _line("port", supply.where, "its serial port"),
            *baud,
            _line("channel", 1, "which relay; on_message and off_message for a board of another kind"),
        ]
    return ["[supply]", *what, *limits]


def _central(found: Found | None) -> list[str]:
    if found is None:
        return ["# No [central]: cases that update over Bluetooth LE are skipped."]
    head = ["[central]", f"# {comment(found.text)}"]
    if found.kind == "adapter":
        which = [_line("adapter", found.address, "which one")] if found.address else []
        return [
            *head,
            _line("driver", "os", "the system's adapter: its PHY and interval cannot be set"),
            *which,
        ]
    transport = found.address if found.kind == "hci" else f"serial:{found.address},{HCI_BAUD}"
    return [
        *head,
        _line("driver", "bumble", "an HCI controller of our own"),
        _line("transport", transport, "where it is"),
    ]


def _console(found: Found | None) -> list[str]:
    if found is None:
        return ["# No [console]: cases that read the device's log are skipped."]
    return [
        "[console]",
        f"# {comment(found.text)}",
        _line("driver", "serial", "a UART"),
        _line("port", found.address, "where it is"),
        _line("baud", CONSOLE_BAUD, "bit/s, as the firmware has it"),
    ]


def _line(key: str, value: str | float | list[str], about: str) -> str:
    if isinstance(value, bool):
        told = str(value).lower()
    elif isinstance(value, list):
        told = f"[{', '.join(map(quoted, value))}]"
    else:
        told = quoted(value) if isinstance(value, str) else repr(value)
    return f"{f'{key} = {told}':<31} # {about}"


def quoted(value: str) -> str:
    """A TOML string of a text, in which nothing is taken for an environment variable."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${")
    return '"' + "".join(each if each.isprintable() else f"\\U{ord(each):08X}" for each in escaped) + '"'


def comment(value: str) -> str:
    """A text that cannot leave its comment."""
    return "".join(each if each.isprintable() else " " for each in value)


def write(path: Path, content: str, *, replace: bool) -> None:
    """Write the file as a whole or not at all. It is loaded from beside its place before it is put there.

    Raises InputError when there is a file already and `replace` is false, or the folder cannot be written to.
    """
    draft = path.with_name(f".{path.stem}.{os.getpid()}.toml")
    try:
        _create(draft, content)
        files.load(str(draft.absolute()), check_paths=False)
        if replace:
            draft.replace(path)
        else:
            _create(path, content)
    except FileExistsError:
        raise InputError(f"{path}: exists already; name another file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _create(path: Path, content: str) -> None:
    """Write a file that was not there, or leave none."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            path.unlink()
            raise
