"""Real pyOCD on the emulated chip: breakpoints, watchpoints, steps, resets, faults, and what it lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.probe.aggregator import DebugProbeAggregator

from hil.virtual.wire import swd
from tests.probe.conftest import NAME, Kit, kit
from tests.probe.test_pyocd import LOOP

__all__ = ["kit"]


@pytest.fixture
def core(kit: Kit) -> Iterator[Any]:
    kit.soc.memory.write(0, LOOP)
    options = {
        "target_override": "nrf52840",
        "no_config": True,
        "auto_unlock": False,
        "connect_mode": "attach",
    }
    session = Session(DebugProbeAggregator.get_probe_with_id(NAME), auto_open=False, options=options)
    session.open()
    core = session.target.cores[0]
    core.reset_and_halt()
    yield core
    session.close()


def run_until_halted(core: Any) -> None:
    core.resume()
    for _ in range(100):
        if core.get_state() == Target.State.HALTED:
            return
    pytest.fail("the core did not halt")


def test_nothing_is_listed_without_a_bench_or_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIL_KIT", raising=False)
    assert swd.probe_class().get_all_connected_probes() == []


def test_comparators_are_those_of_a_cortex_m4(core: Any) -> None:
    assert (core.fpb.nb_code, core.fpb.nb_lit, core.dwt.watchpoint_count) == (6, 2, 4)


def test_steps(core: Any) -> None:
    addresses = []
    for _ in range(5):
        addresses.append(core.read_core_register("pc"))
        core.step()
    assert addresses == [0x100, 0x102, 0x104, 0x106, 0x108]
    assert core.get_halt_reason() == Target.HaltReason.DEBUG


def test_hardware_breakpoint_and_its_removal(core: Any) -> None:
    core.set_breakpoint(0x108, Target.BreakpointType.HW)
    run_until_halted(core)
    assert core.read_core_register("pc") == 0x108
    assert core.get_halt_reason() == Target.HaltReason.BREAKPOINT
    core.remove_breakpoint(0x108)
    core.resume()
    assert [core.get_state() for _ in range(5)] == [Target.State.RUNNING] * 5


def test_software_breakpoint_in_ram(core: Any) -> None:
    core.write_memory_block8(0x2000_2000, bytes.fromhex("0130 0130 0130 0130 fae7"))
    core.write_core_register("pc", 0x2000_2000)
    core.set_breakpoint(0x2000_2004, Target.BreakpointType.SW)
    run_until_halted(core)
    assert core.read_core_register("pc") == 0x2000_2004


@pytest.mark.parametrize("size", [1, 2, 4, 16])
def test_watchpoint_on_a_write(core: Any, size: int) -> None:
    core.set_watchpoint(0x2000_0100, size, Target.WatchpointType.WRITE)
    run_until_halted(core)
    assert core.get_halt_reason() == Target.HaltReason.WATCHPOINT
    assert core.read_core_register("pc") == 0x108
    core.remove_watchpoint(0x2000_0100, size, Target.WatchpointType.WRITE)
    core.resume()
    assert core.get_state() == Target.State.RUNNING


def test_core_registers_of_every_kind(core: Any) -> None:
    core.write_core_register("r5", 0xDEAD_BEEF)
    core.write_core_register("s3", 1.5)
    core.write_core_register("primask", 1)
    core.write_core_register("psp", 0x2000_4000)
    assert core.read_core_register("r5") == 0xDEAD_BEEF
    assert core.read_core_register("s3") == 1.5
    assert core.read_core_register("primask") == 1
    assert core.read_core_register("psp") == 0x2000_4000


@pytest.mark.parametrize("kind", ["SYSRESETREQ", "EMULATED", "CORE"])
def test_every_kind_of_reset_halts_at_the_reset_handler(core: Any, kind: str) -> None:
    core.resume()
    core.reset_and_halt(Target.ResetType[kind])
    assert core.get_state() == Target.State.HALTED
    assert core.read_core_register("pc") == 0x100


def test_a_pin_reset_takes_the_vector_catch_along_and_the_core_runs_on(core: Any, kit: Kit) -> None:
    kit.soc.memory.write(0x1000_1200, (18).to_bytes(4, "little") * 2)  # PSELRESET: P0.18 is nRESET
    core.write_core_register("r5", 0xDEAD_BEEF)
    core.set_reset_catch()
    core.reset(Target.ResetType.NSRST)
    assert core.get_state() == Target.State.RUNNING
    core.halt()
    assert core.get_state() == Target.State.HALTED
    assert core.read_core_register("r5") != 0xDEAD_BEEF


def test_the_reset_pin_is_an_ordinary_pin_until_uicr_says_otherwise(core: Any) -> None:
    core.set_reset_catch()
    core.step()
    core.reset(Target.ResetType.NSRST)
    assert core.read_core_register("pc") == 0x102


def test_a_bus_fault_is_reported_with_its_address_and_does_not_stick(core: Any) -> None:
    with pytest.raises(exceptions.TransferFaultError) as caught:
        core.read32(0x6000_0000)
    assert caught.value.fault_address == 0x6000_0000
    assert core.read32(0x0) == 0x2000_8000


def test_a_step_into_nowhere_ends(core: Any, kit: Kit) -> None:
    kit.soc.memory.write(0xC, b"\xff" * 4)
    core.write_core_register("pc", 0xFFFF_FFF0)
    core.step()
    assert core.get_state() == Target.State.HALTED


def test_a_running_core_makes_progress_with_each_poll(core: Any) -> None:
    core.resume()
    seen = []
    for _ in range(4):
        core.get_state()
        seen.append(core.read32(0x2000_0100))
    assert seen == sorted(set(seen))
