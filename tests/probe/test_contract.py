"""What every probe driver does alike: pyOCD on the virtual kit, Nordic's two tools on stand-ins made from their
documents.

Where a driver cannot do something, the contract is that it says so in one line.
"""

from __future__ import annotations

import json
import random
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from intelhex import IntelHex

from hil.errors import BenchError, InputError
from hil.probe import Probe, PyocdProbe
from hil.probe.nrfjprog import NrfjprogProbe
from hil.probe.nrfutil import NrfutilProbe
from tests.probe import nrfutil_program
from tests.probe.chip import Chip
from tests.probe.conftest import NAME, make_kit
from tests.probe.nrfjprog_library import Library
from tests.probe.test_pyocd import LOOP

TRANSCRIPTS = Path(__file__).parent / "transcripts"
DRIVERS = ("pyocd", "nrfjprog", "nrfutil")
RAM = 0x2000_0000
SERIAL = "683298616"


@dataclass
class Bench:
    """A driver, and the chip behind it."""

    name: str
    probe: Probe
    lock: Callable[[], None]
    resets: tuple[str, ...]
    cannot: frozenset[str] = frozenset()
    calls: Callable[[], list[dict[str, Any]]] = field(default=list)
    put_rtt: Callable[[bytes], None] = lambda data: None


def rtt_block(memory: Any, data: bytes, up_size: int = 64) -> None:
    """A control block with one up and one down buffer, `data` waiting in the first."""
    block = b"SEGGER RTT" + bytes(6) + (1).to_bytes(4, "little") * 2
    for buffer, size, written in ((RAM + 0x400, up_size, len(data)), (RAM + 0x500, 16, 0)):
        words = (0, buffer, size, written, 0, 0)
        block += b"".join(word.to_bytes(4, "little") for word in words)
    memory.write(RAM + 0x400, data)
    memory.write(RAM + 0x300, block)


