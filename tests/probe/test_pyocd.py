"""The pyOCD driver on a virtual chip: real pyOCD, its own flash algorithm, on the emulated CPU."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from intelhex import IntelHex

from hil.errors import BenchError, InputError
from hil.probe import Probe, PyocdProbe
from hil.virtual.kernel import TICKS_PER_MS

from .conftest import NAME, Kit

# Counts in r0 and stores it at 0x2000_0100 for ever.
LOOP = (
    (0x2000_8000).to_bytes(4, "little")
    + (0x101).to_bytes(4, "little")
    + bytes(0xF8)
    + bytes.fromhex("0020 0849 0130 0860 00bf fbe7")
    + bytes(0x18)
    + (0x2000_0100).to_bytes(4, "little")
)


def test_it_is_a_probe_and_says_who_it_is(probe: PyocdProbe) -> None:
    assert isinstance(probe, Probe)
    assert probe.identity() == f"hil virtual nRF52840 kit {NAME}"
    assert not probe.locked()


def test_a_program_runs_halts_and_resets(probe: PyocdProbe, kit: Kit) -> None:
    assert probe.program(LOOP, 0) == len(LOOP)
    assert not probe.is_running()
    probe.reset(halt=True)
    registers = probe.registers()
    assert (registers["pc"], registers["sp"]) == (0x100, 0x2000_8000)
    probe.run()
    assert probe.is_running()
    with pytest.raises(BenchError, match="halted core only"):
        probe.registers()
    kit.wait_ms(1)
    probe.halt()
    assert probe.registers()["r0"] in (
        probe.read_words(0x2000_0100, 1)[0],
        probe.read_words(0x2000_0100, 1)[0] + 1,
    )
    assert probe.registers()["r0"] > 1000
    probe.reset()
    assert probe.is_running()


def test_programming_keeps_the_rest_of_a_page(probe: PyocdProbe) -> None:
    probe.program(bytes(range(256)) * 32, 0x8000)
    probe.program(b"\xaa" * 100, 0x8800)
    expected = bytearray(bytes(range(256)) * 32)
    expected[0x800 : 0x800 + 100] = b"\xaa" * 100
    assert probe.read(0x8000, 0x2000) == bytes(expected)


def test_a_hex_file_with_uicr(probe: PyocdProbe, tmp_path: Path) -> None:
    image = IntelHex()
    data = random.Random(1).randbytes(10_001)
    image.puts(0x1_0000, data)
    image.puts(0x1000_1080, b"\x12\x34\x56\x78")
    path = tmp_path / "image.hex"
    image.write_hex_file(str(path))
    seen: list[float] = []
    assert probe.program(path, progress=seen.append) == len(data) + 4
    assert probe.read(0x1_0000, len(data)) == data
    assert probe.read_words(0x1000_1080, 1) == [0x7856_3412]
    assert seen[-1] == 1.0
    assert seen == sorted(seen)


def test_memory_in_every_alignment(probe: PyocdProbe) -> None:
    data = random.Random(2).randbytes(300)
    for address, length in (
        (0x2000_0000, 300),
        (0x2000_0001, 299),
        (0x2000_0003, 5),
        (0x2000_0002, 1),
        (0x2000_0000, 0),
    ):
        probe.write(address, data[:length])
        assert probe.read(address, length) == data[:length]
    probe.write_words(0x2000_1000, [1, 0xFFFF_FFFF])
    assert probe.read_words(0x2000_1000, 2) == [1, 0xFFFF_FFFF]


def test_erase_pages_and_chip(probe: PyocdProbe) -> None:
    probe.program(b"\x00" * 0x3000, 0x4000)
    probe.erase(0x5000, 0x1000)
    assert probe.read(0x4000, 0x3000) == b"\x00" * 0x1000 + b"\xff" * 0x1000 + b"\x00" * 0x1000
    probe.erase_chip()
    assert probe.read(0x4000, 0x3000) == b"\xff" * 0x3000


def test_flash_operations_take_the_time_of_the_flash(probe: PyocdProbe, kit: Kit) -> None:
    before = kit.kernel.now
    probe.program(bytes(4096), 0x8000)
    milliseconds = (kit.kernel.now - before) / TICKS_PER_MS
    assert 85 + 1024 * 0.041 < milliseconds < 1.5 * (85 + 1024 * 0.041)


def test_waiting_for_the_flash_does_not_take_a_poll_a_turn(probe: PyocdProbe, kit: Kit) -> None:
    before = kit.link.round_trips
    probe.erase(0x8000, 0x1000)
    assert kit.link.round_trips - before < 100


@pytest.mark.parametrize(
    "ask",
    [
        lambda probe: probe.program(b"x", 0x2000_0000),
        lambda probe: probe.program(bytes(0x2000), 0xF_F000),
        lambda probe: probe.program(b"x"),
        lambda probe: probe.erase(0x800, 0x1000),
        lambda probe: probe.read(-4, 4),
        lambda probe: probe.read(0, 1 << 30),
        lambda probe: probe.read_words(2, 1),
        lambda probe: probe.write(0xFFFF_FFFF, b"ab"),
    ],
)
def test_what_makes_no_sense_is_an_input_error(probe: PyocdProbe, ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError):
        ask(probe)


def test_a_bus_error_names_probe_and_address_and_the_next_access_works(probe: PyocdProbe) -> None:
    with pytest.raises(BenchError) as caught:
        probe.read(0x6000_0000, 4)
    assert NAME in str(caught.value)
    assert "0x60000000" in str(caught.value)
    probe.write_words(0x2000_0000, [42])
    assert probe.read_words(0x2000_0000, 1) == [42]


def test_a_chip_without_power_is_a_bench_error(probe: PyocdProbe, kit: Kit) -> None:
    kit.rail.set_voltage(0.0)
    kit.wait_ms(1)
    with pytest.raises(BenchError, match="not powered"):
        probe.read(0, 4)
    probe.close()
    with pytest.raises(BenchError, match=f"{NAME}.*cannot connect"):
        probe.open()


def test_a_missing_probe_lists_what_was_found(kit: Kit) -> None:
    with pytest.raises(
        BenchError, match=rf"probe nobody is not connected; found: {NAME} \(hil virtual nRF52840 kit\)"
    ):
        PyocdProbe(unique_id="nobody").open()


def test_a_probe_that_is_not_open_says_so() -> None:
    with pytest.raises(BenchError, match="is not open"):
        PyocdProbe().halt()


def test_a_locked_chip_is_left_alone_until_recovered(locked_kit: Kit) -> None:
    locked_kit.soc.memory.write(0x1000, b"kept")
    with PyocdProbe(unique_id=NAME) as probe:
        assert probe.locked()
        with pytest.raises(BenchError, match=r"locked \(APPROTECT\); recover\(\) erases"):
            probe.read(0, 4)
        assert bytes(locked_kit.soc.memory.flash[0x1000:0x1004]) == b"kept"
        probe.recover()
        assert not probe.locked()
        assert probe.read(0x1000, 4) == b"\xff" * 4
        probe.program(LOOP, 0)
        probe.reset(halt=True)
        assert probe.registers()["pc"] == 0x100


def test_closing_lets_the_core_run(kit: Kit) -> None:
    with PyocdProbe(unique_id=NAME) as probe:
        probe.program(LOOP, 0)
        probe.reset(halt=True)
    assert kit.soc.debug.running
    before = kit.soc.memory.read(0x2000_0100, 4)
    kit.wait_ms(1)
    assert kit.soc.memory.read(0x2000_0100, 4) != before