def make_bench(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    if name == "pyocd":
        kits = make_kit("Rev3")
        kit = next(kits)
        with PyocdProbe(unique_id=NAME) as probe:
            probe.recover()
            yield Bench(
                name,
                probe,
                lambda: kit.rail.set_voltage(0.0),
                ("default", "system", "core"),
                put_rtt=lambda data: rtt_block(kit.soc.memory, data),
            )
        for _ in kits:
            pass
    elif name == "nrfjprog":
        library = Library()

        def lock() -> None:
            library.chip.locked = True

        def put(data: bytes) -> None:
            library.up[0] = data

        with NrfjprogProbe(unique_id=SERIAL, find_library=lambda: library) as probe:
            yield Bench(
                name,
                probe,
                lock,
                ("default", "system", "pin", "debug"),
                calls=lambda: list(library.calls),
                put_rtt=put,
            )
    else:
        program = make_nrfutil(folder, monkeypatch)

        def locked() -> None:
            chip = Chip.load(folder)
            chip.locked = True
            chip.save(folder)

        with NrfutilProbe(unique_id=SERIAL, program=str(program)) as probe:
            yield Bench(
                name,
                probe,
                locked,
                ("default", "system", "pin", "debug"),
                frozenset({"registers", "rtt"}),
                calls=lambda: [
                    json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()
                ],
            )


def make_nrfutil(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in as a program, with a chip of its own."""
    Chip().save(folder)
    monkeypatch.setenv("HIL_TEST_CHIP", str(folder))
    program = folder / "nrfutil"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{nrfutil_program.__file__}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.fixture(params=DRIVERS)
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    yield from make_bench(request.param, tmp_path, monkeypatch)


def test_it_is_a_probe_that_says_who_it_is(bench: Bench) -> None:
    assert isinstance(bench.probe, Probe)
    assert (NAME if bench.name == "pyocd" else SERIAL) in bench.probe.identity()
    assert not bench.probe.locked()


def test_it_programs_verifies_and_keeps_the_rest_of_a_page(bench: Bench, tmp_path: Path) -> None:
    probe = bench.probe
    around = random.Random(3).randbytes(0x1000)
    told: list[float] = []
    assert probe.program(around, 0x8000) == len(around)
    image = IntelHex()
    image.puts(0x8804, b"\x5a" * 100)
    path = tmp_path / "image.hex"
    image.write_hex_file(str(path))
    assert probe.program(path, progress=told.append) == 100
    assert told[-1] == 1.0
    assert probe.verify(path) == 100
    assert probe.read(0x8000, 0x1000) == around[:0x804] + b"\x5a" * 100 + around[0x868:]
    assert not probe.is_running()


def test_a_verify_that_fails_names_the_address(bench: Bench) -> None:
    bench.probe.program(b"\x01\x02\x03\x04", 0x9000)
    with pytest.raises(BenchError, match="verify failed at 0x00009002: wrote 33, reads 03"):
        bench.probe.verify(b"\x01\x02\x33\x04", 0x9000)


def test_it_programs_the_uicr(bench: Bench, tmp_path: Path) -> None:
    image = IntelHex()
    image.puts(0x1000_1080, b"\x12\x34\x56\x78")
    path = tmp_path / "uicr.hex"
    image.write_hex_file(str(path))
    assert bench.probe.program(path) == 4
    assert bench.probe.read_words(0x1000_1080, 1) == [0x7856_3412]


def test_it_reads_and_writes_memory_in_every_alignment(bench: Bench) -> None:
    probe = bench.probe
    data = random.Random(2).randbytes(21)
    for address, length in ((RAM, 21), (RAM + 1, 7), (RAM + 3, 5), (RAM + 2, 1), (RAM, 0)):
        probe.write(address, data[:length])
        assert probe.read(address, length) == data[:length]
    probe.write_words(RAM + 0x100, [1, 0xFFFF_FFFF])
    assert probe.read_words(RAM + 0x100, 2) == [1, 0xFFFF_FFFF]


def test_looking_at_a_running_core_lets_it_run(bench: Bench) -> None:
    probe = bench.probe
    probe.program(LOOP, 0)
    probe.reset()
    assert probe.is_running()
    probe.write_words(RAM + 0x200, [7])
    assert probe.read_words(RAM + 0x200, 1) == [7]
    assert probe.is_running()


def test_it_erases_pages_and_the_chip(bench: Bench) -> None:
    probe = bench.probe
    probe.program(bytes(0x3000), 0x4000)
    probe.erase(0x5000, 0x1000)
    assert probe.read(0x4FF0, 0x20) == bytes(0x10) + b"\xff" * 0x10
    assert probe.read(0x5FF0, 0x20) == b"\xff" * 0x10 + bytes(0x10)
    probe.erase(0x4000, 0x3000)
    assert probe.read(0x4000, 0x3000) == b"\xff" * 0x3000
    probe.program(bytes(0x20), 0x4000)
    probe.erase_chip()
    assert probe.read(0x4000, 0x20) == b"\xff" * 0x20


def test_it_halts_runs_and_resets_in_each_way_that_it_has(bench: Bench) -> None:
    probe = bench.probe
    probe.program(LOOP, 0)
    for kind in bench.resets:
        probe.halt()
        assert not probe.is_running()
        probe.reset(kind=kind)  # type: ignore[arg-type]
        assert probe.is_running()
    probe.reset(halt=True)
    assert not probe.is_running()
    probe.run()
    assert probe.is_running()
    for kind in {"core", "debug"} - set(bench.resets):
        with pytest.raises(InputError, match=f'reset type "{kind}"'):
            probe.reset(kind=kind)  # type: ignore[arg-type]


def test_it_reads_the_registers_of_a_halted_core(bench: Bench) -> None:
    probe = bench.probe
    probe.program(LOOP, 0)
    probe.reset(halt=True)
    if "registers" in bench.cannot:
        with pytest.raises(BenchError, match=r"does not read registers.*pyocd"):
            probe.registers()
        return
    found = probe.registers()
    assert (found["pc"], found["sp"]) == (0x100, 0x2000_8000)
    assert set(found) == {*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr"}
    probe.run()
    with pytest.raises(BenchError, match="halted core only"):
        probe.registers()


def test_it_reads_the_rtt_log(bench: Bench) -> None:
    if "rtt" in bench.cannot:
        with pytest.raises(BenchError, match="has no RTT"):
            bench.probe.rtt(RAM, 0x1000)
        return
    bench.put_rtt(b"hello by RTT\n")
    rtt = bench.probe.rtt(RAM, 0x1000)
    assert rtt.read(0) == b"hello by RTT\n"
    assert rtt.read(0) == b""
    assert rtt.write(0, b"word") == 4


@pytest.mark.parametrize(
    "name", ["nrfjprog", "nrfutil"]
)  # pyOCD's: test_pyocd.py, on a kit locked from the start
def test_a_locked_chip_is_told_and_recovered(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benches = make_bench(name, tmp_path, monkeypatch)
    bench = next(benches)
    bench.probe.program(b"kept", 0x1000)
    bench.lock()
    assert bench.probe.locked()
    with pytest.raises(BenchError, match=r"locked \(APPROTECT\).*recover\(\) erases"):
        bench.probe.read(0x1000, 4)
    bench.probe.recover()
    assert not bench.probe.locked()
    assert bench.probe.read(0x1000, 4) == b"\xff" * 4
    for _ in benches:
        pass


@pytest.mark.parametrize(
    "ask",
    [
        lambda probe: probe.program(b"x", RAM),
        lambda probe: probe.program(bytes(0x2000), 0xF_F000),
        lambda probe: probe.program(b"x"),
        lambda probe: probe.erase(0x800, 0x1000),
        lambda probe: probe.erase(0xF_F000, 0x2000),
        lambda probe: probe.read(-4, 4),
        lambda probe: probe.read(0, 1 << 30),
        lambda probe: probe.read_words(2, 1),
        lambda probe: probe.write(0xFFFF_FFFF, b"ab"),
    ],
)
def test_what_makes_no_sense_is_an_input_error(bench: Bench, ask: Callable[[Probe], object]) -> None:
    with pytest.raises(InputError):
        ask(bench.probe)


def test_a_closed_probe_says_so_and_opens_again(bench: Bench) -> None:
    bench.probe.close()
    bench.probe.close()
    with pytest.raises(BenchError, match="is not open"):
        bench.probe.halt()
    bench.probe.open()
    bench.probe.halt()


# ---- What the two stand-ins were asked, word for word ----


def session(bench: Bench) -> list[dict[str, Any]]:
    """One call of each method."""
    probe = bench.probe
    probe.identity()
    probe.locked()
    probe.program(bytes(range(16)), 0x2008)
    probe.read(RAM + 1, 6)
    probe.write(RAM + 1, b"abc")
    probe.write_words(RAM + 8, [1, 2])
    probe.read_words(RAM + 8, 1)
    probe.erase(0x2000, 0x2000)
    probe.erase_chip()
    for kind in bench.resets:
        probe.reset(kind=kind)  # type: ignore[arg-type]
    probe.reset(halt=True)
    probe.halt()
    probe.is_running()
    probe.run()
    if "registers" not in bench.cannot:
        probe.halt()
        probe.registers()
    if "rtt" not in bench.cannot:
        rtt = probe.rtt(RAM, 0x1000)
        bench.put_rtt(b"log\n")
        rtt.read(0)
        rtt.write(0, b"w")
    probe.recover()
    probe.close()
    return [_short(call) for call in bench.calls()]


def _short(call: dict[str, Any]) -> dict[str, Any]:
    """Long data as its length, so that a person can read the file."""
    told = json.loads(json.dumps(call, default=list))
    for key in ("arguments", "returns"):
        if isinstance(told.get(key), list):
            told[key] = [
                f"{len(each)} bytes" if isinstance(each, list) and len(each) > 16 else each
                for each in told[key]
            ]
            if len(told[key]) > 16:
                told[key] = f"{len(told[key])} bytes"
    return dict(told)


@pytest.mark.parametrize("name", ["nrfjprog", "nrfutil"])
def test_the_tools_are_called_as_written_down(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benches = make_bench(name, tmp_path, monkeypatch)
    asked = session(next(benches))
    written = json.loads((TRANSCRIPTS / f"{name}.json").read_text())
    assert asked == written["calls"]
    for _ in benches:
        pass


def test_each_call_of_pynrfjprog_fits_its_signature() -> None:
    written = json.loads((TRANSCRIPTS / "nrfjprog.json").read_text())
    for call in written["calls"]:
        if call["call"] != "API":
            assert len(call["arguments"]) == len(written["signatures"][call["call"]]), call


def test_each_call_of_nrfutil_uses_options_that_are_documented() -> None:
    written = json.loads((TRANSCRIPTS / "nrfutil.json").read_text())
    for call in written["calls"]:
        flags, device, command, *rest = call["arguments"]
        assert (flags, device) == ("--json", "device")
        used = {each for each in rest if each.startswith("--")}
        assert used <= set(written["options"][command]), call
